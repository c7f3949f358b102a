/** Feed objects for tests, with everything that a test does not care about filled in. */
import { familyOf, feedKeyOf, ipAddress, port } from "@fairlead/types";
import type { Endpoint, EndpointSlice, FeedKey, FeedValue, Service, ServicePort, SlicePort } from "@fairlead/types";

/** A ClusterIP Service in namespace default; port names like `http/TCP/80`. */
export function service(name: string, overrides: Partial<Service> = {}): Service {
  return {
    namespace: "default",
    name,
    uid: `uid-${name}`,
    type: "ClusterIP",
    headless: false,
    clusterIPs: [],
    ipFamilies: ["IPv4"],
    ports: [],
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

export function servicePort(name: string, number: number, protocol: ServicePort["protocol"] = "TCP"): ServicePort {
  return { name, protocol, port: port(number) };
}

export function endpoint(address: string, overrides: Partial<Endpoint> = {}): Endpoint {
  return { addresses: [ipAddress(address)], ready: true, serving: true, terminating: false, weight: 1, ...overrides };
}

/** Neither ready nor serving. */
export const down = { ready: false, serving: false, terminating: false } as const;

/** A slice of a Service in default; its family is that of the first endpoint. */
export function slice(
  of: string,
  endpoints: readonly Endpoint[],
  ports: readonly SlicePort[] = [],
  overrides: Partial<EndpointSlice> = {},
): EndpointSlice {
  const [first] = endpoints[0]?.addresses ?? [];
  const family = first === undefined ? "IPv4" : familyOf(first);
  return {
    namespace: "default",
    name: `${of}-${family.toLowerCase()}`,
    service: of,
    family,
    headless: false,
    ports,
    endpoints,
    ...overrides,
  };
}

export const asValue = {
  service: (one: Service): FeedValue => ({ kind: "service", service: one }),
  slice: (one: EndpointSlice): FeedValue => ({ kind: "slice", slice: one }),
  namespace: (name: string): FeedValue => ({ kind: "namespace", namespace: { name } }),
  /** A pod in default. */
  pod: (name: string, ...addresses: readonly string[]): FeedValue => ({
    kind: "pod",
    pod: { namespace: "default", name, addresses: addresses.map((address) => ipAddress(address)) },
  }),
};

/** The state of a feed that holds these values. */
export function stateOf(...values: readonly FeedValue[]): ReadonlyMap<FeedKey, FeedValue> {
  return new Map(values.map((value) => [feedKeyOf(value), value]));
}
