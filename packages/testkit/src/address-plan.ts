/** The addresses that every test uses, so that one look tells a pod from a Service. All of 127.0.0.0/8 is local on Linux. */
import type { Cidr, IpAddress } from "@fairlead/types";

export const addressPlan = {
  /** Pods; node-1's are 127.244.1.x by habit. */
  pods: "127.244.0.0/16" as Cidr,
  /** Cluster IPs. */
  services: "127.96.0.0/16" as Cidr,
  /** Nodes: node-1 is .1, node-2 is .2. */
  nodes: "127.64.0.0/24" as Cidr,
  /** Load-balancer addresses. */
  loadBalancers: "127.200.0.0/24" as Cidr,
  /** Everybody else, from RFC 5737: never routed, only ever parsed and matched. */
  outsiders: "203.0.113.0/24" as Cidr,
  /** The outside world's domain, from RFC 2606. */
  domain: "example.org",
  /** The cluster's domain. */
  clusterDomain: "cluster.local",
  /** Address of the n-th pod, Service, node or load balancer, counted from 1; at most 254. */
  pod: (n: number): IpAddress => host("127.244.1", n),
  service: (n: number): IpAddress => host("127.96.0", n),
  node: (n: number): IpAddress => host("127.64.0", n),
  loadBalancer: (n: number): IpAddress => host("127.200.0", n),
  outsider: (n: number): IpAddress => host("203.0.113", n),
} as const;

function host(prefix: string, n: number): IpAddress {
  if (!Number.isInteger(n) || n < 1 || n > 254) throw new RangeError(`the address plan has no host ${n}`);
  return `${prefix}.${n}` as IpAddress;
}
