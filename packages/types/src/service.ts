/** A Service as the network sees it: the API object with its defaults applied and everything else left out. */
import type { Cidr, IpAddress, IpFamily, Port, Protocol } from "./net.ts";

export const serviceTypes = ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] as const;
/** `spec.type`. A headless Service is a ClusterIP one with `headless` set. */
export type ServiceType = (typeof serviceTypes)[number];

export const trafficPolicies = ["Cluster", "Local"] as const;
/** Which endpoints traffic may go to: any, or those of the node it arrived at. */
export type TrafficPolicy = (typeof trafficPolicies)[number];

export const schedulerNames = ["rr", "wrr", "random", "lc", "wlc", "sh", "dh", "sed", "nq", "mh", "p2c"] as const;
/** Names of the balancing algorithms: IPVS's own where it has them. */
export type SchedulerName = (typeof schedulerNames)[number];

/** Session affinity of a Service; the timeout counts from the last use, in seconds. */
export type SessionAffinity =
  | { readonly kind: "None" }
  | { readonly kind: "ClientIP"; readonly timeoutSeconds: number };

/** One port of a Service. */
export interface ServicePort {
  /** Empty only where the Service has one port. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: Port;
  readonly nodePort?: Port;
  readonly appProtocol?: string;
}

/** An address that a load balancer gave a Service. `Proxy` means: do not capture it on the node (KEP-1860). */
export interface LoadBalancerAddress {
  readonly ip: IpAddress;
  readonly mode: "VIP" | "Proxy";
}

/** See the module. `clusterIPs` is empty for headless and ExternalName Services. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: ServiceType;
  readonly headless: boolean;
  readonly clusterIPs: readonly IpAddress[];
  readonly ipFamilies: readonly IpFamily[];
  /** Only of type ExternalName: the name that stands for the Service, without a trailing dot. */
  readonly externalName?: string;
  readonly ports: readonly ServicePort[];
  readonly externalIPs: readonly IpAddress[];
  readonly loadBalancerAddresses: readonly LoadBalancerAddress[];
  /** Empty means: from anywhere. */
  readonly loadBalancerSourceRanges: readonly Cidr[];
  readonly healthCheckNodePort?: Port;
  readonly sessionAffinity: SessionAffinity;
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  readonly publishNotReadyAddresses: boolean;
  /** Annotation `fairlead.dev/scheduler`; absent means the agent's default. */
  readonly scheduler?: SchedulerName;
  /** Label `service.kubernetes.io/service-proxy-name`: a proxy of that name serves it, no other. */
  readonly proxyName?: string;
}
