import { describe, expect, test } from "vitest";
import { eachAttribute } from "../src/wire/attribute-table.ts";
import { type MessageView, readMessage, readMessages, writeMessage } from "../src/wire/message.ts";
import { NetlinkWriter } from "../src/wire/netlink-writer.ts";
import { bytesOf, goldens } from "./support/goldens.ts";
import { type AnyLayout, layoutOf, layouts } from "./support/layouts.ts";

const messages = goldens.flatMap((golden) =>
  readMessages(Buffer.from(golden.hex, "hex")).map((message) => ({ golden, message })),
);

/** Keys of attributes that no table knows, anywhere in a value. */
function unknownIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([key, inner]) => [
    ...(key.startsWith("#") ? [key] : []),
    ...unknownIn(inner),
    ...(key === "called" ? [String(inner)] : []),
  ]);
}

/** The message, read and written, without the padding after it. */
function rewritten(layout: AnyLayout, message: MessageView): Buffer {
  const writer = new NetlinkWriter();
  writeMessage(writer, layout, { ...message, sequence: 0 }, readMessage(layout, message));
  return writer.bytes().subarray(0, writer.bytes().readUInt32LE(0));
}

/** Bytes up to the end of the last attribute's value: some programs leave anything in the padding after it. */
function usedBytes(layout: AnyLayout, { source, start, end }: MessageView): number {
  let used = start + layout.header.bytes;
  eachAttribute(source, used, end, (_type, _from, to) => {
    used = to;
  });
  return used - start + 16;
}

describe("messages of nft, ip, conntrack, ipvsadm and the kernel", () => {
  test("there are goldens of every family, in both directions", () => {
    const kinds = new Set(goldens.map(({ family, direction }) => `${family} ${direction}`));
    expect([...kinds].sort()).toEqual([
      "conntrack answer",
      "conntrack request",
      "ipvs answer",
      "ipvs request",
      "nftables answer",
      "nftables request",
      "route answer",
      "route request",
    ]);
    expect(messages.length).toBeGreaterThan(200);
  });

  test("of programs are written again byte for byte", () => {
    const requests = messages.filter(({ golden }) => golden.direction === "request");
    for (const { golden, message } of requests) {
      const layout = layoutOf(golden.family, message);
      if (layout === undefined) continue;
      const used = 2 * usedBytes(layout, message);
      const written = rewritten(layout, message).toString("hex");
      expect(written.length, golden.command).toBe(bytesOf(message).length);
      expect(written.slice(0, used), golden.command).toBe(bytesOf(message).slice(0, used));
    }
  });

  test("of the kernel are written again with the same meaning, and the same size but for texts of links", () => {
    // The kernel leaves the bit out that says that an attribute is nested, where programs set it.
    const answers = messages.filter(({ golden }) => golden.direction === "answer");
    for (const { golden, message } of answers) {
      const layout = layoutOf(golden.family, message);
      if (layout === undefined) continue;
      const written = rewritten(layout, message);
      const [again] = readMessages(written);
      expect(readMessage(layout, again as MessageView), golden.command).toEqual(readMessage(layout, message));
      if (layout !== layouts.link) expect(written.length, golden.command).toBe(message.end - message.start + 16);
    }
  });

  test("cover every layout", () => {
    const seen = new Set(messages.map(({ golden, message }) => layoutOf(golden.family, message)));
    const missing = Object.entries(layouts).filter(([, layout]) => !seen.has(layout));
    expect(missing.map(([name]) => name)).toEqual([]);
  });

  test("of nf_tables, connection tracking and IPVS hold no attribute and no expression that is not known", () => {
    for (const { golden, message } of messages) {
      const layout = golden.family === "route" ? undefined : layoutOf(golden.family, message);
      if (layout === undefined) continue;
      expect(unknownIn(readMessage(layout, message).attributes), `${golden.direction} of ${golden.command}`).toEqual(
        [],
      );
    }
  });
});
