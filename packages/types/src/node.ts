/** A Node as the network sees it. */
import type { NodeName } from "./identity.ts";
import type { Cidr, IpAddress } from "./net.ts";

export const nodeAddressTypes = ["InternalIP", "ExternalIP"] as const;
/** Kinds of node address that are addresses; host names are left out. */
export type NodeAddressType = (typeof nodeAddressTypes)[number];

/** See the module. */
export interface Node {
  readonly name: NodeName;
  readonly addresses: readonly { readonly type: NodeAddressType; readonly address: IpAddress }[];
  readonly podCIDRs: readonly Cidr[];
  /** Condition Ready is True. */
  readonly ready: boolean;
  /** Label `topology.kubernetes.io/zone`. */
  readonly zone?: string;
  /** Being deleted, or tainted `ToBeDeletedByClusterAutoscaler`: load balancers should turn away (KEP-3836). */
  readonly leaving: boolean;
  /** Label `node.kubernetes.io/exclude-from-external-load-balancers`. */
  readonly excludedFromLoadBalancers: boolean;
}
