import { headers } from "@nats-io/transport-node";
import { nodeFeedKey } from "@fairlead/types";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changeOf } from "../src/feed-state.ts";
import {
  changeMessage,
  isFeedKey,
  readHeartbeat,
  readLivePut,
  readMessage,
  readWriter,
  recordBody,
  WRITER_KEY,
} from "../src/nats/message.ts";
import { sampleNode } from "../src/testing.ts";

const place = { epoch: "e1", seq: 7, key: nodeFeedKey("a"), at: 1234 };
const putChange = changeOf({ ...place, value: sampleNode("a"), trigger: 5 });

describe("a message of the bucket", () => {
  it.each([
    ["a put", putChange],
    ["a put without a trigger", changeOf({ ...place, value: sampleNode("a"), trigger: undefined })],
    ["a delete", changeOf({ ...place, value: undefined, trigger: 9 })],
    ["a delete without a trigger", changeOf({ ...place, value: undefined, trigger: undefined })],
  ])("says the same when read: %s", (_, change) => {
    const read = readMessage({ key: change.key, seq: change.seq, ...changeMessage(change) });
    expect(read).toEqual({ kind: "change", seq: 7, epoch: "e1", change });
  });

  it("has no body where it deletes, and the header that key-value tools know", () => {
    const { data, headers: made } = changeMessage(changeOf({ ...place, value: undefined, trigger: undefined }));
    expect(data).toHaveLength(0);
    expect(made.get("KV-Operation")).toBe("DEL");
  });

  const { data, headers: good } = changeMessage(putChange);
  const text = new TextDecoder().decode(data);
  const bytes = (from: string, to: string): Uint8Array => new TextEncoder().encode(text.replace(from, to));
  it.each([
    ["stored under another key", { key: "node.b" }, "key"],
    ["stored at another place", { seq: 8 }, "seq"],
    ["of another epoch than its headers say", { data: bytes('"e1"', '"e2"') }, "epoch"],
    ["of another version", { data: bytes('"v":1', '"v":2') }, "v: must be 1"],
    ["cut short", { data: data.subarray(0, 40) }, "is not JSON"],
    ["from somebody else", { headers: headers() }, "Fairlead-Epoch"],
    ["without headers", { headers: undefined }, "Fairlead-Epoch"],
  ])("cannot be read when it is %s, and says why", (_, change, reason) => {
    const read = readMessage({ key: "node.a", seq: 7, data, headers: good, ...change });
    expect(read).toMatchObject({ kind: "unreadable" });
    expect(read.kind === "unreadable" && read.reason).toContain(reason);
  });

  it("has its place in the feed even where its body cannot be read", () => {
    const read = readMessage({ key: "node.a", seq: 7, data: new Uint8Array([1]), headers: good });
    expect(read).toMatchObject({ kind: "unreadable", epoch: "e1", seq: 7, key: "node.a", at: 1234 });
  });

  it("may be read from its body alone where it is a put of that key", () => {
    expect(readLivePut("node.a", data)).toEqual({ kind: "change", seq: 7, epoch: "e1", change: putChange });
    for (const [key, body] of [
      ["node.b", data],
      ["node.a", new Uint8Array()],
      ["node.a", data.subarray(0, 40)],
      [WRITER_KEY, data],
    ] as const) {
      expect(readLivePut(key, body)).toBeUndefined();
    }
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.boolean(),
        fc.constantFrom("node.a", WRITER_KEY, "x"),
        (data, ours, key) => {
          const read = readMessage({ key, seq: 1, data, headers: ours ? good : undefined });
          expect(["change", "unreadable", "writer"]).toContain(read.kind);
        },
      ),
    );
  });
});

describe("records", () => {
  const writer = { v: 1, epoch: "e1", writer: "w1", complete: true } as const;
  const beat = { v: 1, epoch: "e1", seq: 3, keys: 2, digest: 99 } as const;

  it("say the same when read", () => {
    expect(readWriter(recordBody(writer))).toEqual(writer);
    expect(readHeartbeat(recordBody(beat))).toEqual(beat);
    expect(readMessage({ key: WRITER_KEY, seq: 4, data: recordBody(writer), headers: undefined })).toEqual({
      kind: "writer",
      seq: 4,
      epoch: "e1",
      record: writer,
    });
  });

  it.each([
    ["epoch", { ...writer, epoch: "" }],
    ["writer", { ...writer, writer: 5 }],
    ["complete", { ...writer, complete: "yes" }],
    ["v", { ...writer, v: 2 }],
    ["message", null],
  ])("refuse a writer record and name the field: %s", (field, record) => {
    const data = new TextEncoder().encode(JSON.stringify(record));
    expect(() => readWriter(data)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field }));
  });

  it.each([
    ["seq", { ...beat, seq: -1 }],
    ["keys", { ...beat, keys: 1.5 }],
    ["digest", { ...beat, digest: "1" }],
    ["epoch", { ...beat, epoch: undefined }],
  ])("refuse a heartbeat and name the field: %s", (field, record) => {
    const data = new TextEncoder().encode(JSON.stringify(record));
    expect(() => readHeartbeat(data)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field }));
  });
});

describe("keys", () => {
  it.each(["service.default.web", "node.a.example.org", "slice.kube-system.dns-x7f", "namespace.a", "pod.a.b.c"])(
    "take %s",
    (key) => {
      expect(isFeedKey(key)).toBe(true);
    },
  );

  it.each([
    "",
    "node",
    "node.",
    "node..a",
    "event.default.a",
    WRITER_KEY,
    "node.a*",
    "node.>",
    "node.a b",
    "service.ns.ü",
  ])("refuse %j", (key) => {
    expect(isFeedKey(key)).toBe(false);
  });
});
