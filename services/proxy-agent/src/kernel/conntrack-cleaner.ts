/**
 * Connection tracking remembers where a flow goes, and packets of a flow that it knows never ask the rules again. A UDP client that goes on
 * sending would for ever be led to an endpoint that has gone, or past a Service that began after the flow. Such flows are forgotten here,
 * so that their next packet begins anew (kube-proxy's pkg/proxy/conntrack/cleanup.go).
 */
import { type ConntrackClient, type ConntrackEntry, CtStatus } from "@fairlead/netlink";
import type { Frontend, PlaneEndpoint, ServicePortEntry } from "../plan/entry.ts";

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
  #deleted = 0;

  constructor(options: { readonly conntrack: ConntrackClient }) {
    this.#conntrack = options.conntrack;
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
    if (stale.length === 0) return 0;
    const deleted = await this.#conntrack.deleteAll(stale);
    this.#deleted += deleted;
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
