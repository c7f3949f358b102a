import { IpFamily, bigIntToAddress } from "@fairlead/types";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMessage, encodeMessage } from "../src/wire/message.ts";
import type { Message } from "../src/wire/message.ts";
import { decodeName, parseName, skipName } from "../src/wire/name.ts";
import { readQuery } from "../src/wire/query.ts";
import type { RecordData, ResourceRecord } from "../src/wire/records.ts";
import { WireError } from "../src/wire/wire-error.ts";

const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
// Any byte may stand in a label, dots too; few different ones, so that names share their ends.
const label = fc.oneof(
  fc.constantFrom("a", "svc", "cluster", "local", "A.b"),
  fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
);
const name = fc
  .array(label, { maxLength: 6 })
  .filter((labels) => labels.reduce((sum, one) => sum + one.length + 1, 1) <= 255);
const address = (family: "A" | "AAAA") =>
  fc
    .bigInt({ min: 0n, max: (1n << (family === "A" ? 32n : 128n)) - 1n })
    .map((value) => bigIntToAddress(value, family === "A" ? IpFamily.v4 : IpFamily.v6));
const data: fc.Arbitrary<RecordData> = fc.oneof(
  fc.record({ kind: fc.constant("A" as const), address: address("A") }),
  fc.record({ kind: fc.constant("AAAA" as const), address: address("AAAA") }),
  fc.record({ kind: fc.constantFrom("CNAME" as const, "NS" as const, "PTR" as const), target: name }),
  fc.record({ kind: fc.constant("SRV" as const), priority: u16, weight: u16, port: u16, target: name }),
  fc.record({
    kind: fc.constant("TXT" as const),
    texts: fc.array(
      fc.uint8Array({ maxLength: 255 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
      { maxLength: 3 },
    ),
  }),
  fc.record({
    kind: fc.constant("SOA" as const),
    mname: name,
    rname: name,
    serial: u32,
    refresh: u32,
    retry: u32,
    expire: u32,
    minimum: u32,
  }),
  fc.record({
    kind: fc.constant("raw" as const),
    type: fc.integer({ min: 300, max: 0xffff }),
    bytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  }),
);
const record: fc.Arbitrary<ResourceRecord> = fc.record({ name, class: u16, ttl: u32, data });
const section = fc.array(record, { maxLength: 4 });
const message: fc.Arbitrary<Message> = fc.record({
  id: u16,
  flags: u16,
  questions: fc.array(fc.record({ name, type: u16, class: u16 }), { maxLength: 2 }),
  answers: section,
  authority: section,
  additional: section,
});

describe("the codec", () => {
  it("reads what it wrote, and writes that as the same bytes", () => {
    fc.assert(
      fc.property(message, (one) => {
        const bytes = encodeMessage(one);
        const again = decodeMessage(bytes);
        expect(again).toEqual(one);
        expect(encodeMessage(again)).toEqual(bytes);
      }),
      { numRuns: 300, seed: 11 },
    );
  });

  it("refuses every message that is cut off, and nothing but WireError comes of it", () => {
    fc.assert(
      fc.property(message, (one) => {
        const bytes = encodeMessage(one);
        for (let length = 0; length < bytes.length; length += 1 + (length >> 4)) {
          expect(() => decodeMessage(bytes.subarray(0, length))).toThrow(WireError);
        }
      }),
      { numRuns: 50, seed: 12 },
    );
  });

  it("compresses names, but for the target of an SRV record", () => {
    const zone = ["svc", "cluster", "local"];
    const bytes = encodeMessage({
      id: 1,
      flags: 0,
      questions: [{ name: zone, type: 1, class: 1 }],
      answers: [
        { name: zone, class: 1, ttl: 5, data: { kind: "CNAME", target: ["a", ...zone] } },
        { name: zone, class: 1, ttl: 5, data: { kind: "SRV", priority: 0, weight: 0, port: 1, target: zone } },
      ],
      authority: [],
      additional: [],
    });
    const whole = 1 + 3 + 1 + 7 + 1 + 5 + 1;
    expect(bytes.length).toBe(12 + whole + 4 + (2 + 10 + 4) + (2 + 10 + 6 + whole));
  });

  it("refuses a message that has no room", () => {
    const one = { id: 1, flags: 0, questions: [], answers: [], authority: [], additional: [] };
    const answer: ResourceRecord = { name: [], class: 1, ttl: 5, data: { kind: "TXT", texts: ["x".repeat(255)] } };
    expect(() => encodeMessage({ ...one, answers: [answer, answer] }, 512)).toThrow(
      expect.objectContaining({ code: "DNS_WIRE" }),
    );
  });
});

describe("names", () => {
  const bytes = (...parts: readonly (number | string)[]): Buffer =>
    Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.from([part]) : Buffer.from(part, "latin1"))));

  it.each([
    ["a pointer to itself", bytes(0xc0, 0), 0],
    ["a pointer forward", bytes(0xc0, 2, 1, "a", 0), 0],
    ["two pointers in a circle", bytes(0xc0, 2, 0xc0, 0), 2],
    ["a pointer into its own labels", bytes(1, "a", 0xc0, 0), 0],
    ["a label of 64 bytes", bytes(0x40, "a".repeat(64), 0), 0],
    ["a name of 256 bytes", bytes(...Array.from({ length: 4 }, () => [63, "a".repeat(63)]).flat(), 0), 0],
    ["no end", bytes(1, "a"), 0],
    ["half a pointer", bytes(0xc0), 0],
  ])("are refused with %s", (_what, wire, offset) => {
    expect(() => decodeName(wire, offset)).toThrow(expect.objectContaining({ code: "DNS_WIRE" }));
  });

  it("follow pointers backwards, and end where the first one stands", () => {
    const wire = bytes(1, "b", 0, 1, "a", 0xc0, 0, 7);
    expect(decodeName(wire, 3)).toEqual({ name: ["a", "b"], end: 7 });
    expect(skipName(wire, 3)).toBe(7);
  });

  it("are read from text", () => {
    expect(parseName("a.b.")).toEqual(["a", "b"]);
    expect(parseName(".")).toEqual([]);
    for (const wrong of ["a..b", ".a", "x".repeat(64), Array.from({ length: 64 }, () => "abc").join(".")]) {
      expect(() => parseName(wrong)).toThrow(WireError);
    }
  });
});

describe("queries", () => {
  const base = encodeMessage({
    id: 1,
    flags: 0x0100,
    questions: [{ name: ["a"], type: 1, class: 1 }],
    answers: [],
    authority: [],
    additional: [],
  });
  const opt = Buffer.from([0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0]);
  const withOpts = (count: number): Buffer => {
    const bytes = Buffer.concat([base, ...Array.from({ length: count }, () => opt)]);
    bytes.writeUInt16BE(count, 10);
    return bytes;
  };

  it("tell the room that they offer", () => {
    expect(readQuery(base)).toMatchObject({ room: -1, type: 1, class: 1, nameEnd: 15 });
    expect(readQuery(withOpts(1))).toMatchObject({ room: 4096, version: 0 });
  });

  it("may have one OPT record and one question", () => {
    expect(() => readQuery(withOpts(2))).toThrow(WireError);
    const two = Buffer.from(base);
    two.writeUInt16BE(2, 4);
    expect(() => readQuery(two)).toThrow(WireError);
  });
});
