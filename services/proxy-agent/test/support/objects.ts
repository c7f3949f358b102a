/** Feed objects for tests, with everything that a test does not care about filled in. */
import { cidr, ipAddress, nodeName, port } from "@fairlead/types";
import type {
  Endpoint,
  EndpointSlice,
  FeedKey,
  FeedValue,
  Node,
  Port,
  Service,
  ServicePort,
  SlicePort,
} from "@fairlead/types";
import { feedKeyOf } from "@fairlead/types";

/** A ClusterIP Service `default/web` with TCP port 8080 (unnamed). */
export function service(overrides: Partial<Service> = {}): Service {
  return {
    namespace: "default",
    name: "web",
    uid: "uid-web",
    type: "ClusterIP",
    headless: false,
    clusterIPs: [ipAddress("127.96.0.10")],
    ipFamilies: ["IPv4"],
    ports: [servicePort()],
    externalIPs: [],
    loadBalancerAddresses: [],
    loadBalancerSourceRanges: [],
    sessionAffinity: { kind: "None" },
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    publishNotReadyAddresses: false,
    ...overrides,
  };
}

export function servicePort(overrides: Partial<ServicePort> = {}): ServicePort {
  return { name: "", protocol: "TCP", port: port(8080), ...overrides };
}

/** A ready endpoint of weight 1 on node-1. */
export function endpoint(address: string, overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    addresses: [ipAddress(address)],
    ready: true,
    serving: true,
    terminating: false,
    nodeName: nodeName("node-1"),
    weight: 1,
    ...overrides,
  };
}

/** Terminating, but still passing its readiness check. */
export const draining = { ready: false, serving: true, terminating: true } as const;
/** Neither ready nor serving. */
export const down = { ready: false, serving: false, terminating: false } as const;

/** A slice of `default/web` whose unnamed TCP port is 9090. */
export function slice(endpoints: readonly Endpoint[], overrides: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    namespace: "default",
    name: "web-1",
    service: "web",
    family: "IPv4",
    headless: false,
    ports: [slicePort()],
    endpoints,
    ...overrides,
  };
}

export function slicePort(overrides: { name?: string; protocol?: SlicePort["protocol"]; port?: Port } = {}): SlicePort {
  return { name: "", protocol: "TCP", port: port(9090), ...overrides };
}

/** A Ready node with the InternalIP given. */
export function node(name: string, address: string, overrides: Partial<Node> = {}): Node {
  return {
    name: nodeName(name),
    addresses: [{ type: "InternalIP", address: ipAddress(address) }],
    podCIDRs: [cidr("127.244.0.0/24")],
    ready: true,
    leaving: false,
    excludedFromLoadBalancers: false,
    ...overrides,
  };
}

export const asValue = {
  service: (one: Service): FeedValue => ({ kind: "service", service: one }),
  slice: (one: EndpointSlice): FeedValue => ({ kind: "slice", slice: one }),
  node: (one: Node): FeedValue => ({ kind: "node", node: one }),
};

/** The state of a feed that holds these values. */
export function stateOf(...values: readonly FeedValue[]): ReadonlyMap<FeedKey, FeedValue> {
  return new Map(values.map((value) => [feedKeyOf(value), value]));
}
