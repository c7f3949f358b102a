import type { Service } from "@fairlead/kube";
import { expect, test } from "vitest";
import { familiesOf, planGroups } from "../src/plan/endpoint-groups.ts";
import { withHints } from "../src/plan/hints.ts";
import { nodes, pod, service } from "./support/objects.ts";
import type { PodOptions } from "./support/objects.ts";

const both: Service["spec"] = { ipFamilies: ["IPv4", "IPv6"] };
const port8080 = [{ name: "", protocol: "TCP", port: 8080 }];

function plan(
  spec: NonNullable<Service["spec"]>,
  options: PodOptions[],
  zones?: Record<string, string | undefined>,
): ReturnType<typeof planGroups> {
  return planGroups({ service: service(spec), pods: options.map((each) => pod(each)), node: nodes(zones) });
}

test.for<[NonNullable<Service["spec"]>, string[]]>([
  [{ ipFamilies: ["IPv4"] }, ["IPv4"]],
  [{ ipFamilies: ["IPv6"] }, ["IPv6"]],
  [{ ipFamilies: ["IPv6", "IPv4"] }, ["IPv6", "IPv4"]],
  [{ ipFamilies: [], clusterIP: "10.96.0.1" }, ["IPv4"]],
  [{ ipFamilies: [], clusterIP: "fd00::1" }, ["IPv6"]],
  [{ ipFamilies: [], clusterIP: "None" }, ["IPv4", "IPv6"]],
  [{ ipFamilies: [], clusterIP: "" }, ["IPv4", "IPv6"]],
  [{ ipFamilies: ["IPv4"], clusterIP: "None" }, ["IPv4"]],
])("families of %j are %j", ([spec, expected]) => {
  expect(familiesOf(service(spec))).toEqual(expected);
});

test("one pod is one endpoint, with all three conditions", () => {
  expect(plan({}, [{}], { "node-1": "zone-a" })).toEqual({
    withoutNode: [],
    groups: [
      {
        family: "IPv4",
        ports: port8080,
        endpoints: [
          {
            addresses: ["10.0.0.1"],
            conditions: { ready: true, serving: true, terminating: false },
            nodeName: "node-1",
            zone: "zone-a",
            targetRef: { kind: "Pod", namespace: "shop", name: "pod-1", uid: "uid-pod-1" },
          },
        ],
      },
    ],
  });
});

test.for<[string, NonNullable<Service["spec"]>, PodOptions, object]>([
  ["ready", {}, {}, { ready: true, serving: true, terminating: false }],
  ["not ready", {}, { ready: false }, { ready: false, serving: false, terminating: false }],
  ["terminating and serving", {}, { terminating: true }, { ready: false, serving: true, terminating: true }],
  ["terminating", {}, { terminating: true, ready: false }, { ready: false, serving: false, terminating: true }],
  [
    "published, not ready",
    { publishNotReadyAddresses: true },
    { ready: false },
    { ready: true, serving: false, terminating: false },
  ],
  [
    "published, terminating",
    { publishNotReadyAddresses: true },
    { terminating: true },
    { ready: true, serving: true, terminating: true },
  ],
])("conditions of a pod that is %s", ([, spec, options, expected]) => {
  expect(plan(spec, [options]).groups[0]?.endpoints[0]?.conditions).toEqual(expected);
});

test.for<[string, PodOptions, string | undefined]>([
  ["a host name and the Service's name as subdomain", { hostname: "web-0", subdomain: "web" }, "web-0"],
  ["a host name alone", { hostname: "web-0" }, undefined],
  ["a host name under another Service", { hostname: "web-0", subdomain: "api" }, undefined],
  ["a subdomain alone", { subdomain: "web" }, undefined],
])("a pod with %s", ([, options, hostname]) => {
  expect(plan({}, [options]).groups[0]?.endpoints[0]?.hostname).toBe(hostname);
});

test("addresses are canonical, those of one family stand together, and what is none is left out", () => {
  const ips = ["FD00:0:0::A", "10.0.0.1", "fd00::b", "10.0.0.300"];
  const { groups } = plan(both, [{ ips }]);
  expect(groups.map(({ family, endpoints }) => [family, endpoints.map(({ addresses }) => addresses)])).toEqual([
    ["IPv4", [["10.0.0.1"]]],
    ["IPv6", [["fd00::a", "fd00::b"]]],
  ]);
});

test("a pod without an address of a family is not in it; a family without endpoints has a placeholder", () => {
  const { groups } = plan(both, [{ ips: ["10.0.0.1"] }]);
  expect(groups).toMatchObject([
    { family: "IPv4", endpoints: [{}] },
    { family: "IPv6", ports: [], endpoints: [] },
  ]);
  expect(plan({}, []).groups).toEqual([{ family: "IPv4", ports: [], endpoints: [] }]);
});

test("a podIP without podIPs gives no endpoint", () => {
  const bare = { ...pod(), status: { phase: "Running", podIP: "10.0.0.1" } };
  const { groups } = planGroups({ service: service(), pods: [bare], node: nodes() });
  expect(groups).toEqual([{ family: "IPv4", ports: [], endpoints: [] }]);
});

test("pods that resolve a name differently are groups of their own, those that do not have it too", () => {
  const spec = {
    ports: [
      { name: "web", port: 80, targetPort: "http" },
      { name: "tls", port: 443, targetPort: 8443 },
    ],
  };
  const { groups } = plan(spec, [
    { name: "a", ports: { http: 8080 } },
    { name: "b", ports: { http: 9090 } },
    { name: "c", ports: { http: 8080 } },
    { name: "d" },
  ]);
  expect(
    groups.map(({ ports, endpoints }) => [
      ports.map(({ port }) => port),
      endpoints.map(({ targetRef }) => targetRef?.name),
    ]),
  ).toEqual([
    [
      [8080, 8443],
      ["a", "c"],
    ],
    [[9090, 8443], ["b"]],
    [[8443], ["d"]],
  ]);
});

test("a headless Service without ports has endpoints without ports", () => {
  const { groups } = plan({ clusterIP: "None", ports: [] }, [{}]);
  expect(groups).toMatchObject([{ ports: [], endpoints: [{ addresses: ["10.0.0.1"] }] }]);
});

test.for<[string, NonNullable<Service["spec"]>, PodOptions, number, string[]]>([
  ["its Node is there", {}, {}, 1, []],
  ["its Node is missing", {}, { node: "gone" }, 0, ["pod-1 on gone"]],
  ["its Node is missing and it is published in any case", { publishNotReadyAddresses: true }, { node: "gone" }, 1, []],
  ["it has no Node", {}, { node: undefined }, 1, []],
])("a pod when %s", ([, spec, options, count, withoutNode]) => {
  const result = plan(spec, [options]);
  expect(result.groups[0]?.endpoints).toHaveLength(count);
  expect(result.withoutNode).toEqual(withoutNode);
});

test("a missing Node holds up only its own pods", () => {
  const { groups, withoutNode } = plan({}, [{ name: "a", node: "gone" }, { name: "b" }]);
  expect(groups[0]?.endpoints.map(({ targetRef }) => targetRef?.name)).toEqual(["b"]);
  expect(withoutNode).toEqual(["a on gone"]);
});

test.for<[string | undefined, boolean, string | undefined, object | undefined]>([
  [undefined, true, "zone-a", undefined],
  ["PreferClose", true, "zone-a", { forZones: [{ name: "zone-a" }] }],
  ["PreferSameZone", true, "zone-a", { forZones: [{ name: "zone-a" }] }],
  ["PreferSameNode", true, "zone-a", { forZones: [{ name: "zone-a" }], forNodes: [{ name: "node-1" }] }],
  ["PreferClose", true, undefined, undefined],
  ["PreferSameNode", true, undefined, { forNodes: [{ name: "node-1" }] }],
  ["PreferClose", false, "zone-a", undefined],
  ["SomethingNew", true, "zone-a", undefined],
])("traffic distribution %s, ready %s, zone %s: hints %j", ([trafficDistribution, ready, zone, expected]) => {
  const given = service(trafficDistribution === undefined ? {} : { trafficDistribution });
  const { groups } = planGroups({ service: given, pods: [pod({ ready })], node: nodes({ "node-1": zone }) });
  const [endpoint] = groups[0]?.endpoints ?? [];
  const stale = { ...endpoint, addresses: endpoint?.addresses ?? [], hints: { forZones: [{ name: "stale" }] } };
  expect(withHints(given, stale).hints).toEqual(expected);
});
