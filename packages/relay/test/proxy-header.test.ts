import { describe, expect, it } from "vitest";
import { MAX_PROXY_HEADER_BYTES, parseProxyHeader, proxyHeaderLine } from "../src/proxy-header/header.ts";

const signature = "0d0a0d0a000d0a515549540a";

function binary(command: number, family: number, hex: string): Buffer {
  const length = (hex.length / 2).toString(16).padStart(4, "0");
  const head = [command, family].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return Buffer.from(signature + head + length + hex, "hex");
}

const v4 = { address: "192.0.2.7", port: 40_000, destination: "192.0.2.1", destinationPort: 443 };
const v6 = { address: "2001:db8::7", port: 40_000, destination: "2001:db8::1", destinationPort: 443 };
const complete: [name: string, header: Buffer, ends: object | undefined][] = [
  ["version 1, IPv4", Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"), v4],
  ["version 1, IPv6", Buffer.from("PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n"), v6],
  ["version 1, unknown", Buffer.from("PROXY UNKNOWN\r\n"), undefined],
  ["version 1, unknown with ends", Buffer.from("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), undefined],
  ["version 2, IPv4", binary(0x21, 0x11, "c0000207c00002019c4001bb"), v4],
  ["version 2, IPv4 and more", binary(0x21, 0x11, "c0000207c00002019c4001bb0400020102"), v4],
  [
    "version 2, IPv6",
    binary(0x21, 0x21, "20010db800000000000000000000000720010db80000000000000000000000019c4001bb"),
    v6,
  ],
  ["version 2, local", binary(0x20, 0x11, "c0000207c00002019c4001bb"), undefined],
  ["version 2, a Unix socket", binary(0x21, 0x31, "00".repeat(216)), undefined],
];

describe("a PROXY header", () => {
  it.each(complete)("of %s is read, and what follows is left", (_, header, ends) => {
    const found = parseProxyHeader(Buffer.concat([header, Buffer.from("PROXY")]));
    expect(found).toEqual({ kind: "complete", length: header.length, ...(ends === undefined ? {} : { ends }) });
  });

  it.each(complete)("of %s that comes in pieces is complete with its last byte", (_, header) => {
    for (let length = 0; length < header.length; length += 1) {
      expect(parseProxyHeader(header.subarray(0, length)).kind).toBe("incomplete");
    }
    expect(parseProxyHeader(header).kind).toBe("complete");
  });

  it.each<[string, Buffer]>([
    ["is none", Buffer.from("GET / HTTP/1.1\r\n")],
    ["begins right and goes on wrong", Buffer.from("PROXX")],
    ["has another family", Buffer.from("PROXY UDP4 192.0.2.7 192.0.2.1 40000 443\r\n")],
    ["has an address of another family", Buffer.from("PROXY TCP4 ::1 192.0.2.1 40000 443\r\n")],
    ["has no address", Buffer.from("PROXY TCP4 example.org 192.0.2.1 40000 443\r\n")],
    ["has an address with a scope", Buffer.from("PROXY TCP6 fe80::1%lo ::1 40000 443\r\n")],
    ["has a port that is none", Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.1 70000 443\r\n")],
    ["has a port with a zero in front", Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.1 0443 443\r\n")],
    ["has a word too many", Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.1 40000 443 x\r\n")],
    ["is a line without end", Buffer.from(`PROXY TCP4 ${"1".repeat(100)}`)],
    ["is of version 3", binary(0x31, 0x11, "c0000207c00002019c4001bb")],
    ["has a command that is none", binary(0x22, 0x11, "c0000207c00002019c4001bb")],
    ["is too short for its addresses", binary(0x21, 0x11, "c0000207c0000201")],
    ["is too long", binary(0x21, 0x00, "00".repeat(MAX_PROXY_HEADER_BYTES))],
  ])("that %s is refused", (_, header) => {
    expect(parseProxyHeader(header)).toEqual({ kind: "wrong" });
  });

  it.each([v4, v6])("that is written can be read: %j", (ends) => {
    expect(parseProxyHeader(Buffer.from(proxyHeaderLine(ends)))).toMatchObject({ ends });
  });

  it("says that ends of two families are unknown", () => {
    expect(proxyHeaderLine({ ...v4, destination: "::1" })).toBe("PROXY UNKNOWN\r\n");
  });
});
