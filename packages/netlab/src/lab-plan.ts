/** The addresses of a lab: one look tells a pod from a Service. The same in both families as far as their notations allow. */
import { type Cidr, cidr, type IpAddress, ipAddress, type IpFamily } from "@fairlead/types";

/** Ranges of one family. */
export interface LabRanges {
  /** Of all pods of the cluster; those of a node are `podsOf`. */
  readonly pods: Cidr;
  /** Cluster IPs. The nodes' range may lie within it: the longer prefix leads to them. */
  readonly services: Cidr;
  readonly nodes: Cidr;
  readonly loadBalancers: Cidr;
  /** For externalIPs. */
  readonly externals: Cidr;
  /** Clients that are of no node. */
  readonly outsiders: Cidr;
  readonly podsOf: (node: number) => Cidr;
}

const ranges: Readonly<Record<IpFamily, LabRanges>> = {
  IPv4: {
    pods: cidr("10.244.0.0/16"),
    services: cidr("10.96.0.0/12"),
    nodes: cidr("10.100.0.0/24"),
    loadBalancers: cidr("10.200.0.0/24"),
    externals: cidr("10.201.0.0/24"),
    outsiders: cidr("192.0.2.0/24"),
    podsOf: (node) => cidr(`10.244.${node}.0/24`),
  },
  IPv6: {
    pods: cidr("fd00:244::/32"),
    services: cidr("fd00:96::/112"),
    nodes: cidr("fd00:100::/64"),
    loadBalancers: cidr("fd00:200::/64"),
    externals: cidr("fd00:201::/64"),
    outsiders: cidr("2001:db8::/64"),
    podsOf: (node) => cidr(`fd00:244:${node}::/64`),
  },
};

/** Last part of the address of the first pod of a node; 1 is the node's own in its pod range. */
const firstPod = 10;
/** Last part of the address of the first client outside. */
const firstOutsider = 10;
const routerHost = 254;

/** An address in both families. */
export type DualAddress = Readonly<Record<IpFamily, IpAddress>>;

const dual = (v4: string, v6: string): DualAddress => ({ IPv4: ipAddress(v4), IPv6: ipAddress(v6) });

/** See the module. Nodes, pods and outsiders count from 1; Services, load balancers and externals are free to choose. */
export const labPlan = {
  ranges,
  node: (node: number): DualAddress => dual(`10.100.0.${node}`, `fd00:100::${node}`),
  /** What a pod's node has on the link to it: the source of what the node masquerades there. */
  podGateway: (node: number): DualAddress => dual(`10.244.${node}.1`, `fd00:244:${node}::1`),
  pod: (node: number, pod: number): DualAddress =>
    dual(`10.244.${node}.${firstPod + pod - 1}`, `fd00:244:${node}::${firstPod + pod - 1}`),
  outsider: (one: number): DualAddress =>
    dual(`192.0.2.${firstOutsider + one - 1}`, `2001:db8::${firstOutsider + one - 1}`),
  /** Where packets go that nobody has a route for; it takes them in silence. */
  router: dual(`10.100.0.${routerHost}`, `fd00:100::${routerHost}`),
  /** The n-th cluster IP, from 1 to 65,535. */
  service: (n: number): DualAddress => dual(`10.96.${n >> 8}.${n & 0xff}`, `fd00:96::${n.toString(16)}`),
  /** The n-th address of a load balancer, from 1 to 254. */
  loadBalancer: (n: number): DualAddress => dual(`10.200.0.${n}`, `fd00:200::${n.toString(16)}`),
  /** The n-th address for externalIPs, from 1 to 254. */
  external: (n: number): DualAddress => dual(`10.201.0.${n}`, `fd00:201::${n.toString(16)}`),
} as const;
