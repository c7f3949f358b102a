/**
 * The PROXY protocol (HAProxy's doc/proxy-protocol.txt): who a connection really comes from, said by a proxy before its first byte.
 * Reads versions 1 and 2, writes version 1. Pure.
 */
import { isIPv4, isIPv6 } from "node:net";
import { bigIntToAddress } from "@fairlead/types";

/** Longest header that is read, in bytes. Version 1 has at most 107; version 2 may carry much that nobody here reads. */
export const MAX_PROXY_HEADER_BYTES = 4_096;

/** Longest line of version 1, its end included, in bytes. */
const MAX_LINE_BYTES = 107;
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const lineStart = Buffer.from("PROXY ", "latin1");
const headBytes = 16;

/** Both ends of a connection as the client sees it. */
export interface ConnectionEnds {
  readonly address: string;
  readonly port: number;
  readonly destination: string;
  readonly destinationPort: number;
}

/** What some bytes begin with. A complete header without `ends` says nothing of the client: the connection's own ends count. */
export type ProxyHeader =
  | { readonly kind: "incomplete" }
  | { readonly kind: "wrong" }
  | { readonly kind: "complete"; readonly length: number; readonly ends?: ConnectionEnds };

const incomplete: ProxyHeader = { kind: "incomplete" };
const wrong: ProxyHeader = { kind: "wrong" };

/** Reads the header at the beginning of `bytes`, which are not kept. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (startsLike(bytes, lineStart)) return parseLine(bytes);
  return startsLike(bytes, signature) ? parseBinary(bytes) : wrong;
}

/** The header of version 1 for a connection; its ends are said to be unknown where they are not of one family. */
export function proxyHeaderLine({ address, port, destination, destinationPort }: ConnectionEnds): string {
  const family = isIPv4(address) && isIPv4(destination) ? "TCP4" : isIPv6(address) && isIPv6(destination) ? "TCP6" : "";
  if (family === "") return "PROXY UNKNOWN\r\n";
  return `PROXY ${family} ${address} ${destination} ${port} ${destinationPort}\r\n`;
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

function parseLine(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_LINE_BYTES).indexOf("\r\n");
  if (end === -1) return bytes.length < MAX_LINE_BYTES ? incomplete : wrong;
  const length = end + 2;
  const [, family, address = "", destination = "", port = "", destinationPort = "", ...more] = bytes
    .toString("latin1", 0, end)
    .split(" ");
  if (family === "UNKNOWN") return { kind: "complete", length };
  const isAddress = family === "TCP4" ? isIPv4 : family === "TCP6" ? isIPv6 : () => false;
  // An address with a scope is one of another machine's links.
  const plain = [address, destination].every((text) => isAddress(text) && !text.includes("%"));
  if (!plain || more.length > 0 || !isPort(port) || !isPort(destinationPort)) return wrong;
  const ends = { address, port: Number(port), destination, destinationPort: Number(destinationPort) };
  return { kind: "complete", length, ends };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function parseBinary(bytes: Buffer): ProxyHeader {
  if (bytes.length < headBytes) return incomplete;
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13);
  const length = headBytes + bytes.readUInt16BE(14);
  if ((command !== 0x20 && command !== 0x21) || length > MAX_PROXY_HEADER_BYTES) return wrong;
  if (bytes.length < length) return incomplete;
  // LOCAL is the proxy asking on its own behalf; what is not TCP over IP has no ends that could be passed on.
  const size = family === 0x11 ? 4 : family === 0x21 ? 16 : 0;
  if (command === 0x20 || size === 0) return { kind: "complete", length };
  if (length < headBytes + 2 * size + 4) return wrong;
  const address = (at: number): string =>
    bigIntToAddress(BigInt(`0x${bytes.toString("hex", at, at + size)}`), size === 4 ? "IPv4" : "IPv6");
  const ports = headBytes + 2 * size;
  const ends = {
    address: address(headBytes),
    port: bytes.readUInt16BE(ports),
    destination: address(headBytes + size),
    destinationPort: bytes.readUInt16BE(ports + 2),
  };
  return { kind: "complete", length, ends };
}
