/**
 * Connection tracking remembers where a flow goes, and packets of a flow that it knows never ask the rules again. A UDP client that goes on
 * sending would for ever be led to an endpoint that has gone, or past a Service that began after the flow. Such flows are forgotten here,
 * so that their next packet begins anew (kube-proxy's pkg/proxy/conntrack/cleanup.go).
 */
import { type ConntrackClient, type ConntrackEntry, CtStatus } from "@fairlead/netlink";
import { type Clock, familyOf, IpFamily } from "@fairlead/types";
import type { Frontend, PlaneEndpoint, ServicePortEntry } from "../plan/entry.ts";
import type { FlowsCleaned } from "./kernel-plane-options.ts";

const udp = 17;
const tcp = 6;

/** What has changed. */
export interface CleanUp {
  /** Entries that are there now and are new or other than before. */
  readonly current: readonly ServicePortEntry[];
  /** Earlier versions, and entries that have gone. */
  readonly former: readonly ServicePortEntry[];
  /**
   * Also forget TCP connections that began before there was a rule for them, and still wait for their first answer: their clients would send
   * into the void until they give up (kubernetes/kubernetes#48719).
   */
  readonly unanswered: boolean;
}

/** See the module. */
export class ConntrackCleaner {
  readonly #conntrack: ConntrackClient;
  readonly #clock: Clock;
  readonly #cleaned: ((run: FlowsCleaned) => void) | undefined;
  #deleted = 0;

  /** `cleaned` is told of every reading of the table, and what came of it. */
  constructor(options: {
    readonly conntrack: ConntrackClient;
    readonly clock: Clock;
    readonly cleaned?: ((run: FlowsCleaned) => void) | undefined;
  }) {
    this.#conntrack = options.conntrack;
    this.#clock = options.clock;
    this.#cleaned = options.cleaned;
  }

  /** Flows forgotten so far. */
  get deleted(): number {
    return this.#deleted;
  }

  /** Forgets what has become wrong; returns how many flows. Reads the table of connections only where an entry could have some. */
  async clean({ current, former, unanswered }: CleanUp): Promise<number> {
    const flows = new Map<string, ReadonlySet<string>>();
    for (const entry of former)
      if (entry.protocol === "UDP") for (const at of entry.frontends) flows.set(placeOf(at), nobody);
    for (const entry of current) {
      if (entry.protocol !== "UDP") continue;
      const serving = servingOf(entry);
      for (const at of entry.frontends) flows.set(placeOf(at), serving);
    }
    const began = this.#clock.monotonic();
    const stale: ConntrackEntry[] = [];
    if (flows.size > 0) {
      stale.push(
        ...(await this.#conntrack.list({
          protocol: udp,
          matches: ({ original, reply }) => {
            const serving = flows.get(`${original.destination} ${original.destinationPort}`);
            return serving !== undefined && !serving.has(`${reply.source} ${reply.sourcePort}`);
          },
        })),
      );
    }
    if (unanswered) stale.push(...(await this.#unanswered(current)));
    const deleted = stale.length === 0 ? 0 : await this.#conntrack.deleteAll(stale);
    this.#deleted += deleted;
    if (flows.size > 0 || unanswered) {
      // Those that ended by themselves meanwhile are taken off IPv4's: they are too few to be told apart.
      const v6 = Math.min(deleted, stale.filter(({ original }) => familyOf(original.source) === IpFamily.v6).length);
      this.#cleaned?.({ ms: this.#clock.monotonic() - began, deleted: { IPv4: deleted - v6, IPv6: v6 } });
    }
    return deleted;
  }

  async #unanswered(entries: readonly ServicePortEntry[]): Promise<readonly ConntrackEntry[]> {
    const places = new Set<string>();
    for (const { protocol, frontends } of entries) {
      if (protocol === "TCP") for (const at of frontends) places.add(placeOf(at));
    }
    if (places.size === 0) return [];
    return this.#conntrack.list({
      protocol: tcp,
      matches: ({ original, reply, status }) =>
        (status & (CtStatus.seenReply | CtStatus.dnat)) === 0 &&
        reply.source === original.destination &&
        places.has(`${original.destination} ${original.destinationPort}`),
    });
  }
}

const nobody: ReadonlySet<string> = new Set();

function placeOf({ address, port }: Pick<Frontend, "address" | "port">): string {
  return `${address} ${port}`;
}

/** Endpoints that may keep a flow: all that still answer, whatever policies and hints say of new ones. */
function servingOf({ cluster, local, standby }: ServicePortEntry): ReadonlySet<string> {
  const all: readonly PlaneEndpoint[] = [...cluster, ...local, ...standby.filter(({ serving }) => serving)];
  return new Set(all.map(placeOf));
}
