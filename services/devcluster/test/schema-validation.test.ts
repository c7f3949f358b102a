import { beforeAll, describe, expect, it } from "vitest";
import { loadSchemas } from "../src/schema/index.ts";
import type { Schemas } from "../src/schema/index.ts";
import { MAX_REPORTED_FAULTS } from "../src/schema/validation.ts";

const SERVICE = { group: "", version: "v1", kind: "Service" };
const POD = { group: "", version: "v1", kind: "Pod" };

describe("validation by schema", () => {
  let schemas: Schemas;

  beforeAll(async () => {
    schemas = await loadSchemas();
  });

  const service = (spec: unknown, metadata: object = { name: "web" }): object => ({
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec,
  });

  it("finds nothing wrong with a correct object, nulls and quantities in numbers included", () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a", creationTimestamp: null, labels: { app: "a" } },
      spec: {
        containers: [
          {
            name: "a",
            image: null,
            resources: { limits: { cpu: 1, memory: "64Mi" }, requests: { cpu: "0.5" } },
            readinessProbe: { httpGet: { port: "http" }, periodSeconds: 1 },
            livenessProbe: { tcpSocket: { port: 8080 } },
          },
        ],
      },
      status: { containerStatuses: [{ name: "a" }] },
    };
    expect(schemas.validate(POD, pod)).toEqual({ unknown: [], typeErrors: [] });
  });

  it.each<[path: string, object: object]>([
    ["spec.foo", service({ foo: 1 })],
    ["spec.ports[1].foo", service({ ports: [{ port: 1 }, { port: 2, foo: {} }] })],
    ["metadata.nmae", service({}, { nmae: "x" })],
    ["spec.Ports", service({ Ports: [] })],
    ["constructor", { ...service({}), ["constructor"]: 1 }],
    ["__proto__", JSON.parse('{"__proto__": {"a": 1}}') as object],
  ])("names the unknown field %s", (path, object) => {
    expect(schemas.validate(SERVICE, object).unknown).toEqual([path]);
  });

  it.each<[field: string, spec: unknown, message: string]>([
    ["spec", [], "Invalid value: []: must be an object, got a list"],
    ["spec.selector", ["app"], 'Invalid value: ["app"]: must be a map from names to values, got a list'],
    ["spec.selector[app]", { app: 1 }, "Invalid value: 1: must be a string, got a number"],
    ["spec.ports", {}, "Invalid value: {}: must be a list, got an object"],
    ["spec.ports[0]", [null], "Invalid value: null: must be an object, got null"],
    ["spec.ports[0].port", [{ port: "80" }], 'Invalid value: "80": must be a 32-bit integer, got a string'],
    ["spec.ports[0].port", [{ port: 2 ** 31 }], "Invalid value: 2147483648: must be a 32-bit integer, got a number"],
    ["spec.ports[0].port", [{ port: 1.5 }], "Invalid value: 1.5: must be a 32-bit integer, got a number"],
    [
      "spec.ports[0].targetPort",
      [{ port: 1, targetPort: true }],
      "Invalid value: true: must be a 32-bit integer or a string, got a boolean",
    ],
    ["spec.publishNotReadyAddresses", "yes", 'Invalid value: "yes": must be true or false, got a string'],
  ])("names the value of the wrong type at %s", (field, value, message) => {
    const key = field.split(/[.[]/)[1];
    const spec = key === undefined ? value : { [key]: value };
    expect(schemas.validate(SERVICE, service(spec))).toEqual({
      unknown: [],
      typeErrors: [{ reason: "FieldValueTypeInvalid", field, message }],
    });
  });

  it.each<[kind: string, object: object, field: string]>([
    ["Secret", { data: { key: "not base64!" } }, "data[key]"],
    ["ConfigMap", { binaryData: { key: "YQ=" } }, "binaryData[key]"],
    ["Pod", { metadata: { deletionTimestamp: "yesterday" } }, "metadata.deletionTimestamp"],
    ["Node", { status: { capacity: { cpu: "many" } } }, "status.capacity[cpu]"],
  ])("checks the text of a %s", (kind, object, field) => {
    const { typeErrors } = schemas.validate({ group: "", version: "v1", kind }, object);
    expect(typeErrors.map((cause) => cause.field)).toEqual([field]);
  });

  it("accepts base64 over several lines and times with fractions", () => {
    expect(
      schemas.validate({ group: "", version: "v1", kind: "Secret" }, { data: { a: "YWJj\nYWI=", b: "" } }).typeErrors,
    ).toEqual([]);
    const lease = { spec: { renewTime: "2024-05-06T07:08:09.123456Z", acquireTime: "2024-05-06T07:08:09+02:00" } };
    expect(schemas.validate({ group: "coordination.k8s.io", version: "v1", kind: "Lease" }, lease).typeErrors).toEqual(
      [],
    );
  });

  it("asks for required fields where a client writes, and not in the status", () => {
    const { typeErrors } = schemas.validate(POD, {
      spec: { containers: [{ ports: [{}] }] },
      status: { conditions: [{}] },
    });
    expect(typeErrors).toEqual([
      { reason: "FieldValueRequired", field: "spec.containers[0].ports[0].containerPort", message: "Required value" },
      { reason: "FieldValueRequired", field: "spec.containers[0].name", message: "Required value" },
    ]);
    const slice = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", addressType: "IPv4" };
    expect(
      schemas.validate({ group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice" }, slice).typeErrors,
    ).toEqual([]);
  });

  it("bounds what it reports", () => {
    const ports = Array.from({ length: 1000 }, () => ({ port: "x", foo: 1 }));
    const { unknown, typeErrors } = schemas.validate(SERVICE, service({ ports }));
    expect(unknown).toHaveLength(MAX_REPORTED_FAULTS);
    expect(typeErrors).toHaveLength(MAX_REPORTED_FAULTS);
  });

  it("repeats no more than the start of a long value", () => {
    const [cause] = schemas.validate(SERVICE, service({ ports: "x".repeat(10_000) })).typeErrors;
    expect(cause?.message.length).toBeLessThan(200);
  });

  it("says nothing about a kind it does not know", () => {
    expect(schemas.validate({ group: "example.org", version: "v1", kind: "Service" }, { a: 1 })).toEqual({
      unknown: [],
      typeErrors: [],
    });
  });

  it("prunes unknown fields and nulls, and leaves its argument alone", () => {
    const object = {
      apiVersion: "v1",
      kind: "Pod",
      extra: 1,
      metadata: { name: "a", creationTimestamp: null, labels: { a: null, ["__proto__"]: "x" } },
      spec: {
        foo: 1,
        nodeSelector: {},
        securityContext: {},
        tolerations: [],
        containers: [{ name: "a", bar: 1, resources: { limits: { cpu: 2 } } }],
      },
    };
    const before = JSON.stringify(object);
    expect(schemas.prune(POD, object)).toEqual({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a", labels: { a: "", ["__proto__"]: "x" } },
      spec: { securityContext: {}, tolerations: [], containers: [{ name: "a", resources: { limits: { cpu: "2" } } }] },
    });
    expect(JSON.stringify(object)).toBe(before);
  });
});
