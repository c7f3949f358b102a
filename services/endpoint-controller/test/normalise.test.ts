import type { EndpointSlice, Node, Pod, Service } from "@fairlead/kube";
import { expect, test } from "vitest";
import { normalisePod } from "../src/normalise/pod.ts";
import { normaliseNode } from "../src/normalise/node.ts";
import { normaliseService } from "../src/normalise/service.ts";
import { normaliseSlice } from "../src/normalise/slice.ts";
import { weightOf } from "../src/normalise/weight.ts";
import { pod, service } from "./support/objects.ts";

/** What a reading gave, and what it complained about. */
function reading<T>(read: (complain: (field: string, reason: string) => void) => T): { value: T; fields: string[] } {
  const fields: string[] = [];
  return { value: read((field) => fields.push(field)), fields };
}

const normalised = (given: Service): ReturnType<typeof reading<ReturnType<typeof normaliseService>>> =>
  reading((complain) => normaliseService(given, complain));

test("a Service gets the API's defaults", () => {
  const { value, fields } = normalised({
    metadata: { namespace: "shop", name: "web", uid: "u" },
    spec: { clusterIP: "10.96.0.1", ports: [{ port: 80 }] },
  });
  expect(fields).toEqual([]);
  expect(value).toEqual({
    namespace: "shop",
    name: "web",
    uid: "u",
    type: "ClusterIP",
    headless: false,
    clusterIPs: ["10.96.0.1"],
    ipFamilies: [],
    ports: [{ name: "", protocol: "TCP", port: 80 }],
    externalIPs: [],
    loadBalancerAddresses: [],
    loadBalancerSourceRanges: [],
    sessionAffinity: { kind: "None" },
    internalTrafficPolicy: "Cluster",
    externalTrafficPolicy: "Cluster",
    publishNotReadyAddresses: false,
  });
});

test("every field that the network needs is carried over", () => {
  const { value, fields } = normalised({
    metadata: {
      namespace: "shop",
      name: "web",
      uid: "u",
      labels: { "service.kubernetes.io/service-proxy-name": "other" },
      annotations: { "fairlead.dev/scheduler": "lc" },
    },
    spec: {
      type: "LoadBalancer",
      clusterIP: "10.96.0.1",
      clusterIPs: ["10.96.0.1", "FD00::1"],
      ipFamilies: ["IPv4", "IPv6"],
      ports: [{ name: "web", port: 80, targetPort: "http", nodePort: 30080, protocol: "UDP", appProtocol: "h3" }],
      externalIPs: ["203.0.113.7"],
      sessionAffinity: "ClientIP",
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 10 } },
      internalTrafficPolicy: "Local",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: 31000,
      publishNotReadyAddresses: true,
      loadBalancerSourceRanges: ["203.0.113.0/24"],
    },
    status: {
      loadBalancer: {
        ingress: [{ ip: "127.200.0.1" }, { hostname: "lb.example.org" }, { ip: "127.200.0.2", ipMode: "Proxy" }],
      },
    },
  });
  expect(fields).toEqual([]);
  expect(value).toMatchObject({
    clusterIPs: ["10.96.0.1", "fd00::1"],
    ports: [{ name: "web", protocol: "UDP", port: 80, nodePort: 30080, appProtocol: "h3" }],
    externalIPs: ["203.0.113.7"],
    loadBalancerAddresses: [
      { ip: "127.200.0.1", mode: "VIP" },
      { ip: "127.200.0.2", mode: "Proxy" },
    ],
    loadBalancerSourceRanges: ["203.0.113.0/24"],
    healthCheckNodePort: 31000,
    sessionAffinity: { kind: "ClientIP", timeoutSeconds: 10 },
    internalTrafficPolicy: "Local",
    externalTrafficPolicy: "Local",
    publishNotReadyAddresses: true,
    scheduler: "lc",
    proxyName: "other",
  });
});

test("an object by whose name no key can be made is refused as a whole", () => {
  const refused = expect.objectContaining({ code: "INVALID_INPUT" });
  for (const metadata of [{ name: "No Name" }, { namespace: "a.b" }, { name: "" }]) {
    expect(() => normaliseService(service({}, metadata), () => {})).toThrow(refused);
    expect(() =>
      normaliseSlice(
        slice({ metadata: { ...slice({}).metadata, ...metadata } }),
        () => 1,
        () => {},
      ),
    ).toThrow(refused);
  }
});

test("affinity lasts three hours unless told", () => {
  expect(normalised(service({ sessionAffinity: "ClientIP" })).value.sessionAffinity).toEqual({
    kind: "ClientIP",
    timeoutSeconds: 10_800,
  });
});

test("a headless Service and a name in DNS have no address", () => {
  expect(normalised(service({ clusterIP: "None", clusterIPs: ["None"] })).value).toMatchObject({
    headless: true,
    clusterIPs: [],
  });
  expect(
    normalised(service({ type: "ExternalName", clusterIP: "", externalName: "db.example.org." })).value,
  ).toMatchObject({
    headless: false,
    clusterIPs: [],
    externalName: "db.example.org",
  });
});

test("what cannot be read is left out alone, and complained about by its field", () => {
  const { value, fields } = normalised(
    service(
      {
        ports: [{ port: 80 }, { port: 0 }, { port: 81, protocol: "QUIC" }],
        externalIPs: ["203.0.113.1", "nonsense"],
        clusterIPs: ["10.96.0.1", "x"],
        type: "Fancy",
      },
      { annotations: { "fairlead.dev/scheduler": "fastest" } },
    ),
  );
  expect(fields.toSorted()).toEqual([
    "metadata.annotations[fairlead.dev/scheduler]",
    "spec.clusterIPs[1]",
    "spec.externalIPs[1]",
    "spec.ports[1].port",
    "spec.ports[2].protocol",
  ]);
  expect(value).toMatchObject({
    type: "ClusterIP",
    clusterIPs: ["10.96.0.1"],
    ports: [{ port: 80 }],
    externalIPs: ["203.0.113.1"],
  });
  expect(value).not.toHaveProperty("scheduler");
});

const annotation = "service.beta.kubernetes.io/load-balancer-source-ranges";

test.for<[string, string[] | undefined, string | undefined, string[], number]>([
  ["none", undefined, undefined, [], 0],
  ["the field", ["10.0.0.0/8"], undefined, ["10.0.0.0/8"], 0],
  ["the annotation", undefined, "10.0.0.0/8, 203.0.113.0/24", ["10.0.0.0/8", "203.0.113.0/24"], 0],
  ["the annotation beside an empty field", [], "10.0.0.0/8", ["10.0.0.0/8"], 0],
  ["the field before the annotation", ["10.0.0.0/8"], "0.0.0.0/0", ["10.0.0.0/8"], 0],
  [
    "an address that is not the first of its range",
    ["10.1.2.3/8", "fd00::1/64"],
    undefined,
    ["10.0.0.0/8", "fd00::/64"],
    0,
  ],
  ["an empty annotation", undefined, "", [], 0],
  ["one of two unreadable", ["10.0.0.0/8", "x"], undefined, ["10.0.0.0/8"], 1],
  ["none readable: nobody is let in", ["10.0.0.0", "10.0.0.0/33"], undefined, ["0.0.0.0/32"], 2],
  ["an unreadable annotation: nobody is let in", undefined, "everybody", ["0.0.0.0/32"], 1],
])("source ranges: %s", ([, loadBalancerSourceRanges, text, expected, complaints]) => {
  const { value, fields } = normalised(
    service(
      { type: "LoadBalancer", ...(loadBalancerSourceRanges && { loadBalancerSourceRanges }) },
      text === undefined ? {} : { annotations: { [annotation]: text } },
    ),
  );
  expect(value.loadBalancerSourceRanges).toEqual(expected);
  expect(fields).toHaveLength(complaints);
});

test("source ranges count only for a load balancer", () => {
  expect(normalised(service({ loadBalancerSourceRanges: ["10.0.0.0/8"] })).value.loadBalancerSourceRanges).toEqual([]);
});

const slice = (given: Partial<EndpointSlice>): EndpointSlice => ({
  metadata: { namespace: "shop", name: "web-1", labels: { "kubernetes.io/service-name": "web" } },
  addressType: "IPv4",
  endpoints: [],
  ...given,
});

test("a hand-made slice has the API's defaults", () => {
  const { value, fields } = reading((complain) =>
    normaliseSlice(slice({ ports: [{ port: 80 }, {}], endpoints: [{ addresses: ["10.0.0.1"] }] }), () => 7, complain),
  );
  expect(fields).toEqual([]);
  expect(value).toEqual({
    namespace: "shop",
    name: "web-1",
    service: "web",
    family: "IPv4",
    headless: false,
    ports: [
      { name: "", protocol: "TCP", port: 80 },
      { name: "", protocol: "TCP" },
    ],
    endpoints: [{ addresses: ["10.0.0.1"], ready: true, serving: true, terminating: false, weight: 1 }],
  });
});

test("a slice of ours is carried over whole, with the weight of each pod", () => {
  const given = slice({
    addressType: "IPv6",
    endpoints: [
      {
        addresses: ["FD00::1"],
        conditions: { ready: false, serving: true, terminating: true },
        nodeName: "node-1",
        zone: "zone-a",
        hostname: "web-0",
        hints: { forZones: [{ name: "zone-a" }], forNodes: [{ name: "node-1" }] },
        targetRef: { kind: "Pod", namespace: "shop", name: "pod-1", uid: "u" },
      },
    ],
  });
  const headless = {
    ...given,
    metadata: { ...given.metadata, labels: { ...given.metadata?.labels, "service.kubernetes.io/headless": "" } },
  };
  expect(
    reading((complain) => normaliseSlice(headless, ({ name }) => (name === "pod-1" ? 7 : 0), complain)).value,
  ).toMatchObject({
    family: "IPv6",
    headless: true,
    endpoints: [
      {
        addresses: ["fd00::1"],
        ready: false,
        serving: true,
        terminating: true,
        nodeName: "node-1",
        zone: "zone-a",
        hostname: "web-0",
        hints: { zones: ["zone-a"], nodes: ["node-1"] },
        target: { kind: "Pod", namespace: "shop", name: "pod-1", uid: "u" },
        weight: 7,
      },
    ],
  });
});

test("a slice of no Service, or of names, is not for the feed", () => {
  const complain = (): void => {};
  expect(normaliseSlice({ ...slice({}), metadata: {} }, () => 1, complain)).toBeUndefined();
  expect(normaliseSlice(slice({ addressType: "FQDN" }), () => 1, complain)).toBeUndefined();
});

test("an endpoint that cannot be read is left out alone", () => {
  const endpoints = [
    { addresses: ["10.0.0.1"] },
    { addresses: ["fd00::1"] },
    { addresses: [] },
    { addresses: ["x"] },
    { addresses: ["10.0.0.2"], nodeName: "No Name" },
  ];
  const { value, fields } = reading((complain) =>
    normaliseSlice(slice({ endpoints, ports: [{ port: 70_000 }] }), () => 1, complain),
  );
  expect(value?.endpoints).toHaveLength(1);
  expect(fields).toEqual([
    "ports[0].port",
    "endpoints[1].addresses[0]",
    "endpoints[2].addresses",
    "endpoints[3].addresses[0]",
    "endpoints[4].nodeName",
  ]);
});

test.for<[string | undefined, number, boolean]>([
  [undefined, 1, false],
  ["5", 5, false],
  ["0", 0, false],
  ["65535", 65_535, false],
  ["65536", 1, true],
  ["-1", 1, true],
  ["1.5", 1, true],
  ["heavy", 1, true],
  ["", 1, true],
  ["1e3", 1, true],
])("weight %j is %i", ([text, expected, complains]) => {
  const given = pod(text === undefined ? {} : { annotations: { "fairlead.dev/weight": text } });
  const { value, fields } = reading((complain) => weightOf(given, complain));
  expect(value).toBe(expected);
  expect(fields).toEqual(complains ? ["metadata.annotations[fairlead.dev/weight]"] : []);
});

test("a Node is carried over", () => {
  const given: Node = {
    metadata: { name: "node-1", labels: { "topology.kubernetes.io/zone": "zone-a" } },
    spec: { podCIDR: "10.244.1.0/24", podCIDRs: ["10.244.1.0/24", "fd00:1::/64"] },
    status: {
      addresses: [
        { type: "Hostname", address: "node-1" },
        { type: "InternalIP", address: "192.168.0.1" },
        { type: "ExternalIP", address: "x" },
      ],
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
  const { value, fields } = reading((complain) => normaliseNode(given, complain));
  expect(value).toEqual({
    name: "node-1",
    addresses: [{ type: "InternalIP", address: "192.168.0.1" }],
    podCIDRs: ["10.244.1.0/24", "fd00:1::/64"],
    ready: true,
    zone: "zone-a",
    leaving: false,
    excludedFromLoadBalancers: false,
  });
  expect(fields).toEqual(["status.addresses[1]"]);
});

test.for<[Node, object]>([
  [{ spec: { podCIDR: "10.244.1.0/24" } }, { podCIDRs: ["10.244.1.0/24"], ready: false }],
  [{ spec: { taints: [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }] } }, { leaving: true }],
  [{ metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }, { leaving: true }],
  [
    { metadata: { labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "" } } },
    { excludedFromLoadBalancers: true },
  ],
  [
    { metadata: { labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "maybe" } } },
    { excludedFromLoadBalancers: true },
  ],
  [
    { metadata: { labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "false" } } },
    { excludedFromLoadBalancers: false },
  ],
  [{ status: { conditions: [{ type: "Ready", status: "Unknown" }] } }, { ready: false }],
])("Node %j is %j", ([given, expected]) => {
  const named = { ...given, metadata: { ...given.metadata, name: "node-1" } };
  expect(normaliseNode(named, () => {})).toMatchObject(expected);
});

const hostNetwork = pod();
const onlyOne = pod();
test.for<readonly [string, Pod, readonly string[] | undefined]>([
  ["with addresses of both families", pod({ ips: ["10.0.0.1", "FD00::1"] }), ["10.0.0.1", "fd00::1"]],
  ["with one address in the old field", { ...onlyOne, status: { phase: "Running", podIP: "10.0.0.7" } }, ["10.0.0.7"]],
  ["that is not ready", pod({ ready: false }), ["10.0.0.1"]],
  ["that is on its way out", pod({ terminating: true }), ["10.0.0.1"]],
  ["without an address", pod({ ips: [] }), undefined],
  ["that has ended", pod({ phase: "Succeeded" }), undefined],
  ["that has failed", pod({ phase: "Failed" }), undefined],
  ["with its node's address", { ...hostNetwork, spec: { ...hostNetwork.spec, hostNetwork: true } } as Pod, undefined],
])("a pod %s: %j", ([, given, expected]) => {
  expect(normalisePod(given, () => {})?.addresses).toEqual(expected);
});

test("an address of a pod that cannot be read is left out; without another the pod is", () => {
  const { value, fields } = reading((complain) => [
    normalisePod(pod({ ips: ["x", "10.0.0.1"] }), complain)?.addresses,
    normalisePod(pod({ ips: ["x"] }), complain),
  ]);
  expect(value).toEqual([["10.0.0.1"], undefined]);
  expect(fields).toEqual(["status.podIPs[0]", "status.podIPs[0]"]);
});
