import type { Node, Service } from "@fairlead/kube";
import { expect, test } from "vitest";
import {
  cleanupFinalizer,
  fingerprint,
  healthCheckOf,
  nodeFingerprint,
  needsCleanup,
  sourceRangesOf,
  takesTraffic,
  wantsLoadBalancer,
} from "../src/service-view.ts";

const service = (spec: NonNullable<Service["spec"]>, metadata: NonNullable<Service["metadata"]> = {}): Service => ({
  metadata,
  spec,
});
const finalizers = [cleanupFinalizer];
const deletionTimestamp = "2026-01-01T00:00:00Z";

test.each([
  ["ClusterIP", undefined, undefined, false],
  ["LoadBalancer", undefined, undefined, true],
  ["LoadBalancer", "fairlead.dev/cloud-lb", undefined, true],
  ["LoadBalancer", "example.org/other", undefined, false],
  ["LoadBalancer", undefined, "example.org/other", false],
  ["LoadBalancer", "example.org/other", "example.org/other", true],
])("%s of class %s, serving class %s: %s", (type, loadBalancerClass, configured, wanted) => {
  const spec = { type, ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }) };
  expect(wantsLoadBalancer(service(spec), configured)).toBe(wanted);
});

test.each([
  ["nothing to do", service({ type: "LoadBalancer" }, { finalizers }), false],
  ["going", service({ type: "LoadBalancer" }, { finalizers, deletionTimestamp }), true],
  ["going without the finalizer", service({ type: "LoadBalancer" }, { deletionTimestamp }), false],
  ["of another type", service({ type: "ClusterIP" }, { finalizers }), true],
  [
    "another controller's",
    service({ type: "LoadBalancer", loadBalancerClass: "example.org/other" }, { finalizers, deletionTimestamp }),
    false,
  ],
])("cleanup: %s", (_, given, wanted) => {
  expect(needsCleanup(given, undefined)).toBe(wanted);
});

test.each([
  ["plain", {}, true],
  ["not ready", { status: { conditions: [{ type: "Ready", status: "False" }] } }, true],
  ["cordoned", { spec: { unschedulable: true } }, true],
  ["excluded", { metadata: { labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "" } } }, false],
  [
    "not excluded",
    { metadata: { labels: { "node.kubernetes.io/exclude-from-external-load-balancers": "false" } } },
    true,
  ],
  [
    "about to be removed",
    { spec: { taints: [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }] } },
    false,
  ],
  ["being deleted", { metadata: { deletionTimestamp } }, false],
] satisfies [string, Node, boolean][])("a node that is %s", (_, node, wanted) => {
  expect(takesTraffic(node)).toBe(wanted);
});

test("source ranges: the field, else the annotation, else everybody of the Service's families", () => {
  const annotations = { "service.beta.kubernetes.io/load-balancer-source-ranges": "10.0.0.0/8, 192.0.2.0/24" };
  expect(sourceRangesOf(service({ loadBalancerSourceRanges: ["203.0.113.0/24"] }, { annotations }))).toEqual([
    "203.0.113.0/24",
  ]);
  expect(sourceRangesOf(service({}, { annotations }))).toEqual(["10.0.0.0/8", "192.0.2.0/24"]);
  expect(sourceRangesOf(service({}))).toEqual(["0.0.0.0/0"]);
  expect(sourceRangesOf(service({ ipFamilies: ["IPv6", "IPv4"] }))).toEqual(["::/0", "0.0.0.0/0"]);
  expect(() => sourceRangesOf(service({ loadBalancerSourceRanges: ["everybody"] }))).toThrow(
    /loadBalancerSourceRanges\[0\]/,
  );
});

test("the health check is the Service's own with policy Local, else the node proxy's", () => {
  const proxy = { port: 10_256, path: "/healthz" };
  expect(healthCheckOf(service({}))).toEqual(proxy);
  expect(healthCheckOf(service({ externalTrafficPolicy: "Cluster", healthCheckNodePort: 31_000 }))).toEqual(proxy);
  expect(healthCheckOf(service({ externalTrafficPolicy: "Local", healthCheckNodePort: 31_000 }))).toEqual({
    port: 31_000,
    path: "/healthz",
  });
});

test("a fingerprint changes with what matters, and with nothing else", () => {
  const before = service(
    { type: "LoadBalancer", ports: [{ port: 80 }] },
    { uid: "u", annotations: { a: "1", b: "2" } },
  );
  const same = { ...before, metadata: { uid: "u", annotations: { b: "2", a: "1" }, finalizers, resourceVersion: "9" } };
  expect(fingerprint(same)).toBe(fingerprint(before));
});

test.each([
  ["spec", { type: "NodePort" }],
  ["spec", { loadBalancerClass: "example.org/cloud" }],
  ["spec", { loadBalancerSourceRanges: ["192.0.2.0/24"] }],
  ["spec", { loadBalancerIP: "192.0.2.1" }],
  ["spec", { externalIPs: ["192.0.2.1"] }],
  ["spec", { externalTrafficPolicy: "Local" }],
  ["spec", { healthCheckNodePort: 31_000 }],
  ["spec", { sessionAffinity: "ClientIP" }],
  ["spec", { sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } } }],
  ["spec", { allocateLoadBalancerNodePorts: false }],
  ["spec", { ipFamilyPolicy: "PreferDualStack" }],
  ["spec", { ipFamilies: ["IPv4", "IPv6"] }],
  ["spec", { selector: { app: "a" } }],
  ["spec", { ports: [{ port: 81 }] }],
  ["spec", { ports: [{ port: 80 }, { port: 81 }] }],
  ["spec", { ports: [{ port: 80, name: "web" }] }],
  ["spec", { ports: [{ port: 80, protocol: "UDP" }] }],
  ["spec", { ports: [{ port: 80, nodePort: 30_080 }] }],
  ["spec", { ports: [{ port: 80, targetPort: 8080 }] }],
  ["spec", { ports: [{ port: 80, appProtocol: "http" }] }],
  ["metadata", { uid: "v" }],
  ["metadata", { deletionTimestamp }],
  ["metadata", { annotations: { a: "2" } }],
  ["metadata", { labels: { a: "1" } }],
] as const)("a fingerprint changes with %s %j", (part, change) => {
  const before = service({ type: "LoadBalancer", ports: [{ port: 80 }] }, { uid: "u", annotations: { a: "1" } });
  const after = { ...before, [part]: { ...before[part], ...change } };
  expect(fingerprint(after)).not.toBe(fingerprint(before));
});

test("the nodes' fingerprint is who is in and which machine each is, in any order", () => {
  const node = (name: string, providerID?: string): Node => ({
    metadata: { name },
    ...(providerID === undefined ? {} : { spec: { providerID } }),
  });
  const two = nodeFingerprint([node("a"), node("b")]);
  expect(nodeFingerprint([node("b"), node("a")])).toBe(two);
  expect(nodeFingerprint([node("a")])).not.toBe(two);
  expect(nodeFingerprint([node("a"), node("b", "cloud:///1")])).not.toBe(two);
});
