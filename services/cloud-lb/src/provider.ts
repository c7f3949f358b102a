/** What gives a load balancer to a Service: pools of addresses, or a cloud's API. The controller knows nothing else of it. */
import type { Node, Service } from "@fairlead/kube/objects";
import type { Cidr } from "@fairlead/types";

/** One entry of `status.loadBalancer.ingress`: an address or a host name. */
export interface LoadBalancerIngress {
  readonly ip?: string;
  readonly hostname?: string;
  /** Only with `ip`: VIP arrives with the address as its destination, Proxy with a node's or pod's (KEP-1860). */
  readonly ipMode?: "VIP" | "Proxy";
}

/** `status.loadBalancer` of a Service. */
export interface LoadBalancerStatus {
  readonly ingress: readonly LoadBalancerIngress[];
}

/** What asks a node whether it takes traffic: GET of `path` on `port`, 200 means yes. */
export interface HealthCheckTarget {
  readonly port: number;
  readonly path: string;
}

/** A load balancer as it should be. */
export interface LoadBalancerRequest {
  readonly service: Service;
  /** Nodes that may get traffic. Their readiness is not looked at: the health check decides. */
  readonly nodes: readonly Node[];
  /** Clients that are let in. */
  readonly sourceRanges: readonly Cidr[];
  /** The Service's own health check port with policy Local, else that of the node proxy. */
  readonly healthCheck: HealthCheckTarget;
}

/** What the controller tells a provider of the cluster before it asks for anything. */
export interface ClusterView {
  /** Every Service, with what its status says. */
  readonly services: readonly Service[];
  /** Labels of a namespace; none where it is not known. */
  namespaceLabels(name: string): Readonly<Record<string, string>>;
}

/** How a provider tells people something about a Service, besides what its errors say. */
export type Notify = (service: Service, note: { type: "Normal" | "Warning"; reason: string; message: string }) => void;

/**
 * See the module. One process leads at a time and calls; calls about one Service never overlap. All but `restore` and `nameOf` may
 * throw; AllocationError and RetryLaterError have a meaning of their own, any other error is tried again with growing waits.
 */
export interface LoadBalancerProvider {
  /** For logs and metrics. */
  readonly name: string;
  /** Traffic reaches nodes by node ports, so every port needs one. */
  readonly usesNodePorts: boolean;
  /** Begins anew with what the API says; called whenever this process becomes the leader, before anything else. */
  restore(view: ClusterView): void;
  /** Name of the Service's load balancer: unique, stable, at most 32 characters. */
  nameOf(service: Service): string;
  /** What the Service has now; `undefined` where it has none. */
  get(service: Service): Promise<LoadBalancerStatus | undefined>;
  /** Makes the load balancer, or changes it to what is asked for. Asked twice, it answers the same. */
  ensure(request: LoadBalancerRequest): Promise<LoadBalancerStatus>;
  /** Only the nodes have changed. */
  update(request: LoadBalancerRequest): Promise<void>;
  /** Takes it away; settles as well where there is none. */
  ensureDeleted(service: Service): Promise<void>;
  /**
   * A Service that is not the controller's to serve is new, has changed, or is gone: what its status names may be taken, or free. Not
   * called for Services that were ensured and not yet taken away.
   */
  noteOther(service: Service, gone: boolean): void;
  /** Calls back whenever a Service that was refused may have better luck now. One listener; `undefined` ends it. */
  onCapacity(listener: (() => void) | undefined): void;
}

/** The default name, as clouds have it: `a` and the uid without dashes. */
export function defaultLoadBalancerName(service: Service): string {
  return `a${(service.metadata?.uid ?? "").replaceAll("-", "")}`.slice(0, 32);
}
