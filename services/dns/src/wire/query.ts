/**
 * A query as a server needs it: where its question ends, and what the client says of itself. Nothing is copied and no name is
 * made into text, as most queries are answered by looking their bytes up.
 */
import { headerBytes, RecordType } from "./constants.ts";
import { skipName } from "./name.ts";
import { WireError } from "./wire-error.ts";

/** See the module. */
export interface Query {
  /** Header's second word as sent. */
  readonly flags: number;
  /** Where the question's name ends; type and class follow. */
  readonly nameEnd: number;
  readonly type: number;
  readonly class: number;
  /** Room that an OPT record offers for answers over UDP, in bytes; -1 without one. */
  readonly room: number;
  /** EDNS version; 0 without an OPT record. */
  readonly version: number;
}

/** Opcode of a header's second word; 0 is a query. */
export function opcodeOf(flags: number): number {
  return (flags >> 11) & 15;
}

/**
 * Reads a query that has its header; throws {@link WireError} unless it holds one uncompressed question, no answer, and at
 * most one OPT record.
 */
export function readQuery(bytes: Buffer): Query {
  if (bytes.readUInt16BE(4) !== 1) throw new WireError("a query must have one question", 4);
  let at = headerBytes;
  for (let size = bytes[at]; size !== 0; size = bytes[at]) {
    if (size === undefined || size > 63) throw new WireError("the question's name is cut off or compressed", at);
    at += size + 1;
  }
  at += 1;
  if (at - headerBytes > 255 || at + 4 > bytes.length) throw new WireError("the question is cut off or too long", at);
  const query = {
    flags: bytes.readUInt16BE(2),
    nameEnd: at,
    type: bytes.readUInt16BE(at),
    class: bytes.readUInt16BE(at + 2),
  };
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  return records === 0 ? { ...query, room: -1, version: 0 } : { ...query, ...readRoom(bytes, at + 4, records) };
}

function readRoom(bytes: Buffer, offset: number, records: number): { room: number; version: number } {
  let at = offset;
  let found: { room: number; version: number } | undefined;
  for (let left = records; left > 0; left--) {
    const end = skipName(bytes, at);
    if (end + 10 > bytes.length) throw new WireError("a record is cut off", at);
    if (bytes.readUInt16BE(end) === RecordType.OPT) {
      if (found || end !== at + 1) throw new WireError("more than one OPT record, or one with a name", at);
      found = { room: bytes.readUInt16BE(end + 2), version: bytes[end + 5] ?? 0 };
    }
    at = end + 10 + bytes.readUInt16BE(end + 8);
    if (at > bytes.length) throw new WireError("a record's data is cut off", end);
  }
  return found ?? { room: -1, version: 0 };
}
