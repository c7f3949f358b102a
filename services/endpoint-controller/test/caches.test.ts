import type { Endpoints, EndpointSlice, EventNote } from "@fairlead/kube";
import { expect, test } from "vitest";
import { Complaints, maxComplaints } from "../src/complaints.ts";
import { EndpointsCache } from "../src/endpoints-cache.ts";
import { serviceNameLabel } from "../src/plan/labels.ts";
import { NamespaceIndex } from "../src/pod-index.ts";
import { maxTombstones, SliceCache } from "../src/slice-cache.ts";
import { TriggerTracker } from "../src/trigger-tracker.ts";
import { createdAt, pod, service } from "./support/objects.ts";

function slice(uid: string, resourceVersion: string, name = "web"): EndpointSlice {
  return {
    metadata: { namespace: "shop", name: uid, uid, resourceVersion, labels: { [serviceNameLabel]: name } },
    addressType: "IPv4",
    endpoints: [],
  };
}

const versions = (slices: readonly EndpointSlice[]): unknown => slices.map(({ metadata }) => metadata?.resourceVersion);

test("the slice cache keeps the newest of informer and own writes", () => {
  const cache = new SliceCache();
  expect(cache.put(slice("a", "9"))).toBe(true);
  expect(cache.put(slice("a", "9"))).toBe(false);
  expect(cache.put(slice("a", "8"))).toBe(false);
  expect(cache.put(slice("a", "10"))).toBe(true);
  expect(versions(cache.of("shop", "web"))).toEqual(["10"]);
  expect(cache.of("shop", "api")).toEqual([]);
  expect(cache.of("other", "web")).toEqual([]);
});

test("a slice that is gone does not come back with a late event", () => {
  const cache = new SliceCache();
  cache.put(slice("a", "1"));
  cache.remove(slice("a", "1"));
  expect(cache.put(slice("a", "2"))).toBe(false);
  expect(cache.of("shop", "web")).toEqual([]);
  cache.put(slice("b", "3"));
  expect(versions(cache.of("shop", "web"))).toEqual(["3"]);
});

test("a slice that changes its Service moves", () => {
  const cache = new SliceCache();
  cache.put(slice("a", "1"));
  cache.put(slice("a", "2", "api"));
  expect(cache.of("shop", "web")).toEqual([]);
  expect(versions(cache.of("shop", "api"))).toEqual(["2"]);
});

test("removed slices are remembered up to a bound", () => {
  const cache = new SliceCache();
  for (let n = 0; n <= maxTombstones; n += 1) cache.remove(slice(`s${n}`, "1"));
  expect(cache.put(slice("s1", "2"))).toBe(false);
  expect(cache.put(slice("s0", "2"))).toBe(true);
});

const key = "shop/web";
const object = (resourceVersion: string, uid = "u"): Endpoints => ({
  metadata: { namespace: "shop", name: "web", uid, resourceVersion },
});

test("the Endpoints cache believes an own write until the informer has caught up", () => {
  const cache = new EndpointsCache();
  expect(cache.newest(key, undefined)).toBeUndefined();
  cache.put(key, object("5"));
  expect(cache.newest(key, undefined)).toEqual(object("5"));
  expect(cache.newest(key, object("4"))).toEqual(object("5"));
  expect(cache.isEcho(key, object("4"))).toBe(true);
  expect(cache.isEcho(key, object("5"))).toBe(true);
  expect(cache.isEcho(key, object("6"))).toBe(false);
  expect(cache.newest(key, object("6"))).toEqual(object("6"));
  expect(cache.size).toBe(0);
  // Caught up: from here on the informer alone is believed.
  expect(cache.newest(key, undefined)).toBeUndefined();
});

test("the Endpoints cache does not show what we deleted, and shows what came after", () => {
  const cache = new EndpointsCache();
  cache.put(key, object("5"));
  cache.deleted(key, "u");
  expect(cache.newest(key, object("5"))).toBeUndefined();
  expect(cache.newest(key, object("7", "another"))).toEqual(object("7", "another"));
  expect(cache.size).toBe(0);
});

test("the Endpoints cache forgets when told", () => {
  const cache = new EndpointsCache();
  cache.put(key, object("5"));
  cache.forget(key);
  expect(cache.newest(key, object("4"))).toEqual(object("4"));
  cache.deleted(key, "u");
  cache.forget(key);
  expect(cache.size).toBe(0);
});

const at = (seconds: number): string => `2026-01-01T00:00:${String(seconds).padStart(2, "0")}Z`;
const ready = (name: string, seconds: number): ReturnType<typeof pod> => pod({ name, readyAt: at(seconds) });

test("the trigger of a new Service is its creation", () => {
  expect(new TriggerTracker().next(key, service(), [ready("a", 5)], false).time).toBe(createdAt);
});

test("nothing is claimed for a Service whose slices were there before us", () => {
  expect(new TriggerTracker().next(key, service(), [ready("a", 5)], true).time).toBeUndefined();
});

test("later triggers are the earliest readiness change since the last sync that succeeded", () => {
  const tracker = new TriggerTracker();
  tracker.next(key, service(), [ready("a", 5), ready("b", 6)], false).remember();
  expect(tracker.next(key, service(), [ready("a", 5), ready("b", 6)], true).time).toBeUndefined();
  const changed = [ready("a", 9), ready("b", 8), ready("c", 10)];
  expect(tracker.next(key, service(), changed, true).time).toBe("2026-01-01T00:00:08.000Z");
  // The write failed: the next try has the same cause.
  const again = tracker.next(key, service(), changed, true);
  expect(again.time).toBe("2026-01-01T00:00:08.000Z");
  again.remember();
  expect(tracker.next(key, service(), changed, true).time).toBeUndefined();
});

test("a pod that goes, or whose time goes back, is no cause", () => {
  const tracker = new TriggerTracker();
  tracker.next(key, service(), [ready("a", 5), ready("b", 6)], false).remember();
  expect(tracker.next(key, service(), [ready("a", 4)], true).time).toBeUndefined();
});

test("a pod that was never ready counts from its creation", () => {
  const tracker = new TriggerTracker();
  tracker.next(key, service(), [], false).remember();
  const bare = { ...ready("a", 5), status: {} };
  expect(tracker.next(key, service(), [bare], true).time).toBe("2026-01-01T00:00:00.000Z");
});

test("a Service made again under the name begins anew, and a forgotten one takes no room", () => {
  const tracker = new TriggerTracker();
  tracker.next(key, service(), [], false).remember();
  const again = service({}, { uid: "another", creationTimestamp: at(30) });
  expect(tracker.next(key, again, [], false).time).toBe(at(30));
  expect(tracker.size).toBe(1);
  tracker.forget(key);
  expect(tracker.size).toBe(0);
});

test("the index finds Services by a pod's labels and pods by a selector, within a namespace", () => {
  const index = new NamespaceIndex();
  index.putService(service());
  index.putService(service({ selector: { app: "api" } }, { name: "api" }));
  index.putService(service({}, { namespace: "other" }));
  index.putPod(pod());
  expect(index.servicesOf("shop", { app: "web", tier: "front" })).toEqual(["web"]);
  expect(index.servicesOf("shop", undefined)).toEqual([]);
  expect(index.podsOf(service())).toEqual([pod()]);
  expect(index.podsOf(service({}, { namespace: "other" }))).toEqual([]);
  expect([...index.services()]).toHaveLength(3);
  index.removePod(pod());
  index.removeService(service());
  expect(index.pod("shop", "pod-1")).toBeUndefined();
  expect(index.service("shop", "web")).toBeUndefined();
  expect(index.servicesOf("shop", { app: "web" })).toEqual([]);
});

function complaints(): { told: string[]; book: Complaints } {
  const told: string[] = [];
  const book = new Complaints({
    tell: (kind, about, { message }: EventNote) => told.push(`${kind} ${about.name}: ${message}`),
  });
  return { told, book };
}

test("a complaint is told once, and again after it was mended", () => {
  const { told, book } = complaints();
  const read = (...fields: string[]): void =>
    book.reading("Service", service(), (complain) => fields.forEach((field) => complain(field, "is wrong")));
  read("a", "a");
  read("a");
  read("a", "b");
  expect(told).toEqual(["Service web: a: is wrong", "Service web: b: is wrong"]);
  read();
  expect(book.size).toBe(0);
  read("a");
  expect(told).toHaveLength(3);
});

test("complaints of another object of the name, or of one that was forgotten, are news", () => {
  const { told, book } = complaints();
  const read = (uid: string): void =>
    book.reading("Node", { metadata: { name: "n", uid } }, (complain) => complain("", "is wrong"));
  read("1");
  read("2");
  book.forget("Node", { metadata: { uid: "1" } });
  read("1");
  read("2");
  expect(told).toEqual(["Node n: is wrong", "Node n: is wrong", "Node n: is wrong"]);
});

test("complaints are remembered up to a bound", () => {
  const { told, book } = complaints();
  for (let n = 0; n < maxComplaints + 10; n += 1)
    book.reading("Pod", { metadata: { uid: `${n}` } }, (complain) => complain("f", "r"));
  expect(book.size).toBe(maxComplaints);
  expect(told).toHaveLength(maxComplaints + 10);
});
