/**
 * What one attribute holds, and how it is written and read. A family's attributes are described once, as a table of numbers and these;
 * types, both directions and the tests' arbitrary values follow from the description.
 */
import { NetlinkDecodeError } from "../errors.ts";
import type { NetlinkWriter } from "./netlink-writer.ts";

/** Flag bits beside an attribute's number. */
export const AttributeFlag = { NESTED: 0x8000, NET_BYTE_ORDER: 0x4000 } as const;

/** Bits of an attribute's number itself. */
export const attributeTypeMask = 0x3fff;

/** How a value looks, for tests that make arbitrary ones. */
export type Shape =
  | { readonly kind: "integer"; readonly min: number; readonly max: number }
  | { readonly kind: "bigint" }
  | { readonly kind: "text" }
  | { readonly kind: "flag" }
  | { readonly kind: "bytes"; readonly min: number; readonly max: number }
  | { readonly kind: "table"; readonly fields: Readonly<Record<string, readonly [number, AttributeCodec<unknown>]>> }
  | { readonly kind: "list"; readonly item: AttributeCodec<unknown> }
  | { readonly kind: "choice"; readonly key: string; readonly of: Readonly<Record<string, AttributeCodec<unknown>>> };

/** Writes and reads the payload of an attribute. */
export interface AttributeCodec<V> {
  /** Flag bits that are written beside the attribute's number. */
  readonly flags: number;
  readonly shape: Shape;
  write(writer: NetlinkWriter, value: V): void;
  /** Reads `source` from `start` up to `end`, and nothing beyond; throws {@link NetlinkDecodeError}. The value holds no part of `source`. */
  read(source: Buffer, start: number, end: number): V;
}

/** The type of value that a codec stands for. */
export type ValueOf<C> = C extends AttributeCodec<infer V> ? V : never;

function exactly(start: number, end: number, bytes: number): void {
  if (end - start !== bytes) throw new NetlinkDecodeError(start, `${bytes} bytes belong here, not ${end - start}`);
}

function integer(
  bytes: number,
  [min, max]: readonly [number, number],
  write: (writer: NetlinkWriter, value: number) => void,
  read: (source: Buffer, at: number) => number,
): AttributeCodec<number> {
  return {
    flags: 0,
    shape: { kind: "integer", min, max },
    write,
    read(source, start, end) {
      exactly(start, end, bytes);
      return read(source, start);
    },
  };
}

const unsigned32 = [0, 0xffff_ffff] as const;
const signed32 = [-0x8000_0000, 0x7fff_ffff] as const;

/** Integers, in the host's byte order or (BE) the network's. */
export const u8 = integer(
  1,
  [0, 0xff],
  (writer, value) => writer.u8(value),
  (source, at) => source.readUInt8(at),
);
export const u16 = integer(
  2,
  [0, 0xffff],
  (writer, value) => writer.u16(value),
  (source, at) => source.readUInt16LE(at),
);
export const u16BE = integer(
  2,
  [0, 0xffff],
  (writer, value) => writer.u16BE(value),
  (source, at) => source.readUInt16BE(at),
);
export const u32 = integer(
  4,
  unsigned32,
  (writer, value) => writer.u32(value),
  (source, at) => source.readUInt32LE(at),
);
export const u32BE = integer(
  4,
  unsigned32,
  (writer, value) => writer.u32BE(value),
  (source, at) => source.readUInt32BE(at),
);
export const i32 = integer(
  4,
  signed32,
  (writer, value) => writer.i32(value),
  (source, at) => source.readInt32LE(at),
);
export const i32BE = integer(
  4,
  signed32,
  (writer, value) => writer.i32BE(value),
  (source, at) => source.readInt32BE(at),
);

function integer64(
  write: (writer: NetlinkWriter, value: bigint) => void,
  read: (source: Buffer, at: number) => bigint,
): AttributeCodec<bigint> {
  return {
    flags: 0,
    shape: { kind: "bigint" },
    write,
    read(source, start, end) {
      exactly(start, end, 8);
      return read(source, start);
    },
  };
}

/** 64-bit unsigned integers. */
export const u64 = integer64(
  (writer, value) => writer.u64(value),
  (source, at) => source.readBigUInt64LE(at),
);
export const u64BE = integer64(
  (writer, value) => writer.u64BE(value),
  (source, at) => source.readBigUInt64BE(at),
);

function readText(source: Buffer, start: number, end: number): string {
  const zero = source.indexOf(0, start);
  return source.toString("utf8", start, zero === -1 || zero > end ? end : zero);
}

/** A text, written with a zero byte at its end; read up to the first zero byte, if there is one. */
export const zeroTerminated: AttributeCodec<string> = {
  flags: 0,
  shape: { kind: "text" },
  write: (writer, value) => writer.zeroTerminated(value),
  read: readText,
};

/** A text, written without a zero byte; read up to the first zero byte, if there is one. */
export const text: AttributeCodec<string> = {
  flags: 0,
  shape: { kind: "text" },
  write: (writer, value) => writer.text(value),
  read: readText,
};

/** An attribute that says all by being there. */
export const flag: AttributeCodec<true> = {
  flags: 0,
  shape: { kind: "flag" },
  write: () => undefined,
  read(_source, start, end) {
    exactly(start, end, 0);
    return true;
  },
};

/** From `min` to `max` bytes of any meaning, copied when they are read. */
export function bytes(min = 0, max = 0xffff): AttributeCodec<Uint8Array> {
  return {
    flags: 0,
    shape: { kind: "bytes", min, max },
    write: (writer, value) => writer.raw(value),
    read(source, start, end) {
      if (end - start < min || end - start > max) {
        throw new NetlinkDecodeError(start, `${min} to ${max} bytes belong here, not ${end - start}`);
      }
      return copyOf(source, start, end);
    },
  };
}

/** A copy of some bytes that holds no part of where they come from. */
export function copyOf(source: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(source.subarray(start, end));
}
