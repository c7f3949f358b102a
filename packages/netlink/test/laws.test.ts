import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NetlinkDecodeError, NetlinkEncodeError } from "../src/errors.ts";
import {
  ControlType,
  type MessageView,
  messageHeaderBytes,
  readAcknowledgement,
  readMessage,
  readMessages,
  writeMessage,
} from "../src/wire/message.ts";
import type { NftTable } from "../src/nftables/layouts.ts";
import { NetlinkWriter } from "../src/wire/netlink-writer.ts";
import { arbitraryContent } from "./support/arbitraries.ts";
import { goldens } from "./support/goldens.ts";
import { type AnyLayout, layoutOf, layouts } from "./support/layouts.ts";

/** Random and truncated inputs; FAIRLEAD_NETLINK_FUZZ=100000 is the long run. */
const fuzzRuns = Number(process.env["FAIRLEAD_NETLINK_FUZZ"] ?? 3_000);

function write(layout: AnyLayout, content: { header: unknown; attributes: unknown }): Buffer {
  const writer = new NetlinkWriter();
  writeMessage(writer, layout, { type: 0x20, flags: 1, sequence: 7 }, content);
  return Buffer.from(writer.bytes());
}

/** Reads everything in some bytes as anything that it may be; returns what it threw that was no NetlinkDecodeError at an offset within. */
function strangeErrors(source: Buffer, layout: AnyLayout): unknown[] {
  const strange: unknown[] = [];
  const refusedOnly = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      const fine = error instanceof NetlinkDecodeError && error.offset >= 0 && error.offset <= source.length;
      if (!fine) strange.push(error);
    }
  };
  refusedOnly(() => {
    for (const message of readMessages(source)) {
      refusedOnly(() => readMessage(layout, message));
      refusedOnly(() => readAcknowledgement(message));
    }
  });
  const whole: MessageView = {
    type: ControlType.ERROR,
    flags: 0x200,
    sequence: 0,
    port: 0,
    source,
    start: 0,
    end: source.length,
  };
  refusedOnly(() => readMessage(layout, whole));
  refusedOnly(() => readAcknowledgement(whole));
  return strange;
}

describe.each(Object.entries(layouts))("messages of %s", (_name, layout: AnyLayout) => {
  const content = arbitraryContent(layout);

  test("are read as they were written, and written as they were read", () => {
    fc.assert(
      fc.property(content, (given) => {
        const bytes = write(layout, given);
        const [message] = readMessages(bytes);
        expect(message).toMatchObject({ type: 0x20, flags: 1, sequence: 7, port: 0 });
        const read = readMessage(layout, message as MessageView);
        expect(read).toEqual(given);
        expect(write(layout, read)).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  test("that are cut off are refused, and nothing beyond them is read", () => {
    fc.assert(
      fc.property(content, fc.nat(), (given, cut) => {
        const bytes = write(layout, given);
        const shorter = bytes.subarray(0, cut % bytes.length);
        if (shorter.length > 0) expect(() => readMessages(shorter)).toThrow(NetlinkDecodeError);
        // The same with a header that fits what is left, and other bytes behind it.
        const framed = Buffer.concat([shorter, Buffer.alloc(64, 0xff)]);
        if (shorter.length >= messageHeaderBytes) {
          framed.writeUInt32LE(shorter.length, 0);
          expect(strangeErrors(framed.subarray(0, shorter.length), layout)).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  });
});

test("random bytes and damaged messages are read or refused, without any other error and without an end to it", () => {
  const all = Object.values(layouts) as readonly AnyLayout[];
  const samples = goldens.map(({ hex, family }) => ({ bytes: Buffer.from(hex, "hex"), family }));
  const damaged = fc
    .tuple(
      fc.constantFrom(...samples),
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      fc.nat(),
    )
    .map(([{ bytes, family }, changes, cut]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      const [first] = readMessages(bytes);
      const layout = (first === undefined ? undefined : layoutOf(family, first)) ?? layouts.rule;
      return { source: cut % 3 === 0 ? copy.subarray(0, cut % copy.length) : copy, layout };
    });
  const random = fc
    .tuple(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(...all))
    .map(([bytes, layout]) => ({ source: Buffer.from(bytes), layout }));
  fc.assert(
    fc.property(fc.oneof(damaged, random), ({ source, layout }) => {
      expect(strangeErrors(source, layout)).toEqual([]);
    }),
    { numRuns: fuzzRuns },
  );
}, 600_000);

describe("a writer whose memory has to grow", () => {
  test.for<[string, (writer: NetlinkWriter) => void, string]>([
    ["u8", (writer) => writer.u8(0xab), "ab"],
    ["u16", (writer) => writer.u16(0xabcd), "cdab"],
    ["u16BE", (writer) => writer.u16BE(0xabcd), "abcd"],
    ["u32", (writer) => writer.u32(0xabcd_ef01), "01efcdab"],
    ["u32BE", (writer) => writer.u32BE(0xabcd_ef01), "abcdef01"],
    ["i32", (writer) => writer.i32(-2), "feffffff"],
    ["i32BE", (writer) => writer.i32BE(-2), "fffffffe"],
    ["u64", (writer) => writer.u64(0xabn), "ab00000000000000"],
    ["u64BE", (writer) => writer.u64BE(0xabn), "00000000000000ab"],
    ["a few bytes", (writer) => writer.raw(Buffer.from("abcdef", "hex")), "abcdef"],
    ["many bytes", (writer) => writer.raw(Buffer.alloc(40, 0xab)), "ab".repeat(40)],
    ["a text", (writer) => writer.zeroTerminated("xyz"), "78797a00"],
  ])("loses nothing of %s, wherever the memory ends", ([, write, hex]) => {
    const bytes = hex.length / 2;
    // The first memory has 4,096 bytes; it ends before, in and after what is written.
    for (let left = 0; left <= bytes; left++) {
      const writer = new NetlinkWriter();
      writer.raw(new Uint8Array(4_096 - left));
      write(writer);
      expect(writer.bytes().toString("hex", 4_096 - left), `with ${left} bytes left`).toBe(hex);
    }
  });
});

describe("what does not fit the wire", () => {
  const writer = new NetlinkWriter();

  test.for<[string, () => void]>([
    ["a number beyond its bits", () => writer.u16(0x1_0000)],
    ["a negative number where there are none", () => writer.u32BE(-1)],
    ["a fraction", () => writer.u8(1.5)],
    ["a number beyond 64 bits", () => writer.u64BE(2n ** 64n)],
    ["a text with a zero byte", () => writer.zeroTerminated("a\0b")],
    [
      "an attribute that the table does not know",
      () => layouts.table.attributes.write(writer, JSON.parse(`{"nme":"x"}`) as NftTable),
    ],
    [
      "an attribute longer than its length can say",
      () => layouts.link.attributes.write(writer, { alias: "x".repeat(0xffff) }),
    ],
  ])("%s is refused", ([, write]) => {
    expect(write).toThrow(NetlinkEncodeError);
  });
});
