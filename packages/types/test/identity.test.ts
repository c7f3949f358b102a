import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { feedKeyOf, feedKindOf, nodeFeedKey, serviceFeedKey, sliceFeedKey } from "../src/change.ts";
import {
  isDnsLabel,
  isDnsSubdomain,
  namespaceName,
  nodeName,
  objectName,
  serviceKey,
  servicePortKey,
  splitServiceKey,
} from "../src/identity.ts";
import { protocols } from "../src/net.ts";
import { node, service, slice } from "./samples.ts";

const refusal = (field: string): unknown => expect.objectContaining({ code: "INVALID_INPUT", field });

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?$/);
const subdomain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join("."));

describe("names", () => {
  it.for(["a", "0", "kube-system", "a--b", "9lives", "a".repeat(63)])("has the label %s", (text) => {
    expect(isDnsLabel(text)).toBe(true);
    expect(namespaceName(text)).toBe(text);
  });

  it.for(["", "-a", "a-", "A", "a_b", "a.b", "a b", "a\n", "ä", "a".repeat(64)])("has no label %j", (text) => {
    expect(isDnsLabel(text)).toBe(false);
    expect(() => namespaceName(text, "metadata.namespace")).toThrow(refusal("metadata.namespace"));
  });

  // Only the whole name is bounded: Kubernetes takes a part of more than 63 characters in the name of an object.
  it.for(["a", "kubia-x7k2p", "node-1.example.org", "a".repeat(70), "a".repeat(253), `${"a.".repeat(126)}a`])(
    "has the subdomain %s",
    (text) => {
      expect(isDnsSubdomain(text)).toBe(true);
      expect([objectName(text), nodeName(text)]).toEqual([text, text]);
    },
  );

  it.for(["", ".", "a.", ".a", "a..b", "a.-b", "a-.b", "A.b", "a/b", "a\n", "a".repeat(254)])(
    "has no subdomain %j",
    (text) => {
      expect(isDnsSubdomain(text)).toBe(false);
      expect(() => objectName(text, "metadata.name")).toThrow(refusal("metadata.name"));
      expect(() => nodeName(text)).toThrow(refusal("nodeName"));
    },
  );

  it("refuses what is not a text", () => {
    for (const value of [null, undefined, 7, ["a"]]) {
      expect(() => namespaceName(value as unknown as string)).toThrow(refusal("namespace"));
      expect(() => objectName(value as unknown as string)).toThrow(refusal("name"));
    }
  });
});

describe("keys", () => {
  it("of a Service come apart as they were put together", () => {
    fc.assert(
      fc.property(label, subdomain, (namespace, name) => {
        expect(splitServiceKey(serviceKey(namespace, name))).toEqual({ namespace, name });
      }),
    );
  });

  it("of Service ports differ where anything differs", () => {
    const named = fc.record({
      namespace: label,
      name: label,
      port: fc.oneof(fc.constant(""), label),
      protocol: fc.constantFrom(...protocols),
    });
    const keys = fc.uniqueArray(named, { selector: (each) => JSON.stringify(Object.values(each)) });
    fc.assert(
      fc.property(keys, (all) => {
        const made = all.map((each) => servicePortKey(serviceKey(each.namespace, each.name), each.port, each.protocol));
        expect(new Set(made).size).toBe(all.length);
      }),
    );
    expect(servicePortKey(serviceKey("default", "kubia"), "http", "TCP")).toBe("default/kubia:http/TCP");
  });

  it("of the feed name the kind, and differ from object to object", () => {
    const object = fc.record({ namespace: label, name: subdomain });
    fc.assert(
      fc.property(fc.uniqueArray(object, { selector: ({ namespace, name }) => `${namespace}/${name}` }), (all) => {
        const services = all.map(({ namespace, name }) => serviceFeedKey(namespace, name));
        const slices = all.map(({ namespace, name }) => sliceFeedKey(namespace, name));
        const nodes = [...new Set(all.map(({ name }) => name))].map((name) => nodeFeedKey(name));
        const keys = [...services, ...slices, ...nodes];
        expect(new Set(keys).size).toBe(keys.length);
        expect(new Set(services.map(feedKindOf))).toEqual(new Set(all.length === 0 ? [] : ["service"]));
        expect(nodes.map(feedKindOf)).toEqual(nodes.map(() => "node"));
      }),
    );
  });

  it("of the feed follow from the value", () => {
    expect(feedKeyOf({ kind: "service", service })).toBe("service.default.kubia");
    expect(feedKeyOf({ kind: "slice", slice })).toBe("slice.default.kubia-x7k2p");
    expect(feedKeyOf({ kind: "node", node })).toBe("node.node-1");
  });
});
