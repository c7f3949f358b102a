/** Resource records: the kinds that are made here, and everything else as bytes. */
import { addressToBigInt, bigIntToAddress, familyOf, IpFamily } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import { RecordType } from "./constants.ts";
import { decodeName } from "./name.ts";
import type { Name } from "./name.ts";
import { WireError } from "./wire-error.ts";

/** Data of a record, told apart by `kind`. */
export type RecordData =
  | { readonly kind: "A" | "AAAA"; readonly address: IpAddress }
  | { readonly kind: "CNAME" | "NS" | "PTR"; readonly target: Name }
  | {
      readonly kind: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: Name;
    }
  | { readonly kind: "TXT"; readonly texts: readonly string[] }
  | {
      readonly kind: "SOA";
      readonly mname: Name;
      readonly rname: Name;
      readonly serial: number;
      readonly refresh: number;
      readonly retry: number;
      readonly expire: number;
      readonly minimum: number;
    }
  | { readonly kind: "raw"; readonly type: number; readonly bytes: Buffer };

/** A record of class IN unless told; `ttl` in seconds. Of an OPT record class and TTL mean other things (RFC 6891). */
export interface ResourceRecord {
  readonly name: Name;
  readonly class: number;
  readonly ttl: number;
  readonly data: RecordData;
}

/** The number of a record's type. */
export function typeOf(data: RecordData): number {
  return data.kind === "raw" ? data.type : RecordType[data.kind];
}

/** An address record of the address's own family. */
export function addressData(address: IpAddress): RecordData {
  return { kind: familyOf(address) === IpFamily.v4 ? "A" : "AAAA", address };
}

/** Reads a record's data; throws {@link WireError} if it does not fit its type. Types without a kind come as bytes. */
export function decodeData(bytes: Buffer, type: number, offset: number, end: number): RecordData {
  const exact = (at: number): void => {
    if (at !== end) throw new WireError("a record's data has another length than its type", offset);
  };
  switch (type) {
    case RecordType.A:
      exact(offset + 4);
      return {
        kind: "A",
        address: `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}` as IpAddress,
      };
    case RecordType.AAAA: {
      exact(offset + 16);
      const value = BigInt(`0x${bytes.toString("hex", offset, end)}`);
      return { kind: "AAAA", address: bigIntToAddress(value, IpFamily.v6) };
    }
    case RecordType.CNAME:
    case RecordType.NS:
    case RecordType.PTR: {
      const target = decodeName(bytes, offset);
      exact(target.end);
      const kind = type === RecordType.CNAME ? "CNAME" : type === RecordType.NS ? "NS" : "PTR";
      return { kind, target: target.name };
    }
    case RecordType.SRV: {
      if (offset + 7 > end) throw new WireError("an SRV record is cut off", offset);
      const target = decodeName(bytes, offset + 6);
      exact(target.end);
      return {
        kind: "SRV",
        priority: bytes.readUInt16BE(offset),
        weight: bytes.readUInt16BE(offset + 2),
        port: bytes.readUInt16BE(offset + 4),
        target: target.name,
      };
    }
    case RecordType.TXT: {
      const texts: string[] = [];
      let at = offset;
      while (at < end) {
        const size = bytes[at] ?? 0;
        if (at + 1 + size > end) throw new WireError("a text is cut off", at);
        texts.push(bytes.toString("latin1", at + 1, at + 1 + size));
        at += 1 + size;
      }
      return { kind: "TXT", texts };
    }
    case RecordType.SOA: {
      const mname = decodeName(bytes, offset);
      const rname = decodeName(bytes, mname.end);
      exact(rname.end + 20);
      const number = (index: number): number => bytes.readUInt32BE(rname.end + 4 * index);
      return {
        kind: "SOA",
        mname: mname.name,
        rname: rname.name,
        serial: number(0),
        refresh: number(1),
        retry: number(2),
        expire: number(3),
        minimum: number(4),
      };
    }
    default:
      return { kind: "raw", type, bytes: Buffer.from(bytes.subarray(offset, end)) };
  }
}

/** The bytes of an address. */
export function addressBytes(address: IpAddress): Buffer {
  if (familyOf(address) === IpFamily.v4) return Buffer.from(address.split(".").map(Number));
  return Buffer.from(addressToBigInt(address).toString(16).padStart(32, "0"), "hex");
}
