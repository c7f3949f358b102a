/** Services for benchmarks of planes: any number, each with as many endpoints as asked for, all addresses distinct where they must be. */
import type { FeedBatch } from "@fairlead/bus";
import {
  type EndpointSlice,
  feedKeyOf,
  type FeedValue,
  ipAddress,
  nodeName,
  port,
  type Service,
} from "@fairlead/types";
import type { ServicePortEntry } from "../../src/plan/entry.ts";
import { endpointAt, entryOf, frontendAt } from "../../src/testing.ts";

/** Addresses of pods: 10.128.0.0/9 has room for 250,000 and more. */
const podNetworks = 128;
const serviceNetworks = 96;
const servicePort = 80;

function address(network: number, number: number): string {
  return `10.${network + (number >> 16)}.${(number >> 8) & 0xff}.${number & 0xff}`;
}

/** The cluster IP of the Service of that number, from 0. */
export function serviceAddress(number: number): string {
  return address(serviceNetworks, number + 1);
}

/** The Service of that number. `first` stands for its first endpoint's port: another number is another endpoint. */
export function sampleService(number: number, endpoints: number, first = 8_080): ServicePortEntry {
  return entryOf({
    name: `service-${number}`,
    frontends: [frontendAt({ address: serviceAddress(number), port: servicePort })],
    endpoints: Array.from({ length: endpoints }, (_, index) =>
      endpointAt({ address: address(podNetworks, number * endpoints + index), port: index === 0 ? first : 8_080 }),
    ),
    local: [],
  });
}

/** The same Services as the feed tells of them, as its first batch. */
export function sampleSnapshot(services: number, endpoints: number): FeedBatch {
  const values = Array.from({ length: services }, (_, number): readonly FeedValue[] => [
    { kind: "service", service: feedService(number) },
    { kind: "slice", slice: feedSlice(number, endpoints) },
  ]).flat();
  const changes = values.map((value, index) => {
    return { v: 1, epoch: "bench", seq: index + 1, key: feedKeyOf(value), at: 0, op: "put", value } as const;
  });
  return { source: "snapshot", epoch: "bench", seq: changes.length, changes };
}

function feedService(number: number): Service {
  return {
    namespace: "default",
    name: `service-${number}`,
    uid: `uid-${number}`,
    type: "ClusterIP",
    headless: false,
    clusterIPs: [ipAddress(serviceAddress(number))],
    ipFamilies: ["IPv4"],
    ports: [{ name: "", protocol: "TCP", port: port(servicePort) }],
    externalIPs: [],
    loadBalancerAddresses: [],
    loadBalancerSourceRanges: [],
    sessionAffinity: { kind: "None" },
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    publishNotReadyAddresses: false,
  };
}

function feedSlice(number: number, endpoints: number): EndpointSlice {
  return {
    namespace: "default",
    name: `service-${number}-1`,
    service: `service-${number}`,
    family: "IPv4",
    headless: false,
    ports: [{ name: "", protocol: "TCP", port: port(8_080) }],
    endpoints: Array.from({ length: endpoints }, (_, index) => ({
      addresses: [ipAddress(address(podNetworks, number * endpoints + index))],
      ready: true,
      serving: true,
      terminating: false,
      nodeName: nodeName("node-2"),
      weight: 1,
    })),
  };
}
