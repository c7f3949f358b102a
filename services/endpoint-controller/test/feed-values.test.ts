import type { EndpointSlice, KubeObject, Namespace, Node, Pod, Service } from "@fairlead/kube";
import { namespaceFeedKey, nodeFeedKey, podFeedKey, serviceFeedKey, sliceFeedKey } from "@fairlead/types";
import { expect, test } from "vitest";
import { Complaints } from "../src/complaints.ts";
import { FeedValues } from "../src/feed-values.ts";
import type { Copy } from "../src/feed-values.ts";
import { serviceNameLabel, triggerTimeAnnotation } from "../src/plan/labels.ts";
import { NamespaceIndex } from "../src/pod-index.ts";
import { node, pod, service } from "./support/objects.ts";

function copy<T extends KubeObject>(...objects: T[]): Copy<T> {
  return {
    list: () => objects,
    get: (namespace, name) =>
      objects.find(({ metadata }) => metadata?.name === name && metadata?.namespace === namespace),
  };
}

const slice: EndpointSlice = {
  metadata: {
    namespace: "shop",
    name: "web.with.dots",
    uid: "u",
    labels: { [serviceNameLabel]: "web" },
    annotations: { [triggerTimeAnnotation]: "2026-01-01T00:00:01Z" },
  },
  addressType: "IPv4",
  endpoints: [{ addresses: ["10.0.0.1"], targetRef: { kind: "Pod", namespace: "shop", name: "pod-1" } }],
};

function values(given: {
  services?: Service[];
  slices?: EndpointSlice[];
  nodes?: Node[];
  namespaces?: Namespace[];
  pods?: Pod[];
}): {
  feed: FeedValues;
  index: NamespaceIndex;
  told: string[];
} {
  const index = new NamespaceIndex();
  const told: string[] = [];
  const feed = new FeedValues({
    services: copy(...(given.services ?? [])),
    slices: copy(...(given.slices ?? [])),
    nodes: copy(...(given.nodes ?? [])),
    namespaces: copy(...(given.namespaces ?? [])),
    pods: copy(...(given.pods ?? [])),
    index,
    complaints: new Complaints({ tell: (kind, { name }, { message }) => told.push(`${kind} ${name}: ${message}`) }),
  });
  return { feed, index, told };
}

test("each object is found by its key, with the dots of its name", () => {
  const { feed } = values({ services: [service()], slices: [slice], nodes: [node("node-1.example.org")] });
  const keys = [
    serviceFeedKey("shop", "web"),
    sliceFeedKey("shop", "web.with.dots"),
    nodeFeedKey("node-1.example.org"),
  ];
  expect([...feed.keys()]).toEqual(keys);
  expect(keys.map((key) => feed.current(key)?.value.kind)).toEqual(["service", "slice", "node"]);
  expect(feed.current(serviceFeedKey("shop", "gone"))).toBeUndefined();
  expect(feed.current(nodeFeedKey("gone"))).toBeUndefined();
});

test("namespaces are among the keys of the feed, pods among those of their own", () => {
  const { feed, told } = values({
    namespaces: [{ metadata: { name: "shop" } }, { metadata: { name: "No Name", uid: "n" } }],
    pods: [pod(), pod({ name: "pod-2", ips: [] })],
  });
  expect([...feed.keys()]).toEqual([namespaceFeedKey("shop"), namespaceFeedKey("No Name")]);
  expect([...feed.podKeys()]).toEqual([podFeedKey("shop", "pod-1"), podFeedKey("shop", "pod-2")]);
  expect(feed.current(namespaceFeedKey("shop"))?.value).toEqual({ kind: "namespace", namespace: { name: "shop" } });
  expect(feed.current(namespaceFeedKey("No Name"))).toBeUndefined();
  expect(told).toEqual([expect.stringContaining("Namespace No Name: metadata.name")]);
  expect(feed.current(podFeedKey("shop", "pod-1"))?.value).toEqual({
    kind: "pod",
    pod: { namespace: "shop", name: "pod-1", addresses: ["10.0.0.1"] },
  });
  expect(feed.current(podFeedKey("shop", "pod-2"))).toBeUndefined();
  expect(feed.current(podFeedKey("shop", "gone"))).toBeUndefined();
});

test("a slice brings its trigger and the weights of its pods", () => {
  const { feed, index, told } = values({ slices: [slice] });
  const key = sliceFeedKey("shop", "web.with.dots");
  const weight = (): unknown => {
    const value = feed.current(key)?.value;
    return value?.kind === "slice" ? value.slice.endpoints[0]?.weight : undefined;
  };
  expect(feed.current(key)?.trigger).toBe(Date.parse("2026-01-01T00:00:01Z"));
  expect(weight()).toBe(1);
  index.putPod(pod({ annotations: { "fairlead.dev/weight": "7" } }));
  expect(weight()).toBe(7);
  index.putPod(pod({ annotations: { "fairlead.dev/weight": "heavy" } }));
  expect([weight(), weight()]).toEqual([1, 1]);
  expect(told).toEqual([expect.stringContaining("Pod pod-1: metadata.annotations[fairlead.dev/weight]")]);
});

test("a trigger that is no time is none", () => {
  const odd = { ...slice, metadata: { ...slice.metadata, annotations: { [triggerTimeAnnotation]: "soon" } } };
  expect(values({ slices: [odd] }).feed.current(sliceFeedKey("shop", "web.with.dots"))).not.toHaveProperty("trigger");
});

test("an object that cannot be read at all is left out, and said", () => {
  const broken = { metadata: { name: "No Name", uid: "n" } };
  const { feed, told } = values({ nodes: [broken] });
  expect(feed.current(nodeFeedKey("No Name"))).toBeUndefined();
  expect(told).toEqual([expect.stringContaining("Node No Name: metadata.name")]);
});
