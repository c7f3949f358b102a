/** The plane without privileges: this process listens on the Service addresses itself and relays what comes. */
import type { Logger } from "@fairlead/host";
import { RelaySet } from "@fairlead/relay";
import type { PickerFactory, RelayObserver, ServicePortCounters } from "@fairlead/relay";
import type { Clock, ServicePortKey } from "@fairlead/types";
import { endpointsFor } from "../plan/entry.ts";
import type { EntryKey, ServicePortEntry } from "../plan/entry.ts";
import type { HeldFrontend, Plane, PlaneChange, PlaneObserver, PlaneProblem } from "../plane.ts";
import { bindProblem } from "./bind-problem.ts";

/** Time for connections that have begun before another plane took over to be accepted, in milliseconds. */
const HANDSHAKE_MS = 1_000;

/** What the plane needs. */
export interface UserspacePlaneOptions {
  readonly makePicker: PickerFactory;
  readonly observer: PlaneObserver;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long an endpoint may take to accept a connection before another one is tried, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Silence after which a UDP flow ends, in milliseconds. */
  readonly udpTimeoutMs: number;
}

/** See the module. */
export class UserspacePlane implements Plane {
  readonly name = "userspace plane";
  readonly mode = "userspace";
  readonly #relays: RelaySet<ServicePortEntry>;
  readonly #entries = new Map<EntryKey, ServicePortEntry>();
  readonly #clock: Clock;

  constructor(options: UserspacePlaneOptions) {
    this.#clock = options.clock;
    const { observer, ...rest } = options;
    this.#relays = new RelaySet<ServicePortEntry>({ ...rest, keepsSource, observer: inWords(observer) });
  }

  async start(): Promise<void> {
    // Nothing is held before the first change.
  }

  stop(): Promise<void> {
    return this.cleanup();
  }

  apply(change: PlaneChange): Promise<void> {
    for (const { key } of change.removed) this.#entries.delete(key);
    for (const entry of change.added) this.#entries.set(entry.key, entry);
    for (const { after } of change.updated) this.#entries.set(after.key, after);
    return this.#relays.apply(change);
  }

  /** Stops listening once nobody is on the way to it any more; what is relayed goes on in this process. */
  async retire(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    // A listener that closes resets whoever it has not accepted yet.
    this.#clock.setTimer(HANDSHAKE_MS, resolve);
    await promise;
    await this.apply({ added: [], updated: [], removed: [...this.#entries.values()] });
  }

  async inspect(): Promise<readonly HeldFrontend[]> {
    const held = [...this.#relays.held()].map(({ entry, frontend }): HeldFrontend => {
      const { servicePort, protocol } = entry;
      const { kind, address, port, policy } = frontend;
      const endpoints = endpointsFor(entry, policy).filter(({ weight }) => weight > 0);
      return { servicePort, kind, protocol, address, port, endpoints: endpoints.map(({ key }) => key) };
    });
    return held.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  }

  cleanup(): Promise<void> {
    this.#entries.clear();
    return this.#relays.cleanup();
  }

  /** The counters of each Service port that is planned, for metrics. */
  counters(): Iterable<readonly [ServicePortKey, ServicePortCounters]> {
    return this.#relays.counters();
  }
}

/** Whether the endpoint should see the client's own address. */
function keepsSource({ policy, kind }: { readonly policy: string; readonly kind?: string }): boolean {
  return policy === "Local" && kind !== "ClusterIP";
}

function inWords(observer: PlaneObserver): RelayObserver<ServicePortEntry> {
  return {
    serving: (entry, frontend) => observer.serving(entry, frontend),
    problem: (entry, frontend, problem) => {
      const words = (): PlaneProblem => {
        switch (problem.kind) {
          case "bind":
            return bindProblem(entry, frontend, problem.error);
          case "taken":
            return {
              reason: "AddressConflict",
              message: `${frontend.address}:${frontend.port}/${entry.protocol} is served for ${problem.by?.servicePort}, which names it as well.`,
            };
          case "protocol":
            return {
              reason: "ProtocolNotSupported",
              message: "The userspace plane serves TCP and UDP; SCTP needs the nftables or ipvs plane.",
            };
        }
      };
      observer.problem(entry, frontend, words());
    },
  };
}

function sortKey(held: HeldFrontend): string {
  return `${held.address} ${String(held.port).padStart(5, "0")} ${held.protocol}`;
}
