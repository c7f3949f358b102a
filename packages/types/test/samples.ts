/** One full object of each kind, every optional field set, on the one address plan. */
import { cidr, ipAddress, nodeName, port } from "../src/index.ts";
import type { EndpointSlice, Namespace, Node, Pod, Service } from "../src/index.ts";

export const service: Service = {
  namespace: "default",
  name: "kubia",
  uid: "uid-1",
  type: "LoadBalancer",
  headless: false,
  clusterIPs: [ipAddress("127.96.12.34")],
  ipFamilies: ["IPv4"],
  externalName: "example.org",
  ports: [{ name: "http", protocol: "TCP", port: port(80), nodePort: port(30123), appProtocol: "http" }],
  externalIPs: [ipAddress("127.210.0.1")],
  loadBalancerAddresses: [{ ip: ipAddress("127.200.0.1"), mode: "VIP" }],
  loadBalancerSourceRanges: [cidr("127.0.0.0/8")],
  healthCheckNodePort: port(30999),
  sessionAffinity: { kind: "ClientIP", timeoutSeconds: 10 },
  internalTrafficPolicy: "Cluster",
  externalTrafficPolicy: "Local",
  publishNotReadyAddresses: false,
  scheduler: "wrr",
  proxyName: "other",
};

export const slice: EndpointSlice = {
  namespace: "default",
  name: "kubia-x7k2p",
  service: "kubia",
  family: "IPv4",
  headless: false,
  ports: [{ name: "http", protocol: "TCP", port: port(8080), appProtocol: "http" }],
  endpoints: [
    {
      addresses: [ipAddress("127.244.1.7")],
      ready: true,
      serving: true,
      terminating: false,
      nodeName: nodeName("node-1"),
      zone: "a",
      hostname: "kubia-0",
      hints: { zones: ["a"], nodes: [nodeName("node-1")] },
      target: { kind: "Pod", namespace: "default", name: "kubia-x", uid: "uid-2" },
      weight: 3,
    },
  ],
};

export const node: Node = {
  name: nodeName("node-1"),
  addresses: [{ type: "InternalIP", address: ipAddress("127.64.0.1") }],
  podCIDRs: [cidr("127.244.1.0/24")],
  ready: true,
  zone: "a",
  leaving: false,
  excludedFromLoadBalancers: false,
};

export const namespace: Namespace = { name: "default" };

export const pod: Pod = {
  namespace: "default",
  name: "kubia-x.y",
  addresses: [ipAddress("127.244.1.7"), ipAddress("fd00::7")],
};
