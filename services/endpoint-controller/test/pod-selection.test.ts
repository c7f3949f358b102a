import { expect, test } from "vitest";
import { podChange } from "../src/pod-change.ts";
import { hasSelector, isEligible, selects } from "../src/plan/pod-selection.ts";
import { pod, service } from "./support/objects.ts";
import type { PodOptions } from "./support/objects.ts";

test.for<[string, boolean, ReturnType<typeof pod>]>([
  ["runs and is ready", true, pod()],
  ["runs and is not ready", true, pod({ ready: false })],
  ["waits, with an address", true, pod({ phase: "Pending" })],
  ["is in an unknown state, with an address", true, pod({ phase: "Unknown" })],
  ["is terminating", true, pod({ terminating: true })],
  ["has podIPs and no podIP", true, { ...pod(), status: { phase: "Running", podIPs: [{ ip: "10.0.0.1" }] } }],
  ["has a podIP and no podIPs", true, { ...pod(), status: { phase: "Running", podIP: "10.0.0.1" } }],
  ["has failed", false, pod({ phase: "Failed" })],
  ["has succeeded", false, pod({ phase: "Succeeded" })],
  ["has failed while terminating", false, pod({ phase: "Failed", terminating: true })],
  ["has no address", false, pod({ ips: [] })],
  ["has an empty address", false, { ...pod(), status: { phase: "Running", podIP: "" } }],
  ["has no status", false, { metadata: { name: "pod-1" } }],
])("a pod that %s: may have endpoints: %s", ([, expected, given]) => {
  expect(isEligible(given)).toBe(expected);
});

test.for<[Record<string, string> | undefined, Record<string, string> | undefined, boolean]>([
  [{ app: "web" }, { app: "web", tier: "front" }, true],
  [{ app: "web", tier: "front" }, { app: "web" }, false],
  [{ app: "web" }, { app: "api" }, false],
  [{ app: "web" }, undefined, false],
  [{}, { app: "web" }, false],
  [undefined, { app: "web" }, false],
])("selector %j and labels %j: %s", ([selector, labels, expected]) => {
  const given = service();
  const subject = { ...given, spec: { ...given.spec, ...(selector ? { selector } : { selector: {} }) } };
  expect(selects(subject, labels)).toBe(expected);
});

test("an empty selector is none", () => {
  expect(hasSelector(service({ selector: {} }))).toBe(false);
  expect(hasSelector(service())).toBe(true);
});

test.for<[string, PodOptions, PodOptions, boolean]>([
  ["nothing", {}, {}, false],
  ["an annotation", {}, { annotations: { note: "new" } }, false],
  ["when it became ready", {}, { readyAt: "2026-02-01T00:00:00Z" }, false],
  ["the phase, still eligible", { phase: "Pending" }, { phase: "Running" }, false],
  ["readiness", { ready: false }, { ready: true }, true],
  ["termination", {}, { terminating: true }, true],
  ["the address", {}, { ips: ["10.0.0.9"] }, true],
  ["a second address", {}, { ips: ["10.0.0.1", "fd00::1"] }, true],
  ["the node", { node: undefined }, {}, true],
  ["the host name", {}, { hostname: "web-0" }, true],
  ["the subdomain", {}, { subdomain: "web" }, true],
  ["its end", {}, { phase: "Succeeded" }, true],
  ["its identity", {}, { uid: "another" }, true],
])("a change of %s: matters to endpoints: %s", ([, before, after, expected]) => {
  const change = podChange({ type: "updated", previous: pod(before), object: pod(after) });
  expect(change).toMatchObject({ endpoint: expected, formerLabels: undefined, weight: false });
});

test("a pod that stops taking connections is told from one that does not begin to", () => {
  const change = (before: PodOptions, after: PodOptions): boolean =>
    podChange({ type: "updated", previous: pod(before), object: pod(after) }).leaves;
  expect(change({}, { ready: false })).toBe(true);
  expect(change({}, { terminating: true })).toBe(true);
  expect(change({ ready: false }, { ready: false, terminating: true })).toBe(false);
  expect(change({ ready: false }, {})).toBe(false);
  expect(podChange({ type: "removed", object: pod() }).leaves).toBe(true);
  expect(podChange({ type: "added", object: pod({ ready: false }) }).leaves).toBe(false);
});

test("labels and weight are compared by content", () => {
  const before = pod({ labels: { app: "web" }, annotations: { "fairlead.dev/weight": "1" } });
  const after = (options: PodOptions): ReturnType<typeof podChange> =>
    podChange({ type: "updated", previous: before, object: pod(options) });
  expect(after({ labels: { app: "web" }, annotations: { "fairlead.dev/weight": "1", other: "x" } })).toMatchObject({
    formerLabels: undefined,
    weight: false,
  });
  expect(after({ labels: { app: "web", tier: "front" } })).toMatchObject({
    formerLabels: { app: "web" },
    weight: true,
  });
  expect(podChange({ type: "added", object: before }).weight).toBe(true);
  expect(podChange({ type: "added", object: pod() }).weight).toBe(false);
});
