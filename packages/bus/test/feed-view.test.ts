import { namespaceFeedKey, nodeFeedKey, podFeedKey, serviceFeedKey, serviceKey, sliceFeedKey } from "@fairlead/types";
import type { NodeName } from "@fairlead/types";
import { beforeEach, describe, expect, it } from "vitest";
import { changeOf } from "../src/feed-state.ts";
import { FeedView } from "../src/feed-view.ts";
import { sampleNamespace, sampleNode, samplePod, sampleService, sampleSlice, stateOf } from "../src/testing.ts";
import type { FeedKey, FeedValue } from "@fairlead/types";

const web = serviceKey("default", "web");
const other = serviceKey("default", "other");
const nothing = { services: new Set(), nodes: new Set(), namespaces: new Set() };

describe("FeedView", () => {
  let view: FeedView;

  beforeEach(() => {
    view = new FeedView();
    apply(sampleService("web"), sampleSlice("web", "1"), sampleSlice("web", "2"), sampleNode("node-1"));
  });

  const apply = (...values: FeedValue[]) => change(...stateOf(...values));
  const change = (...entries: [FeedKey, FeedValue | undefined][]) =>
    view.apply({
      changes: entries.map(([key, value]) => changeOf({ epoch: "1", seq: 1, key, value, at: 0, trigger: undefined })),
    });

  it("finds values by their kind", () => {
    expect([...view.services.keys()]).toEqual([web]);
    expect(view.slicesOf(web).map(({ name }) => name)).toEqual(["web-1", "web-2"]);
    expect([...view.nodes.keys()]).toEqual(["node-1"]);
    expect(view.values.size).toBe(4);
  });

  it("knows slices of a Service that is not there", () => {
    change([serviceFeedKey("default", "web"), undefined]);
    expect(view.services.size).toBe(0);
    expect(view.slicesOf(web)).toHaveLength(2);
    expect(view.slicesOf(serviceKey("default", "none"))).toEqual([]);
  });

  it("says what a batch touched", () => {
    expect(apply(sampleSlice("web", "1", 3))).toEqual({
      services: new Set([web]),
      nodes: new Set(),
      namespaces: new Set(),
    });
    expect(change([nodeFeedKey("node-1"), undefined])).toEqual({ ...nothing, nodes: new Set(["node-1"]) });
    expect(change([nodeFeedKey("node-9"), undefined])).toEqual(nothing);
    expect(view.nodes.get("node-1" as NodeName)).toBeUndefined();
  });

  it("knows namespaces, and pods by their key alone", () => {
    expect(apply(sampleNamespace("shop"), samplePod("p"))).toEqual({ ...nothing, namespaces: new Set(["shop"]) });
    expect([...view.namespaces]).toEqual(["shop"]);
    expect(view.values.get(podFeedKey("default", "p"))).toEqual(samplePod("p"));
    expect(change([namespaceFeedKey("shop"), undefined])).toEqual({ ...nothing, namespaces: new Set(["shop"]) });
    expect(change([podFeedKey("default", "p"), undefined])).toEqual(nothing);
    expect([view.namespaces.size, view.values.size]).toEqual([0, 4]);
  });

  it("moves a slice from one Service to another, and touches both", () => {
    const moved = sampleSlice("other", "x");
    if (moved.kind !== "slice") throw new Error("not a slice");
    const value: FeedValue = { kind: "slice", slice: { ...moved.slice, name: "web-1" } };
    const touched = change([sliceFeedKey("default", "web-1"), value]);
    expect(touched.services).toEqual(new Set([web, other]));
    expect(view.slicesOf(web).map(({ name }) => name)).toEqual(["web-2"]);
    expect(view.slicesOf(other).map(({ name }) => name)).toEqual(["web-1"]);
  });

  it("forgets what is deleted", () => {
    change(...[...view.values.keys()].map((key): [FeedKey, undefined] => [key, undefined]));
    expect(view.values.size + view.services.size + view.nodes.size + view.slicesOf(web).length).toBe(0);
  });
});
