import { describe, expect, test } from "vitest";
import { decodeChange, encodeChange, feedKeyOf, InvalidInputError, maxChangeBytes } from "../src/index.ts";
import type { Change, FeedValue } from "../src/index.ts";
import { namespace, node, pod, service, slice } from "./samples.ts";

const values: readonly FeedValue[] = [
  { kind: "service", service },
  { kind: "slice", slice },
  { kind: "node", node },
  { kind: "namespace", namespace },
  { kind: "pod", pod },
];

function put(value: FeedValue): Change {
  return { v: 1, epoch: "e1", seq: 7, key: feedKeyOf(value), op: "put", value, at: 1000, trigger: 990 };
}

/** The change as JSON with one field replaced, as bytes. */
function spoiled(change: Change, path: readonly (string | number)[], value: unknown): Uint8Array {
  const copy = JSON.parse(JSON.stringify(change)) as Record<string | number, unknown>;
  const last = path.at(-1) ?? "";
  const parent = path.slice(0, -1).reduce((at, name) => at[name] as Record<string | number, unknown>, copy);
  parent[last] = value;
  return new TextEncoder().encode(JSON.stringify(copy));
}

describe("the codec of changes", () => {
  test.each(values)("brings a put of a $kind back as it was", (value) => {
    expect(decodeChange(encodeChange(put(value)))).toStrictEqual(put(value));
  });

  test("brings a delete back as it was", () => {
    const change: Change = { v: 1, epoch: "e1", seq: 8, key: feedKeyOf(values[0]!), op: "delete", at: 1001 };
    expect(decodeChange(encodeChange(change))).toStrictEqual(change);
  });

  test.each([
    "",
    "node",
    "node.",
    "nodex",
    "event.default.a",
    "pod.default",
    "namespace",
    "namespace.a.b",
    "service.default",
    "service.default.",
    "slice..a",
    "service.A.b",
  ])("refuses a delete of %j, which is no key", (key) => {
    const bytes = spoiled(
      { v: 1, epoch: "e1", seq: 8, key: feedKeyOf(values[0]!), op: "delete", at: 1001 },
      ["key"],
      key,
    );
    expect(() => decodeChange(bytes)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "key" }));
  });

  test.each([
    ["another version", values[0]!, ["v"], 2, "v"],
    ["a key of another object", values[0]!, ["key"], "service.default.other", "key"],
    ["an unknown kind", values[0]!, ["value", "kind"], "event", "value.kind"],
    ["a namespace that is no label", values[3]!, ["value", "namespace", "name"], "A", "value.namespace.name"],
    ["a pod without an address", values[4]!, ["value", "pod", "addresses"], [], "value.pod.addresses"],
    ["a pod's address that is none", values[4]!, ["value", "pod", "addresses", 0], "x", "value.pod.addresses[0]"],
    ["a port of 70000", values[0]!, ["value", "service", "ports", 0, "port"], 70_000, "value.service.ports[0].port"],
    [
      "a port that is a string",
      values[0]!,
      ["value", "service", "ports", 0, "port"],
      "80",
      "value.service.ports[0].port",
    ],
    ["an unknown scheduler", values[0]!, ["value", "service", "scheduler"], "best", "value.service.scheduler"],
    [
      "an address that is none",
      values[0]!,
      ["value", "service", "clusterIPs", 0],
      "127.96.0",
      "value.service.clusterIPs[0]",
    ],
    [
      "an affinity without a timeout",
      values[0]!,
      ["value", "service", "sessionAffinity"],
      { kind: "ClientIP" },
      "value.service.sessionAffinity.timeoutSeconds",
    ],
    [
      "an endpoint of another family",
      values[1]!,
      ["value", "slice", "family"],
      "IPv6",
      "value.slice.endpoints[0].addresses",
    ],
    [
      "an endpoint without an address",
      values[1]!,
      ["value", "slice", "endpoints", 0, "addresses"],
      [],
      "value.slice.endpoints[0].addresses",
    ],
    [
      "a weight below zero",
      values[1]!,
      ["value", "slice", "endpoints", 0, "weight"],
      -1,
      "value.slice.endpoints[0].weight",
    ],
    [
      "too many endpoints",
      values[1]!,
      ["value", "slice", "endpoints"],
      Array.from({ length: 1001 }, () => slice.endpoints[0]),
      "value.slice.endpoints",
    ],
    [
      "a node range with host bits",
      values[2]!,
      ["value", "node", "podCIDRs", 0],
      "127.244.1.1/24",
      "value.node.podCIDRs[0]",
    ],
    ["a time that is a string", values[2]!, ["at"], "now", "at"],
  ] as const)("refuses %s and names the field", (_what, value, path, wrong, field) => {
    const bytes = spoiled(put(value), path, wrong);
    expect(() => decodeChange(bytes)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field }));
  });

  test("refuses a missing field of every object", () => {
    for (const value of values) {
      const inner = Object.entries(value).find(([name]) => name !== "kind") as [string, Record<string, unknown>];
      const needed = Object.keys(inner[1]).filter(
        (name) => !["scheduler", "proxyName", "externalName", "healthCheckNodePort", "zone"].includes(name),
      );
      for (const name of needed) {
        const bytes = spoiled(put(value), ["value", inner[0], name], undefined);
        expect(() => decodeChange(bytes), `${inner[0]}.${name}`).toThrow(InvalidInputError);
      }
    }
  });

  test("refuses what is not JSON, not UTF-8, not an object or too long", () => {
    const bytes = (content: string): Uint8Array => new TextEncoder().encode(content);
    for (const wrong of [
      bytes("{"),
      bytes("[]"),
      bytes("null"),
      bytes(""),
      new Uint8Array([0xff, 0xfe]),
      new Uint8Array(maxChangeBytes + 1),
    ]) {
      expect(() => decodeChange(wrong)).toThrow(expect.objectContaining({ code: "INVALID_INPUT" }));
    }
  });
});
