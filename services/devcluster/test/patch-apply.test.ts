import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ApiError } from "../src/api/errors.ts";
import { fromFieldsV1, pathKey, pathText, toFieldsV1 } from "../src/patch/field-set.ts";
import { MAX_UPDATE_MANAGERS } from "../src/patch/managed-fields.ts";
import { serverSideApply, trackWrite } from "../src/patch/server-side-apply.ts";

type Json = Record<string, unknown>;

const SERVICE = { group: "", version: "v1", kind: "Service" };
const DEPLOYMENT = { group: "apps", version: "v1", kind: "Deployment" };
const NOW = Date.parse("2024-05-06T07:08:09.123Z");

interface Options {
  readonly gvk?: typeof SERVICE;
  readonly manager?: string;
  readonly force?: boolean;
  readonly now?: number;
}

const apply = (applied: object, current?: object, options: Options = {}): Json =>
  serverSideApply({
    gvk: options.gvk ?? SERVICE,
    resource: "services",
    applied: { apiVersion: "v1", kind: "Service", metadata: { name: "web" }, ...applied },
    current,
    manager: options.manager ?? "kubectl",
    force: options.force ?? false,
    now: options.now ?? NOW,
  }) as Json;

const write = (after: object, before?: object, options: Options = {}): Json =>
  trackWrite({
    gvk: options.gvk ?? SERVICE,
    before,
    after,
    manager: options.manager ?? "edit",
    now: options.now ?? NOW,
  }) as Json;

const managed = (object: Json): { manager: string; operation: string; fieldsV1: Json }[] =>
  ((object["metadata"] as Json)["managedFields"] ?? []) as { manager: string; operation: string; fieldsV1: Json }[];
const ownedBy = (object: Json, manager: string): string[] =>
  managed(object)
    .filter((entry) => entry.manager === manager)
    .flatMap(({ fieldsV1 }) => [...fromFieldsV1(fieldsV1)].map((path) => pathText(path)))
    .toSorted();
const failure = (act: () => unknown): ApiError["status"] => {
  try {
    act();
  } catch (error) {
    return (error as ApiError).status;
  }
  throw new Error("nothing was refused");
};

describe("server-side apply", () => {
  it("creates the object and writes down who owns what", () => {
    const spec = { selector: { app: "web" }, ports: [{ port: 80, targetPort: "http" }] };
    const created = apply({ metadata: { name: "web", labels: { a: "1" } }, spec });
    expect(created).toEqual({
      apiVersion: "v1",
      kind: "Service",
      metadata: {
        name: "web",
        labels: { a: "1" },
        managedFields: [
          {
            manager: "kubectl",
            operation: "Apply",
            apiVersion: "v1",
            time: "2024-05-06T07:08:09Z",
            fieldsType: "FieldsV1",
            fieldsV1: {
              "f:metadata": { "f:labels": { "f:a": {} } },
              "f:spec": {
                "f:selector": {},
                "f:ports": { 'k:{"port":80,"protocol":"TCP"}': { ".": {}, "f:port": {}, "f:targetPort": {} } },
              },
            },
          },
        ],
      },
      spec,
    });
  });

  it("changes nothing, times included, when applied again", () => {
    const spec = { ports: [{ port: 80 }] };
    const created = apply({ spec });
    expect(apply({ spec }, created, { now: NOW + 60_000 })).toEqual(created);
  });

  it("leaves what the server filled in, and takes it along with the item it stood in", () => {
    const created = apply({ spec: { ports: [{ port: 80 }, { port: 443 }] } });
    const stored = {
      ...created,
      spec: {
        clusterIP: "127.96.0.9",
        ports: [
          { port: 80, protocol: "TCP", nodePort: 30080 },
          { port: 443, protocol: "TCP", nodePort: 30443 },
        ],
      },
    };
    expect(apply({ spec: { ports: [{ port: 80, name: "http" }] } }, stored)["spec"]).toEqual({
      clusterIP: "127.96.0.9",
      ports: [{ port: 80, protocol: "TCP", nodePort: 30080, name: "http" }],
    });
  });

  it("tells ports of one number apart by protocol", () => {
    const ports = [
      { port: 53, protocol: "UDP" },
      { port: 53, protocol: "TCP" },
    ];
    const created = apply({ spec: { ports } });
    expect(apply({ spec: { ports: [{ port: 53, protocol: "UDP", name: "dns" }] } }, created)["spec"]).toEqual({
      ports: [{ port: 53, protocol: "UDP", name: "dns" }],
    });
  });

  it("removes what is no longer wanted, but not what another manager owns too", () => {
    const first = apply({ metadata: { name: "web", labels: { a: "1", b: "2" } } });
    const second = apply({ metadata: { name: "web", labels: { b: "2" } } }, first, { manager: "ci" });
    const third = apply({}, second);
    expect((third["metadata"] as Json)["labels"]).toEqual({ b: "2" });
    expect(ownedBy(third, "kubectl")).toEqual([]);
    expect((apply({}, third, { manager: "ci" })["metadata"] as Json)["labels"]).toBeUndefined();
  });

  it("keeps a map's entries that nobody owns, and a whole struct goes with its defaults", () => {
    const probe = { httpGet: { port: 80 } };
    const applied = (container: object): object => ({
      metadata: { name: "web", annotations: { mine: "1" } },
      spec: { template: { spec: { containers: [{ name: "a", image: "i", ...container }] } } },
    });
    const created = apply(applied({ readinessProbe: probe }), undefined, { gvk: DEPLOYMENT });
    const stored = {
      ...created,
      metadata: { ...(created["metadata"] as Json), annotations: { mine: "1", revision: "7" } },
      spec: {
        template: {
          spec: { containers: [{ name: "a", image: "i", readinessProbe: { ...probe, periodSeconds: 10 } }] },
        },
      },
    };
    const next = apply({ ...applied({}), metadata: { name: "web" } }, stored, { gvk: DEPLOYMENT });
    expect(next["spec"]).toEqual({ template: { spec: { containers: [{ name: "a", image: "i" }] } } });
    expect((next["metadata"] as Json)["annotations"]).toEqual({ revision: "7" });
  });

  it("refuses to change what another manager owns, and names both", () => {
    const created = apply({ spec: { replicas: 1, paused: true } }, undefined, { gvk: DEPLOYMENT });
    const scaled = write({ ...created, spec: { replicas: 3, paused: false } }, created, { gvk: DEPLOYMENT });
    const status = failure(() => apply({ spec: { replicas: 1 } }, scaled, { gvk: DEPLOYMENT }));
    expect(status).toMatchObject({
      code: 409,
      reason: "Conflict",
      message: 'Apply failed with 1 conflict: conflict with "edit" using apps/v1: .spec.replicas',
      details: {
        causes: [
          { reason: "FieldManagerConflict", message: 'conflict with "edit" using apps/v1', field: ".spec.replicas" },
        ],
      },
    });
    expect(failure(() => apply({ spec: { replicas: 1, paused: true } }, scaled, { gvk: DEPLOYMENT })).message).toBe(
      'Apply failed with 2 conflicts: conflict with "edit" using apps/v1:\n- .spec.paused\n- .spec.replicas',
    );
  });

  it("shares a field where both want the same value", () => {
    const created = apply({ spec: { type: "NodePort" } });
    const shared = apply({ spec: { type: "NodePort" } }, created, { manager: "ci" });
    expect([ownedBy(shared, "kubectl"), ownedBy(shared, "ci")]).toEqual([[".spec.type"], [".spec.type"]]);
  });

  it("takes a field over when forced", () => {
    const created = apply({ spec: { type: "NodePort" } });
    const forced = apply({ spec: { type: "ClusterIP" } }, created, { manager: "ci", force: true });
    expect(forced["spec"]).toEqual({ type: "ClusterIP" });
    expect([ownedBy(forced, "kubectl"), ownedBy(forced, "ci")]).toEqual([[], [".spec.type"]]);
  });

  it("owns a selector as a whole", () => {
    const created = apply({ spec: { selector: { a: "1", b: "2" } } });
    const next = apply({ spec: { selector: { a: "1" } } }, created);
    expect(next["spec"]).toEqual({ selector: { a: "1" } });
    expect(failure(() => apply({ spec: { selector: { c: "3" } } }, next, { manager: "ci" })).details?.causes).toEqual([
      expect.objectContaining({ field: ".spec.selector" }),
    ]);
  });

  it("merges sets by value", () => {
    const created = apply({ metadata: { name: "web", finalizers: ["a", "b"] } });
    const more = apply({ metadata: { name: "web", finalizers: ["c"] } }, created, { manager: "ci" });
    expect((more["metadata"] as Json)["finalizers"]).toEqual(["a", "b", "c"]);
    const less = apply({ metadata: { name: "web", finalizers: ["b"] } }, more);
    expect((less["metadata"] as Json)["finalizers"]).toEqual(["b", "c"]);
  });

  it.each<[what: string, code: number, act: () => unknown]>([
    ["no manager", 400, () => apply({}, undefined, { manager: "" })],
    ["managedFields of its own", 400, () => apply({ metadata: { name: "a", managedFields: [{}] } })],
    ["two items of one key", 422, () => apply({ spec: { ports: [{ port: 1 }, { port: 1, protocol: "TCP" }] } })],
  ])("refuses an apply with %s", (_what, code, act) => {
    expect(failure(act).code).toBe(code);
  });

  it("does not change its arguments", () => {
    const created = apply({ spec: { ports: [{ port: 80 }] } });
    const before = JSON.stringify(created);
    apply({ spec: { ports: [{ port: 81 }] } }, created);
    expect(JSON.stringify(created)).toBe(before);
  });

  const labels = fc.dictionary(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom("1", "2"));
  const ports = fc.uniqueArray(fc.record({ port: fc.integer({ min: 1, max: 5 }), name: fc.constantFrom("x", "y") }), {
    selector: ({ port }) => port,
  });
  const intents = fc
    .record({ labels, ports })
    .map((intent) => ({ metadata: { name: "web", labels: intent.labels }, spec: { type: "X", ports: intent.ports } }));

  it("by one manager leads to what it said last, whatever came before", () => {
    fc.assert(
      fc.property(intents, intents, (first, second) => {
        const result = apply(second, apply(first));
        expect(result["spec"]).toEqual(second.spec);
        expect((result["metadata"] as Json)["labels"] ?? {}).toEqual(second.metadata.labels);
      }),
    );
  });

  it("withdrawn leaves what the others wanted", () => {
    fc.assert(
      fc.property(intents, intents, (mine, theirs) => {
        const base = apply(theirs, undefined, { manager: "ci" });
        const both = apply(mine, base, { force: true });
        const again = apply(theirs, both, { manager: "ci", force: true });
        const alone = apply({}, again);
        expect((alone["metadata"] as Json)["labels"] ?? {}).toEqual(theirs.metadata.labels);
        expect((alone["spec"] as Json)["ports"] ?? []).toEqual(expect.arrayContaining(theirs.spec.ports));
        expect((alone["spec"] as Json)["ports"] ?? []).toHaveLength(theirs.spec.ports.length);
      }),
    );
  });
});

describe("the owners of other writes", () => {
  it("are who created and who changed a field", () => {
    const created = write({ metadata: { name: "web", uid: "1" }, spec: { type: "ClusterIP", externalName: "x" } });
    expect(ownedBy(created, "edit")).toEqual([".spec.externalName", ".spec.type"]);
    const changed = write({ ...created, spec: { type: "NodePort" } }, created, { manager: "other" });
    expect(ownedBy(changed, "edit")).toEqual([]);
    expect(ownedBy(changed, "other")).toEqual([".spec.type"]);
  });

  it("stay when a client sends none, and go when it resets them", () => {
    const created = write({ metadata: { name: "web" }, spec: { type: "ClusterIP" } });
    const replaced = write({ metadata: { name: "web" }, spec: { type: "ClusterIP" } }, created, { manager: "other" });
    expect(ownedBy(replaced, "edit")).toEqual([".spec.type"]);
    expect(managed(write({ ...created, metadata: { managedFields: [{}] } }, created))).toEqual([]);
  });

  it("are taken from the client where it moves them to another manager", () => {
    const created = write({ metadata: { name: "web" }, spec: { type: "ClusterIP" } });
    const moved = managed(created).map((entry) => ({ ...entry, manager: "kubectl", operation: "Apply" }));
    const after = write({ ...created, metadata: { name: "web", managedFields: moved } }, created);
    expect(managed(after).map(({ manager, operation }) => [manager, operation])).toEqual([["kubectl", "Apply"]]);
  });

  it("are bounded: the one longest unheard of is forgotten", () => {
    let object = write({ metadata: { name: "web" } });
    for (let index = 0; index <= MAX_UPDATE_MANAGERS; index += 1) {
      const labels = { ...((object["metadata"] as Json)["labels"] as Json | undefined), [`l${index}`]: "x" };
      const next = { ...object, metadata: { ...(object["metadata"] as Json), labels } };
      object = write(next, object, { manager: `m${index}`, now: NOW + index * 1000 });
    }
    expect(managed(object)).toHaveLength(MAX_UPDATE_MANAGERS);
    expect(ownedBy(object, "m0")).toEqual([]);
  });
});

describe("FieldsV1", () => {
  const segments = fc.array(
    fc.oneof(
      fc.string({ maxLength: 3 }).map((name) => `f:${name}`),
      fc.constantFrom('k:{"name":"a"}', 'v:"x"', "f:.", "f:__proto__"),
    ),
    { minLength: 1, maxLength: 4 },
  );

  it("comes back as it was", () => {
    fc.assert(
      fc.property(fc.array(segments), (paths) => {
        const set = new Set(paths.map((path) => pathKey(path)));
        const json = JSON.parse(JSON.stringify(toFieldsV1(set))) as unknown;
        expect(fromFieldsV1(json)).toEqual(set);
      }),
    );
  });

  it.each([[null], ["text"], [[]], [{ x: {} }], [{ "f:a": 1 }]])("takes nothing from %j", (value) => {
    expect(fromFieldsV1(value).size).toBe(0);
  });

  it("reads like a path", () => {
    const path = pathKey(["f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name"]);
    expect(pathText(path)).toBe('.spec.ports[port=80,protocol="TCP"].name');
    expect(pathText(pathKey(["f:metadata", "f:finalizers", 'v:"x"']))).toBe('.metadata.finalizers[="x"]');
  });
});
