/** What a node proxy should do for one Service port in one address family: the unit that the planner makes and a plane applies. */
import type {
  Brand,
  Cidr,
  IpAddress,
  IpFamily,
  NodeName,
  Port,
  Protocol,
  SchedulerName,
  ServicePortKey,
  TrafficPolicy,
} from "@fairlead/types";

/** `<service port key> <family>`: a Service port in one address family. Made by {@link entryKey} only. */
export type EntryKey = Brand<string, "EntryKey">;

/** The key of an entry. */
export function entryKey(servicePort: ServicePortKey, family: IpFamily): EntryKey {
  return `${servicePort} ${family}` as EntryKey;
}

/** Why an address belongs to a Service. Policies and source ranges differ by it. */
export type FrontendKind = "ClusterIP" | "ExternalIP" | "LoadBalancer" | "NodePort";

/** An address and port at which the Service port is served on this node. */
export interface Frontend {
  readonly kind: FrontendKind;
  readonly address: IpAddress;
  readonly port: Port;
  /** `Local`: only the entry's local list takes this traffic, and the endpoint should see the client's own address (not for ClusterIP). */
  readonly policy: TrafficPolicy;
  /** Clients that are let in; empty means all. Set only for load-balancer addresses. */
  readonly sourceRanges: readonly Cidr[];
}

/** An endpoint that may take new connections. */
export interface PlaneEndpoint {
  /** `address:port`, unique within a list. */
  readonly key: string;
  readonly address: IpAddress;
  readonly port: Port;
  /** 0 to 65535; 0 takes no new connection. */
  readonly weight: number;
  readonly node?: NodeName;
}

/** An endpoint that is there and gets no new connection: not ready, or terminating while others are ready, or kept out by a hint. */
export interface StandbyEndpoint extends PlaneEndpoint {
  /** It still answers: a UDP flow that it has may stay with it. */
  readonly serving: boolean;
}

/** Which Service an entry belongs to. */
export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** See the module. */
export interface ServicePortEntry {
  readonly key: EntryKey;
  readonly servicePort: ServicePortKey;
  readonly service: ServiceRef;
  /** Name of the Service port; may be empty. */
  readonly portName: string;
  readonly protocol: Protocol;
  readonly family: IpFamily;
  /** Sorted by address and port, without duplicates. */
  readonly frontends: readonly Frontend[];
  /** For frontends of policy Cluster. Sorted by key. */
  readonly cluster: readonly PlaneEndpoint[];
  /** For frontends of policy Local. Sorted by key. */
  readonly local: readonly PlaneEndpoint[];
  /**
   * Endpoints of the Service port that are in neither list. Their pods are still there: open connections to them may go on until they
   * are gone from here too. Sorted by key.
   */
  readonly standby: readonly StandbyEndpoint[];
  /** Some node could serve it: where the own list is empty, a kernel plane drops if this is set and rejects if it is not. */
  readonly hasAnyEndpoints: boolean;
  /** ClientIP affinity, counted from the last new connection, in milliseconds; absent where there is none. */
  readonly affinityMs?: number;
  /** What the Service asked for; absent means the plane's default. */
  readonly scheduler?: SchedulerName;
}

/** The list that a frontend's traffic may go to. */
export function endpointsFor(entry: ServicePortEntry, policy: TrafficPolicy): readonly PlaneEndpoint[] {
  return policy === "Local" ? entry.local : entry.cluster;
}

/** Whether at least one endpoint takes new connections. */
export function anyEligible(endpoints: readonly PlaneEndpoint[]): boolean {
  return endpoints.some((endpoint) => endpoint.weight > 0);
}

/** Whether two entries ask a plane for the same. */
export function sameEntry(a: ServicePortEntry, b: ServicePortEntry): boolean {
  return (
    a.key === b.key &&
    a.service.uid === b.service.uid &&
    a.hasAnyEndpoints === b.hasAnyEndpoints &&
    a.affinityMs === b.affinityMs &&
    a.scheduler === b.scheduler &&
    sameList(a.frontends, b.frontends, sameFrontend) &&
    sameEndpoints(a.cluster, b.cluster) &&
    sameEndpoints(a.local, b.local) &&
    sameList(a.standby, b.standby, (x, y) => x.key === y.key && x.serving === y.serving)
  );
}

/** Whether two lists of endpoints are the same for a picker: members and weights. */
export function sameEndpoints(a: readonly PlaneEndpoint[], b: readonly PlaneEndpoint[]): boolean {
  return sameList(a, b, (x, y) => x.key === y.key && x.weight === y.weight && x.node === y.node);
}

function sameFrontend(a: Frontend, b: Frontend): boolean {
  return (
    a.kind === b.kind &&
    a.address === b.address &&
    a.port === b.port &&
    a.policy === b.policy &&
    sameList(a.sourceRanges, b.sourceRanges, (x, y) => x === y)
  );
}

function sameList<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}
