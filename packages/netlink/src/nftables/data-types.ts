/**
 * Types of what sets and maps hold. The kernel sees bytes only; the numbers of the types are for programs that list a table, and `nft`
 * 1.0.6 aborts where they are wrong.
 */
import { familyOf, type IpAddress, IpFamily } from "@fairlead/types";
import { NetlinkDecodeError, NetlinkEncodeError } from "../errors.ts";
import { readAddress, writeAddress } from "../wire/address-bytes.ts";

/** Most bytes of a key or a value in the kernel. */
const maxKeyBytes = 64;

/** Bits of one type's number in the number of a concatenation, and how many types fit. */
const typeBits = 6;
const maxConcatenated = 5;

/** Byte order as the user data of sets has it; 0 where there is none, as for concatenations. */
const Order = { host: 1, network: 2 } as const;

/** A type of nft's language. `V` is what it looks like here. */
export interface NftDataType<V> {
  /** Its name in nft's language. */
  readonly name: string;
  /** Its number, as KEY_TYPE or DATA_TYPE. */
  readonly number: number;
  /** Bytes of a value; within a concatenation it is filled up to a multiple of 4. */
  readonly bytes: number;
  /** What user data says about the byte order; concatenations say nothing. */
  readonly order: 0 | (typeof Order)[keyof typeof Order];
  /** For concatenations: bytes of each field, without padding. */
  readonly fields?: readonly number[];
  write(value: V, into: Uint8Array, at: number): void;
  read(from: Uint8Array, at: number): V;
}

function scalar(name: string, number: number, bytes: 1 | 2 | 4, order: 1 | 2): NftDataType<number> {
  const host = order === Order.host;
  return {
    name,
    number,
    bytes,
    order,
    write(value, into, at) {
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * bytes)) {
        throw new NetlinkEncodeError(`${value} is no ${name}`);
      }
      for (let index = 0; index < bytes; index++) {
        into[at + index] = value >>> (8 * (host ? index : bytes - 1 - index));
      }
    },
    read(from, at) {
      let value = 0;
      for (let index = 0; index < bytes; index++) {
        value = value * 256 + (from[host ? at + bytes - 1 - index : at + index] ?? 0);
      }
      return value;
    },
  };
}

function address(name: string, number: number, family: IpFamily): NftDataType<IpAddress> {
  const bytes = family === IpFamily.v4 ? 4 : 16;
  return {
    name,
    number,
    bytes,
    order: Order.network,
    write(value, into, at) {
      if (familyOf(value) !== family) throw new NetlinkEncodeError(`${value} is no ${name}`);
      writeAddress(value, into, at);
    },
    read: (from, at) => readAddress(from, at, family),
  };
}

/** Types of single values. */
export const ipv4Address = address("ipv4_addr", 7, IpFamily.v4);
export const ipv6Address = address("ipv6_addr", 8, IpFamily.v6);
export const inetProtocol = scalar("inet_proto", 12, 1, Order.network);
export const inetService = scalar("inet_service", 13, 2, Order.network);
export const mark = scalar("mark", 19, 4, Order.host);
/** The class of a packet's queue, `meta priority`. */
export const classId = scalar("classid", 23, 4, Order.host);
/** An index of an interface. */
export const interfaceIndex = scalar("iface_index", 20, 4, Order.host);

/** A name of an interface. */
export const interfaceName: NftDataType<string> = {
  name: "ifname",
  number: 41,
  bytes: 16,
  order: Order.host,
  write(value, into, at) {
    if (value === "" || Buffer.byteLength(value) > 15 || value.includes("\0")) {
      throw new NetlinkEncodeError(`${JSON.stringify(value)} is no name of an interface`);
    }
    into.fill(0, at, at + 16);
    into.set(Buffer.from(value), at);
  },
  read(from, at) {
    const text = Buffer.from(from.buffer, from.byteOffset + at, 16);
    const zero = text.indexOf(0);
    return text.toString("utf8", 0, zero === -1 ? 16 : zero);
  },
};

/** Several values one after the other, `a . b . c` in nft's language. */
export function concatenation<const T extends readonly NftDataType<unknown>[]>(
  ...types: T
): NftDataType<{ readonly [I in keyof T]: T[I] extends NftDataType<infer V> ? V : never }> {
  const bytes = types.reduce((sum, type) => sum + padded(type.bytes), 0);
  if (types.length < 2 || types.length > maxConcatenated || bytes > maxKeyBytes) {
    throw new NetlinkEncodeError(`2 to ${maxConcatenated} types of ${maxKeyBytes} bytes together can be concatenated`);
  }
  return {
    name: types.map((type) => type.name).join(" . "),
    number: types.reduce((number, type) => number * 2 ** typeBits + type.number, 0),
    bytes,
    order: 0,
    fields: types.map((type) => type.bytes),
    write(values, into, at) {
      let offset = at;
      types.forEach((type, index) => {
        type.write(values[index], into, offset);
        offset += padded(type.bytes);
      });
    },
    read(from, at) {
      let offset = at;
      const values = types.map((type) => {
        const value = type.read(from, offset);
        offset += padded(type.bytes);
        return value;
      });
      return values as unknown as { readonly [I in keyof T]: T[I] extends NftDataType<infer V> ? V : never };
    },
  };
}

/** A value as the bytes of a key or of data. */
export function encodeValue<V>(type: NftDataType<V>, value: V): Uint8Array {
  const into = new Uint8Array(type.bytes);
  type.write(value, into, 0);
  return into;
}

/** Inverse of {@link encodeValue}; throws {@link NetlinkDecodeError} where the length is not the type's. */
export function decodeValue<V>(type: NftDataType<V>, bytes: Uint8Array): V {
  if (bytes.length !== type.bytes) {
    throw new NetlinkDecodeError(0, `a ${type.name} has ${type.bytes} bytes, not ${bytes.length}`);
  }
  return type.read(bytes, 0);
}

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}
