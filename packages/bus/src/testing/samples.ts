/** Values to publish. `generation` makes two values of one key differ. */
import { feedKeyOf, IpFamily } from "@fairlead/types";
import type { FeedKey, FeedValue, IpAddress, NodeName, Port } from "@fairlead/types";

/** A Service `default/<name>` with one port. */
export function sampleService(name: string, generation = 1): FeedValue {
  return {
    kind: "service",
    service: {
      namespace: "default",
      name,
      uid: `uid-of-${name}`,
      type: "ClusterIP",
      headless: false,
      clusterIPs: ["127.96.0.10" as IpAddress],
      ipFamilies: [IpFamily.v4],
      ports: [{ name: "http", protocol: "TCP", port: generation as Port }],
      externalIPs: [],
      loadBalancerAddresses: [],
      loadBalancerSourceRanges: [],
      sessionAffinity: { kind: "None" },
      internalTrafficPolicy: "Cluster",
      externalTrafficPolicy: "Cluster",
      publishNotReadyAddresses: false,
    },
  };
}

/** A slice `default/<service>-<name>` of the Service `default/<service>` with this many endpoints. */
export function sampleSlice(service: string, name: string, endpoints = 1, generation = 1): FeedValue {
  return {
    kind: "slice",
    slice: {
      namespace: "default",
      name: `${service}-${name}`,
      service,
      family: IpFamily.v4,
      headless: false,
      ports: [{ name: "http", protocol: "TCP", port: 8080 as Port }],
      endpoints: Array.from({ length: endpoints }, (_, index) => ({
        addresses: [`127.244.${(index >> 8) & 255}.${index & 255}` as IpAddress],
        ready: true,
        serving: true,
        terminating: false,
        nodeName: "node-1" as NodeName,
        weight: generation,
      })),
    },
  };
}

/** A node. */
export function sampleNode(name: string, ready = true): FeedValue {
  const node = { name: name as NodeName, addresses: [], podCIDRs: [], ready, leaving: false };
  return { kind: "node", node: { ...node, excludedFromLoadBalancers: false } };
}

/** A namespace. */
export function sampleNamespace(name: string): FeedValue {
  return { kind: "namespace", namespace: { name } };
}

/** A pod `default/<name>`. */
export function samplePod(name: string, generation = 1): FeedValue {
  return { kind: "pod", pod: { namespace: "default", name, addresses: [`127.244.9.${generation}` as IpAddress] } };
}

/** Values by their keys, as `takeOver` takes them. */
export function stateOf(...values: readonly FeedValue[]): Map<FeedKey, FeedValue> {
  return new Map(values.map((value) => [feedKeyOf(value), value]));
}
