import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { generateSchemas } from "../src/schema/generate.ts";
import { ApiError } from "../src/api/errors.ts";
import { decodeMessage } from "../src/server/protobuf/message-decoder.ts";
import { messageTable, type TableField } from "../src/server/protobuf/message-table.ts";
import { decodeProtobuf, messages } from "../src/server/protobuf/protobuf-body.ts";
import { readFields } from "../src/server/protobuf/wire-reader.ts";
import { envelope, number, part } from "./protobuf-writer.ts";

/** What the decoder refuses a body with. */
function refusal(read: () => unknown): { code: number; message: string } {
  try {
    read();
  } catch (error) {
    if (error instanceof ApiError) return error.status;
    throw error;
  }
  throw new Error("it was read");
}

const refusedBody = (body: Uint8Array): { code: number; message: string } => refusal(() => decodeProtobuf(body));

describe("the wire reader", () => {
  test("reads numbers and bytes in their order", () => {
    const read = [...readFields(Buffer.concat([number(1, 300n), part(2, "ab"), number(1, 2n ** 64n - 1n)]), "it")];
    expect(read).toEqual([
      { number: 1, value: 300n },
      { number: 2, value: Buffer.from("ab") },
      { number: 1, value: 2n ** 64n - 1n },
    ]);
  });

  test.each([
    ["an end within a number", [0x08, 0x80], "it ends within a number"],
    ["a number of 11 bytes", [0x08, ...Array<number>(10).fill(0xff), 1], "a number has more than 64 bits"],
    ["a number of 70 bits", [0x08, ...Array<number>(9).fill(0xff), 0x7f], "a number has more than 64 bits"],
    ["a length beyond the end", [0x12, 5, 1], "field 2 is longer than what is there"],
    ["field 0", [0x00, 0], "0 is no field number"],
    ["a fixed-width value", [0x09, 0, 0, 0, 0, 0, 0, 0, 0], "field 1 has wire type 1"],
    ["a group", [0x0b], "field 1 has wire type 3"],
  ])("refuses %s", (_what, bytes, why) => {
    const { code, message } = refusal(() => [...readFields(Buffer.from(bytes), "it")]);
    expect(code).toBe(400);
    expect(message).toContain(`it: ${why}`);
  });
});

describe("a message", () => {
  const table = messageTable(`
Thing: 1 name, 2 count int32, 3 kept? int32, 4 inner Inner, 5 pointer? Inner, 6 * Inner, 7 tags {string}, 8 data {bytes},
  9 items [Inner], 10 port int-or-string, 11 at time, 12 exactly micro-time, 13 big int64, 14 on boolean, 15 limits {quantity}
Inner: 1 text
`);
  const decode = (...parts: Uint8Array[]): unknown => decodeMessage(table, "Thing", Buffer.concat(parts));

  test("loses what is empty, but for what JSON shows all the same", () => {
    expect(decode(part(1, ""), number(2, 0n), part(4, part(1, "")), part(6, ""), number(14, 0n), part(11, ""))).toEqual(
      {},
    );
    expect(decode(number(3, 0n), part(5, ""), part(9, ""))).toEqual({ kept: 0, pointer: {}, items: [{}] });
  });

  test("has the values that JSON has", () => {
    expect(
      decode(
        number(2, BigInt.asUintN(64, -5n)),
        part(6, part(1, "a")),
        part(7, Buffer.concat([part(1, "k"), part(2, "v")])),
        part(8, Buffer.concat([part(1, "k"), part(2, Buffer.from([0, 255]))])),
        part(10, Buffer.concat([number(1, 1n), number(2, 0n), part(3, "http")])),
        part(11, Buffer.concat([number(1, 1_700_000_000n), number(2, 5n)])),
        part(12, Buffer.concat([number(1, 1_700_000_000n), number(2, 1_234_567n)])),
        number(13, 2n ** 53n - 1n),
        number(14, 1n),
        part(15, Buffer.concat([part(1, "cpu"), part(2, part(1, "500m"))])),
      ),
    ).toEqual({
      count: -5,
      text: "a",
      tags: { k: "v" },
      data: { k: "AP8=" },
      port: "http",
      at: "2023-11-14T22:13:20Z",
      exactly: "2023-11-14T22:13:20.001234Z",
      big: Number.MAX_SAFE_INTEGER,
      on: true,
      limits: { cpu: "500m" },
    });
    expect(decode(part(10, Buffer.concat([number(1, 0n), number(2, 0n), part(3, "")])))).toEqual({ port: 0 });
  });

  test.each([
    ["a field that is not known", number(77, 1n), "Thing: field 77 of Thing is not known"],
    ["a field within that is not known", part(4, part(3, "")), "Thing.inner: field 3 of Inner is not known"],
    ["a field twice", Buffer.concat([part(1, "a"), part(1, "b")]), "Thing.name: it is there twice"],
    ["a number for a text", number(1, 1n), "Thing.name: it must not be a number"],
    ["a text for a number", part(2, "1"), "Thing.count: it must be a number"],
    ["what is not UTF-8", part(1, Buffer.from([0xff])), "Thing.name: it is not UTF-8"],
    ["a number beyond 32 bits", number(2, 2n ** 31n), "Thing.count: 2147483648 is out of range"],
    ["a number that JSON cannot have", number(13, 2n ** 60n), "Thing.big: 1152921504606846976 is out of range"],
    ["a year that RFC 3339 cannot have", part(11, number(1, 2n ** 50n)), "Thing.at: it is no point in time"],
    ["a prototype", part(7, part(1, "__proto__")), "Thing.tags: it has a member called __proto__"],
  ])("is refused with %s", (_what, bytes, why) => {
    const { code, message } = refusal(() => decode(bytes));
    expect(code).toBe(400);
    expect(message).toContain(why);
  });
});

describe("the tables", () => {
  // A message's model in the client library, where that has another name.
  const modelNames: Readonly<Record<string, string>> = {
    Event: "CoreV1Event",
    EventSeries: "CoreV1EventSeries",
    EndpointPort: "CoreV1EndpointPort",
    SliceEndpointPort: "DiscoveryV1EndpointPort",
    ResourceClaim: "CoreV1ResourceClaim",
  };
  const modelOf = (message: string): string => modelNames[message] ?? `V1${message}`;

  // The client library is of a later version than the API that is served: these fields came after 1.32.
  const later =
    "NodeStatus.declaredFeatures NodeSystemInfo.swap EndpointHints.forNodes DeploymentStatus.terminatingReplicas " +
    "ReplicaSetStatus.terminatingReplicas PodSpec.hostnameOverride PodSpec.schedulingGroup PodStatus.allocatedResources " +
    "PodStatus.extendedResourceClaimStatus PodStatus.nodeAllocatableResourceClaimStatuses PodStatus.observedGeneration " +
    "PodStatus.resources PodCondition.observedGeneration Container.restartPolicyRules EphemeralContainer.restartPolicyRules " +
    "ContainerStatus.stopSignal Lifecycle.stopSignal VolumeMountStatus.volumeStatus EnvVarSource.fileKeyRef " +
    "ResourceHealth.message VolumeProjection.podCertificate";

  // In JSON the fields of a message called `*` lie in the one around it.
  const flat = (name: string): TableField[] =>
    [...(messages.get(name)?.values() ?? [])].flatMap((field) => (field.name === "*" ? flat(field.of) : [field]));

  const typeOf = ({ shape, of }: TableField): string =>
    `${shape} ${of === "fields" ? "any" : /^[A-Z]/.test(of) ? modelOf(of) : of}`;

  test("have every field of the schemas, under its name and of its type", async () => {
    const { structure } = await generateSchemas();
    const wrong: string[] = [];
    const missing: string[] = [];
    for (const name of messages.keys()) {
      const model = structure[modelOf(name)];
      if (!model) continue;
      const known = new Map(flat(name).map((field) => [field.name, typeOf(field)]));
      for (const [field, { shape, of }] of Object.entries(model.fields)) {
        const type = known.get(field);
        if (type === undefined) missing.push(`${name}.${field}`);
        else if (type !== `${shape} ${of}`) wrong.push(`${name}.${field}: ${type}, not ${shape} ${of}`);
        known.delete(field);
      }
      wrong.push(...[...known.keys()].map((field) => `${name}.${field} is in no schema`));
    }
    expect(wrong).toEqual([]);
    expect(missing.filter((field) => !/\.(apiVersion|kind)$/.test(field)).toSorted()).toEqual(
      later.split(" ").toSorted(),
    );
  });

  test.each([
    ["a number twice", "A: 1 a, 1 b", "the number 1 is there twice"],
    ["a message twice", "A: 1 a\nA: 1 a", "A is there twice"],
    ["a message that is not there", "A: 1 a B", "the unknown message B"],
    ["no field", "A: a", "is no field"],
  ])("are refused with %s", (_what, text, why) => {
    expect(() => messageTable(text)).toThrow(why);
  });
});

describe("a protobuf body", () => {
  const map = Buffer.concat([part(1, part(1, "a")), part(2, Buffer.concat([part(1, "k"), part(2, "v")]))]);

  test("is the object of its envelope", () => {
    expect(decodeProtobuf(envelope("v1", "ConfigMap", map))).toEqual({
      kind: "ConfigMap",
      apiVersion: "v1",
      metadata: { name: "a" },
      data: { k: "v" },
    });
    expect(decodeProtobuf(envelope("apps/v1", "DeleteOptions", number(1, 0n)))).toEqual({
      kind: "DeleteOptions",
      apiVersion: "apps/v1",
      gracePeriodSeconds: 0,
    });
  });

  test("of a kind or an encoding that is not read is refused by its name", () => {
    expect(refusedBody(envelope("batch/v1", "Job", map))).toMatchObject({
      code: 415,
      message: expect.stringContaining('"Job" of "batch/v1"') as string,
    });
    expect(refusedBody(Buffer.concat([envelope("v1", "ConfigMap", map), part(3, "gzip")]))).toMatchObject({
      code: 415,
      message: expect.stringContaining('"gzip"') as string,
    });
    expect(refusedBody(Buffer.from("{}"))).toMatchObject({ code: 400 });
    expect(refusedBody(Buffer.from("k8s\0"))).toMatchObject({
      code: 400,
      message: expect.stringContaining("it names no kind") as string,
    });
  });

  test("that is cut off, or has other bytes in it, is refused or read, and never more than that", () => {
    const labels = part(11, Buffer.concat([part(1, "k"), part(2, "v")]));
    const spec = part(
      2,
      Buffer.concat([part(1, Buffer.concat([part(1, "http"), number(3, 80n)])), part(4, "NodePort")]),
    );
    const whole = envelope("v1", "Service", Buffer.concat([part(1, Buffer.concat([part(1, "a"), labels])), spec]));
    const readOrRefused = (body: Uint8Array): boolean => {
      try {
        return decodeProtobuf(body)["kind"] !== undefined;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        return error.status.message.length > 0 && (error.status.code === 400 || error.status.code === 415);
      }
    };
    for (let length = 0; length < whole.length; length++) {
      expect(readOrRefused(whole.subarray(0, length)), `${length} bytes`).toBe(true);
    }
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(fc.property(bytes, (random) => readOrRefused(Buffer.concat([Buffer.from("k8s\0"), random]))));
    fc.assert(
      fc.property(fc.constantFrom("Pod", "Service", "Secret", "Node", "Event"), bytes, (kind, random) =>
        readOrRefused(envelope("v1", kind, random)),
      ),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        return readOrRefused(changed);
      }),
      { numRuns: 1000 },
    );
  });
});
