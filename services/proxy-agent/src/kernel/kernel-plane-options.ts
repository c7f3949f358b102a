/** What the planes that program the kernel are told. */
import type { Logger } from "@fairlead/host";
import type { NetworkNamespace } from "@fairlead/sockets";
import type { Cidr, Clock, IpFamily, NodeName, SchedulerName } from "@fairlead/types";
import type { PlaneObserver } from "../plane.ts";

/** Which traffic is of pods of this node or cluster: it is not masqueraded on its way to a cluster IP (kube-proxy's detectLocalMode). */
export type LocalTraffic =
  /** Nobody knows. */
  | { readonly kind: "none" }
  /** By source address: the ranges of the cluster's pods. */
  | { readonly kind: "ranges"; readonly ranges: readonly Cidr[] }
  /** By source address: the ranges of the Node object. */
  | { readonly kind: "node-ranges" }
  /** By the interface that it comes in by. */
  | { readonly kind: "interface"; readonly name: string }
  | { readonly kind: "interface-prefix"; readonly prefix: string };

/** See the module. */
export interface KernelPlaneOptions {
  readonly node: NodeName;
  /** Where the kernel is programmed. */
  readonly namespace: NetworkNamespace;
  readonly observer: PlaneObserver;
  readonly clock: Clock;
  readonly log: Logger;
  /** For Services without `fairlead.dev/scheduler`; absent: the plane's own default. */
  readonly scheduler?: SchedulerName;
  readonly localTraffic: LocalTraffic;
  /** Bit of the packet mark, 0 to 31, that stands for "masquerade this"; kube-proxy's is 14. */
  readonly masqueradeBit: number;
  /** Masquerade everything that goes to a cluster IP. */
  readonly masqueradeAll: boolean;
  /** Count connections, packets and bytes of every Service. */
  readonly trafficCounters: boolean;
  /** Time between two comparisons of what the kernel holds with what it should, in milliseconds. */
  readonly verifyIntervalMs: number;
  /** Told of every look at the table of connections for flows that have become wrong; for metrics. */
  readonly flowsCleaned?: (run: FlowsCleaned) => void;
}

/** One look at the table of connections. */
export interface FlowsCleaned {
  readonly ms: number;
  /** Flows that were forgotten. */
  readonly deleted: Readonly<Record<IpFamily, number>>;
}

/** What a plane in the kernel tells about its own work, for metrics. */
export interface KernelPlaneStatus {
  /** Things that somebody else had changed or removed, and that were put right. */
  readonly driftRepaired: number;
  /** Comparisons so far. */
  readonly verifications: number;
  /** Flows that were forgotten because their endpoint had gone. */
  readonly flowsDeleted: number;
}
