/** What elements of sets hold, as bytes and back. */
import type { Protocol } from "@fairlead/types";

/** Numbers of IP. */
export const protocolNumbers: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** A number as `meta priority` and the mark have it: 4 bytes in the machine's order. */
export function word(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}

/** Inverse of {@link word}. */
export function wordAt(bytes: Uint8Array, at = 0): number {
  return (
    ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0
  );
}

/** Node's own way from bytes to latin1, which takes any bytes: a Buffer of each key would cost more than all the rest. */
const ofBytes = Buffer.prototype as unknown as { latin1Slice(this: Uint8Array, start: number, end: number): string };

/** Bytes as a text, for keys of Maps: equal bytes are equal texts. */
export function textOf(bytes: Uint8Array): string {
  return ofBytes.latin1Slice.call(bytes, 0, bytes.length);
}

/** Two numbers one after the other, as a key of `endpoints`. */
export function words(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(8);
  bytes.set(word(first));
  bytes.set(word(second), 4);
  return bytes;
}
