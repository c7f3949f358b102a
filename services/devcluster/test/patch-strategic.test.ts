import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPatch } from "../src/patch/index.ts";

const TYPE = "application/strategic-merge-patch+json";
const GROUPS: Readonly<Record<string, string>> = { Deployment: "apps", Ingress: "networking.k8s.io" };
const apply = (kind: string, patch: unknown, current: object): object =>
  applyPatch({ group: GROUPS[kind] ?? "", version: "v1", kind }, TYPE, patch, current);
const spec = (kind: string, patch: object, current: object): unknown =>
  (apply(kind, { spec: patch }, { spec: current }) as { spec: unknown }).spec;

describe("a strategic merge patch", () => {
  it.each<[what: string, kind: string, current: object, patch: object, expected: object]>([
    [
      "merges a service's ports by their number",
      "Service",
      {
        ports: [
          { port: 80, name: "http" },
          { port: 443, name: "https" },
        ],
      },
      { ports: [{ port: 80, targetPort: 8080 }] },
      {
        ports: [
          { port: 80, name: "http", targetPort: 8080 },
          { port: 443, name: "https" },
        ],
      },
    ],
    [
      "adds a port that is new",
      "Service",
      { ports: [{ port: 80 }] },
      { ports: [{ port: 443 }] },
      { ports: [{ port: 80 }, { port: 443 }] },
    ],
    [
      "deletes an item by directive",
      "Service",
      { ports: [{ port: 80 }, { port: 443 }] },
      { ports: [{ $patch: "delete", port: 80 }] },
      { ports: [{ port: 443 }] },
    ],
    [
      "replaces a list by directive",
      "Service",
      { ports: [{ port: 80, name: "a" }, { port: 443 }] },
      { ports: [{ port: 80 }, { $patch: "replace" }] },
      { ports: [{ port: 80 }] },
    ],
    [
      "replaces a map by directive",
      "Service",
      { selector: { app: "a", tier: "b" } },
      { selector: { $patch: "replace", app: "c" } },
      { selector: { app: "c" } },
    ],
    [
      "empties a map by directive",
      "Service",
      { selector: { a: "b" } },
      { selector: { $patch: "delete" } },
      { selector: {} },
    ],
    [
      "merges a map by directive, as without",
      "Service",
      { selector: { a: "b" } },
      { selector: { $patch: "merge", c: "d" } },
      { selector: { a: "b", c: "d" } },
    ],
    [
      "deletes a field by null",
      "Service",
      { selector: { a: "b", c: "d" }, type: "NodePort" },
      { selector: { a: null }, type: null },
      { selector: { c: "d" } },
    ],
    [
      "replaces a list without a merge strategy",
      "Service",
      { externalIPs: ["192.0.2.1", "192.0.2.2"] },
      { externalIPs: ["192.0.2.3"] },
      { externalIPs: ["192.0.2.3"] },
    ],
    [
      "puts items in the order that is set",
      "Service",
      { ports: [{ port: 1 }, { port: 2 }, { port: 3 }] },
      { "$setElementOrder/ports": [{ port: 3 }, { port: 1 }, { port: 2 }] },
      { ports: [{ port: 3 }, { port: 1 }, { port: 2 }] },
    ],
    [
      "keeps the place of items that only the server has",
      "Service",
      { ports: [{ port: 9 }, { port: 1 }, { port: 8 }, { port: 2 }] },
      { "$setElementOrder/ports": [{ port: 1 }, { port: 5 }, { port: 2 }], ports: [{ port: 5 }] },
      { ports: [{ port: 9 }, { port: 1 }, { port: 5 }, { port: 8 }, { port: 2 }] },
    ],
    [
      "deletes and orders at once, as kubectl apply does",
      "Service",
      {
        ports: [
          { port: 80, protocol: "TCP" },
          { port: 443, protocol: "TCP" },
        ],
      },
      {
        "$setElementOrder/ports": [{ port: 8443 }, { port: 80 }],
        ports: [{ port: 8443 }, { port: 443, $patch: "delete" }],
      },
      { ports: [{ port: 8443 }, { port: 80, protocol: "TCP" }] },
    ],
    [
      "tells two ports of one number apart by protocol",
      "Service",
      {
        ports: [
          { port: 53, protocol: "TCP" },
          { port: 53, protocol: "UDP" },
        ],
      },
      { ports: [{ port: 53, protocol: "UDP", nodePort: 30053 }] },
      {
        ports: [
          { port: 53, protocol: "TCP" },
          { port: 53, protocol: "UDP", nodePort: 30053 },
        ],
      },
    ],
    [
      "goes down the pod template to env, ports and mounts",
      "Deployment",
      {
        template: {
          spec: {
            containers: [
              { name: "side", image: "s" },
              {
                name: "app",
                image: "a:1",
                args: ["x", "y"],
                env: [
                  { name: "A", value: "1" },
                  { name: "B", value: "2" },
                ],
                ports: [{ containerPort: 80 }],
                volumeMounts: [{ mountPath: "/data", name: "data" }],
              },
            ],
          },
        },
      },
      {
        template: {
          spec: {
            containers: [
              {
                name: "app",
                image: "a:2",
                args: ["z"],
                env: [
                  { name: "B", value: "3" },
                  { name: "A", $patch: "delete" },
                ],
                ports: [{ containerPort: 80, name: "http" }],
                volumeMounts: [{ mountPath: "/data", readOnly: true }],
              },
            ],
          },
        },
      },
      {
        template: {
          spec: {
            containers: [
              { name: "side", image: "s" },
              {
                name: "app",
                image: "a:2",
                args: ["z"],
                env: [{ name: "B", value: "3" }],
                ports: [{ containerPort: 80, name: "http" }],
                volumeMounts: [{ mountPath: "/data", name: "data", readOnly: true }],
              },
            ],
          },
        },
      },
    ],
    [
      "drops what is not retained",
      "Deployment",
      { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } },
      { strategy: { $retainKeys: ["type"], type: "Recreate" } },
      { strategy: { type: "Recreate" } },
    ],
    [
      "changes the source of a volume",
      "Pod",
      { volumes: [{ name: "data", emptyDir: {} }] },
      { volumes: [{ $retainKeys: ["name", "hostPath"], name: "data", hostPath: { path: "/x" } }] },
      { volumes: [{ name: "data", hostPath: { path: "/x" } }] },
    ],
    [
      "replaces lists of other keyed kinds as a whole",
      "Ingress",
      { rules: [{ host: "a" }, { host: "b" }] },
      { rules: [{ host: "c" }] },
      { rules: [{ host: "c" }] },
    ],
    [
      "drops nulls and directives of an item that is new",
      "Pod",
      {},
      { containers: [{ name: "a", image: null, env: [{ name: "B", $patch: "delete" }, { name: "C" }] }] },
      { containers: [{ name: "a", env: [{ name: "C" }] }] },
    ],
    ["orders nothing into being", "Service", {}, { "$setElementOrder/ports": [{ port: 1 }] }, {}],
  ])("%s", (_what, kind, current, patch, expected) => {
    const before = JSON.stringify([current, patch]);
    expect(spec(kind, patch, current)).toEqual(expected);
    expect(JSON.stringify([current, patch])).toBe(before);
  });

  it("merges conditions by type in the status", () => {
    const current = {
      status: {
        conditions: [
          { type: "Ready", status: "False" },
          { type: "Initialized", status: "True" },
        ],
      },
    };
    expect(apply("Pod", { status: { conditions: [{ type: "Ready", status: "True" }] } }, current)).toEqual({
      status: {
        conditions: [
          { type: "Ready", status: "True" },
          { type: "Initialized", status: "True" },
        ],
      },
    });
  });

  it("merges owners by uid, and finalizers as a set that it can delete from", () => {
    const metadata = { finalizers: ["a", "b"], ownerReferences: [{ uid: "1", name: "x" }] };
    const patch = {
      "$setElementOrder/finalizers": ["c", "b"],
      "$deleteFromPrimitiveList/finalizers": ["a"],
      finalizers: ["c"],
      ownerReferences: [{ uid: "1", controller: true }, { uid: "2" }],
    };
    expect(apply("Service", { metadata: patch }, { metadata })).toEqual({
      metadata: { finalizers: ["c", "b"], ownerReferences: [{ uid: "1", name: "x", controller: true }, { uid: "2" }] },
    });
  });

  it("adds to a set once", () => {
    expect(apply("Pod", { metadata: { finalizers: ["b", "a", "b"] } }, { metadata: { finalizers: ["a"] } })).toEqual({
      metadata: { finalizers: ["a", "b"] },
    });
  });

  it("merges maps of a kind that it does not know, and replaces its lists", () => {
    expect(
      applyPatch(
        { group: "example.org", version: "v1", kind: "Thing" },
        TYPE,
        { a: { c: 2 }, l: [2] },
        { a: { b: 1 }, l: [1] },
      ),
    ).toEqual({ a: { b: 1, c: 2 }, l: [2] });
  });

  it.each<[what: string, code: string, patch: object]>([
    ["an unknown directive", "BadRequest", { selector: { $patch: "remove" } }],
    ["an item without its merge key", "Invalid", { ports: [{ name: "http" }] }],
    ["a deletion without its merge key", "Invalid", { ports: [{ $patch: "delete" }] }],
    ["an item that is no object", "BadRequest", { ports: [80] }],
    ["an order that is no list", "BadRequest", { "$setElementOrder/ports": {} }],
    [
      "an order that leaves out an item",
      "BadRequest",
      { "$setElementOrder/ports": [{ port: 1 }], ports: [{ port: 2 }] },
    ],
    ["retained keys that are no list", "BadRequest", { $retainKeys: "ports" }],
    ["retained keys that leave out a field", "BadRequest", { $retainKeys: ["ports"], type: "NodePort" }],
  ])("refuses %s", (_what, code, patch) => {
    expect(() => spec("Service", patch, { ports: [{ port: 1 }] })).toThrow(expect.objectContaining({ code }));
  });

  it("refuses objects where a set of plain values is patched", () => {
    const patch = { metadata: { "$deleteFromPrimitiveList/finalizers": [{}] } };
    expect(() => apply("Service", patch, { metadata: {} })).toThrow(expect.objectContaining({ code: "BadRequest" }));
    expect(() => apply("Service", { metadata: { finalizers: [{}] } }, {})).toThrow(
      expect.objectContaining({ code: "BadRequest" }),
    );
  });

  const ports = fc.uniqueArray(fc.record({ port: fc.integer({ min: 1, max: 9 }), name: fc.constantFrom("a", "b") }), {
    selector: ({ port }) => port,
    maxLength: 6,
  });

  it("made as kubectl apply makes it leads to the wanted list in the wanted order", () => {
    fc.assert(
      fc.property(ports, ports, (before, wanted) => {
        const gone = before.filter(({ port }) => !wanted.some((other) => other.port === port));
        const patch = {
          "$setElementOrder/ports": wanted.map(({ port }) => ({ port })),
          ports: [...wanted, ...gone.map(({ port }) => ({ port, $patch: "delete" }))],
        };
        expect(spec("Service", patch, { ports: before })).toEqual({ ports: wanted });
      }),
    );
  });

  it("never loses an item that it does not speak about, nor its order among the others", () => {
    fc.assert(
      fc.property(ports, ports, (before, patched) => {
        const patch = { "$setElementOrder/ports": patched.map(({ port }) => ({ port })), ports: patched };
        const after = (spec("Service", patch, { ports: before }) as { ports: { port: number }[] }).ports.map(
          ({ port }) => port,
        );
        const others = before.map(({ port }) => port).filter((port) => !patched.some((item) => item.port === port));
        expect(after.filter((port) => others.includes(port))).toEqual(others);
        expect(after.filter((port) => !others.includes(port))).toEqual(patched.map(({ port }) => port));
      }),
    );
  });
});
