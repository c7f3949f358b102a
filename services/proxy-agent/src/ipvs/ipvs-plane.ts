/** The plane in IPVS: the kernel's own load balancer leads connections to endpoints, programmed by netlink. */
import { release } from "node:os";
import type { NetworkNamespace } from "@fairlead/sockets";
import type { Cidr, Clock, ServicePortKey } from "@fairlead/types";
import type { KernelPlaneOptions, KernelPlaneStatus } from "../kernel/kernel-plane-options.ts";
import { Serial } from "../kernel/serial.ts";
import { anyEligible, type EntryKey, endpointsFor, type Frontend, type ServicePortEntry } from "../plan/entry.ts";
import type { HeldFrontend, Plane, PlaneChange, TrafficCounters } from "../plane.ts";
import { type IpvsKernel, openIpvsKernel, whyNoIpvs } from "./ipvs-kernel.ts";
import { defaultInterface, IpvsProgram, type Outcome } from "./ipvs-program.ts";
import { Messages } from "./messages.ts";
import { placeAt } from "./place.ts";
import { ServiceTraffic } from "./service-traffic.ts";
import { setSysctls, wantedSysctls } from "./sysctls.ts";

/** Time between two looks at what is being drained, in ms. */
const tickMs = 1_000;

/** Time that the kernel takes to forget the connections of a UDP server that was deleted, in ms: a tick of its clock, and some work. */
const udpForgetsMs = 30;

/** What the plane has beside what all planes in the kernel have. */
export interface IpvsOptions {
  /** The interface that bears the Services' addresses; made, as a dummy, where it is not there. Default: fairlead-ipvs. */
  readonly interface?: string;
  /** Only the node that announces a load balancer's address answers who has it. */
  readonly strictArp: boolean;
  /** Addresses whose virtual services are somebody else's, whatever Services say. */
  readonly excludeCidrs: readonly Cidr[];
  /** Seconds after which idle connections are forgotten; 0 leaves the kernel's number. */
  readonly timeouts?: { readonly tcp: number; readonly tcpFin: number; readonly udp: number };
  /** Longest time that a server without a pod keeps its connections, in ms. */
  readonly drainTimeoutMs: number;
}

/** See the module, docs/ipvs.md and the ADR on what is ours in IPVS. */
export class IpvsPlane implements Plane {
  readonly name = "ipvs plane";
  readonly mode = "ipvs";
  readonly #options: KernelPlaneOptions & IpvsOptions;
  readonly #serial = new Serial();
  readonly #traffic = new ServiceTraffic();
  readonly #messages: Messages;
  #kernel: IpvsKernel | undefined;
  #program: IpvsProgram | undefined;
  #podRanges: readonly Cidr[] | undefined;
  #verifiedAt = 0;
  #drift = 0;
  #verifications = 0;
  #cancelTick: (() => void) | undefined;

  constructor(options: KernelPlaneOptions & IpvsOptions) {
    this.#options = options;
    this.#messages = new Messages(options.observer);
    const { localTraffic } = options;
    if (localTraffic.kind === "ranges") this.#podRanges = localTraffic.ranges;
  }

  /** Why the kernel there cannot carry the plane; undefined if it can. Leaves nothing behind. */
  static probe(
    namespace: NetworkNamespace,
    clock: Clock,
    options: Pick<IpvsOptions, "interface"> = {},
  ): Promise<string | undefined> {
    return whyNoIpvs(namespace, clock, { interface: options.interface ?? defaultInterface });
  }

  /** Throws {@link IpvsUnavailableError} where there is no IPVS, SysctlError where it cannot be set up, SystemCallError without the privilege. */
  async start(): Promise<void> {
    const { namespace, clock, timeouts, flowsCleaned } = this.#options;
    this.#kernel = await openIpvsKernel(namespace, clock, flowsCleaned);
    try {
      this.#setUp();
      if (timeouts !== undefined) await this.#kernel.ipvs.setTimeouts(timeouts);
    } catch (error) {
      this.#kernel.close();
      this.#kernel = undefined;
      throw error;
    }
    this.#verifiedAt = clock.monotonic();
    this.#tick();
  }

  /** Leaves everything where it is: traffic goes on, and the next start takes it over. */
  async stop(): Promise<void> {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    await this.#serial.run(async () => {
      this.#kernel?.close();
      this.#kernel = undefined;
      this.#program = undefined;
      this.#messages.clear();
    });
  }

  apply(change: PlaneChange): Promise<void> {
    return this.#serial.run(() => this.#apply(change));
  }

  inspect(): Promise<readonly HeldFrontend[]> {
    return this.#serial.run(async () => {
      const program = this.#open();
      const endpoints = new Map((await program.look()).map((held) => [held.place, held.endpoints]));
      const held: HeldFrontend[] = [];
      for (const { entry, frontends } of program.plan.all()) {
        const { servicePort, protocol } = entry;
        for (const { kind, address, port } of frontends) {
          const keys = endpoints.get(placeAt(protocol, address, port)) ?? [];
          if (keys.length > 0) held.push({ servicePort, kind, protocol, address, port, endpoints: keys });
        }
      }
      return held.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    });
  }

  /** Compares the kernel with what it should hold, now, and puts right what differs. */
  verify(): Promise<void> {
    return this.#serial.run(() => this.#verify());
  }

  retire(): Promise<void> {
    return this.#serial.run(() => this.#open().retire());
  }

  cleanup(): Promise<void> {
    return this.#serial.run(async () => {
      await this.#open().cleanup();
      this.#program = undefined;
      this.#messages.clear();
    });
  }

  /** What every Service port has counted; reads the kernel, which adds up every two seconds. */
  counters(): Promise<Iterable<readonly [ServicePortKey, TrafficCounters]>> {
    return this.#serial.run(async () => {
      if (this.#options.trafficCounters && this.#program !== undefined) await this.#program.count();
      return this.#traffic.all();
    });
  }

  status(): KernelPlaneStatus {
    return {
      driftRepaired: this.#drift,
      verifications: this.#verifications,
      flowsDeleted: this.#kernel?.cleaner.deleted ?? 0,
    };
  }

  async #apply(change: PlaneChange): Promise<void> {
    const { added, updated, removed, node } = change;
    if (node !== undefined && this.#options.localTraffic.kind === "node-ranges") this.#podRanges = node.podRanges;
    const program = this.#open();
    const isFirst = !program.hasTakenOver;
    const former = [...removed, ...updated.map(({ before }) => before)];
    const current = [...added, ...updated.map(({ after }) => after)];
    if (isFirst) this.#traffic.beginWith(added);
    else for (const entry of added) this.#traffic.begin(entry);
    const ranges = isFirst || node !== undefined ? this.#podRanges : undefined;
    const outcome = await program.apply(
      removed.map(({ key }): EntryKey => key),
      current,
      ranges,
    );
    for (const entry of removed) this.#traffic.end(entry);
    if (outcome.udpGone) await this.#pause(udpForgetsMs);
    await this.#openKernel().cleaner.clean({ current: this.#owned(current), former, unanswered: isFirst });
    this.#tell(change, outcome);
  }

  /** Entries without the addresses that others have. */
  #owned(entries: readonly ServicePortEntry[]): readonly ServicePortEntry[] {
    return entries.map((entry) => ({ ...entry, frontends: this.#open().plan.placed(entry.key)?.frontends ?? [] }));
  }

  async #verify(): Promise<void> {
    if (this.#program?.hasTakenOver !== true) return;
    const settings = this.#setUp();
    const outcome = await this.#program.verify();
    this.#verifiedAt = this.#options.clock.monotonic();
    this.#verifications += 1;
    this.#tellFailures(outcome);
    const changes = settings + outcome.changes;
    if (changes === 0) return;
    this.#drift += changes;
    this.#options.log.warn("somebody had changed what this plane holds in the kernel, and it was put right", {
      changes,
    });
  }

  #tick(): void {
    this.#cancelTick = this.#options.clock.setTimer(tickMs, () => {
      void this.#serial
        .run(async () => {
          if (this.#kernel === undefined || this.#program === undefined) return;
          if (this.#program.isDraining) await this.#program.drain();
          const since = this.#options.clock.monotonic() - this.#verifiedAt;
          if (since >= this.#options.verifyIntervalMs && !this.#program.isRetired) await this.#verify();
        })
        .catch((error: unknown) => this.#options.log.warn("IPVS could not be looked after", { error }))
        .finally(() => {
          if (this.#cancelTick !== undefined) this.#tick();
        });
    });
  }

  /** Makes the kernel's settings; returns how many were others. */
  #setUp(): number {
    const { namespace, strictArp, trafficCounters } = this.#options;
    return setSysctls(namespace, wantedSysctls({ strictArp, trafficCounters, release: release() }));
  }

  #tell({ added, updated, removed }: PlaneChange, outcome: Outcome): void {
    const program = this.#open();
    for (const entry of removed) this.#messages.forget(entry);
    for (const entry of added) this.#messages.tell(program, entry, undefined);
    for (const { before, after } of updated) this.#messages.tell(program, after, before);
    this.#tellFailures(outcome);
    const failed = (entry: ServicePortEntry, { address, port }: Frontend): boolean =>
      outcome.services.has(placeAt(entry.protocol, address, port)) || outcome.addresses.has(address);
    const serves = (entry: ServicePortEntry, frontend: Frontend): boolean =>
      anyEligible(endpointsFor(entry, frontend.policy)) && !failed(entry, frontend);
    const began = (entry: ServicePortEntry, before?: ServicePortEntry): void => {
      for (const frontend of program.plan.placed(entry.key)?.frontends ?? []) {
        const old = before?.frontends.find(
          ({ address, port }) => address === frontend.address && port === frontend.port,
        );
        const served = before !== undefined && old !== undefined && anyEligible(endpointsFor(before, old.policy));
        if (!served && serves(entry, frontend)) this.#options.observer.serving(entry, frontend);
      }
    };
    for (const entry of added) began(entry);
    for (const { before, after } of updated) began(after, before);
  }

  #tellFailures({ services, addresses }: Outcome): void {
    if (services.size + addresses.size > 0) this.#messages.tellFailures(this.#open(), services, addresses);
  }

  #open(): IpvsProgram {
    if (this.#program !== undefined) return this.#program;
    const kernel = this.#openKernel();
    const program = new IpvsProgram({
      ...this.#options,
      kernel,
      interface: this.#options.interface ?? defaultInterface,
      traffic: this.#traffic,
    });
    this.#program = program;
    return program;
  }

  #openKernel(): IpvsKernel {
    if (this.#kernel === undefined) throw new Error("the ipvs plane is not started");
    return this.#kernel;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.setTimer(ms, resolve));
  }
}

function sortKey(held: HeldFrontend): string {
  return `${held.address} ${String(held.port).padStart(5, "0")} ${held.protocol}`;
}
