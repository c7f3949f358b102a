/** What is to be relayed: one Service port with its addresses and endpoints, as its planner sees it. */
import type { Cidr, Protocol, SchedulerName, ServicePortKey, TrafficPolicy } from "@fairlead/types";

/** An address and port to listen at. */
export interface RelayFrontend {
  readonly address: string;
  readonly port: number;
  /** `Local`: only the entry's local list takes this traffic. */
  readonly policy: TrafficPolicy;
  /** Clients that are let in; empty means all. Clients behind a PROXY header are judged by the address of the connection. */
  readonly sourceRanges: readonly Cidr[];
  /** Each connection must begin with a PROXY header, version 1 or 2, that says who the client is. TCP only. */
  readonly readsProxyHeader?: boolean;
  /** Each connection to an endpoint begins with a PROXY header of version 1. TCP only. */
  readonly writesProxyHeader?: boolean;
}

/** An endpoint that may take new connections. */
export interface RelayEndpoint {
  /** Unique within a list. */
  readonly key: string;
  /** An IP address, or for TCP a name that is looked up for each connection. */
  readonly address: string;
  readonly port: number;
  /** 0 to 65535; 0 takes no new connection. */
  readonly weight: number;
}

/** See the module. Immutable: a change is a new version with the same key. */
export interface RelayEntry {
  /** Unique. Of two entries that want one address and port, the one with the lower key has it. */
  readonly key: string;
  /** What counters go by: entries of one Service port share them. */
  readonly servicePort: ServicePortKey;
  readonly protocol: Protocol;
  readonly frontends: readonly RelayFrontend[];
  /** For frontends of policy Cluster. */
  readonly cluster: readonly RelayEndpoint[];
  /** For frontends of policy Local. */
  readonly local: readonly RelayEndpoint[];
  /** ClientIP affinity, counted from the last new connection, in milliseconds; absent where there is none. */
  readonly affinityMs?: number;
  /** Absent means the default of whoever makes the pickers. */
  readonly scheduler?: SchedulerName;
}

/** The difference between two sets of entries. */
export interface RelayChange<E extends RelayEntry> {
  readonly added: readonly E[];
  readonly updated: readonly { readonly before: E; readonly after: E }[];
  readonly removed: readonly E[];
}

/** Why an address is not served as asked. */
export type RelayProblem<E extends RelayEntry = RelayEntry> =
  | { readonly kind: "bind"; readonly error: NodeJS.ErrnoException }
  | { readonly kind: "taken"; readonly by: E | undefined }
  | { readonly kind: "protocol" };

/** Told what happens at single addresses. Calls return at once and never throw. */
export interface RelayObserver<E extends RelayEntry = RelayEntry> {
  /** The address began to be served. */
  serving(entry: E, frontend: E["frontends"][number]): void;
  /** It cannot be served as asked. May be told again while it lasts, when the entry changes. */
  problem(entry: E, frontend: E["frontends"][number], problem: RelayProblem<E>): void;
}

/** The list that a frontend's traffic may go to. */
export function endpointsFor<E extends RelayEntry>(entry: E, policy: TrafficPolicy): E["cluster"] {
  return policy === "Local" ? entry.local : entry.cluster;
}

/** Whether at least one endpoint takes new connections. */
export function anyEligible(endpoints: readonly RelayEndpoint[]): boolean {
  return endpoints.some((endpoint) => endpoint.weight > 0);
}

/** Whether two lists of endpoints are the same for a picker: members and weights. */
export function sameEndpoints(a: readonly RelayEndpoint[], b: readonly RelayEndpoint[]): boolean {
  return a.length === b.length && a.every(({ key, weight }, at) => key === b[at]?.key && weight === b[at]?.weight);
}
