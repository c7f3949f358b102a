/** Responses of other servers: checked, freed of what is between that server and us, and ready to be kept. */
import { Flag, headerBytes, Rcode, RecordType } from "../wire/constants.ts";
import { decodeName, lowerCase, nameText, skipName } from "../wire/name.ts";
import type { Question } from "../wire/message.ts";
import { WireError } from "../wire/wire-error.ts";

/** A response as it is kept. */
export interface Response {
  /** Without OPT record; the id is whatever it was. */
  readonly bytes: Buffer;
  readonly rcode: number;
  readonly truncated: boolean;
  /** Where the records' TTLs stand. */
  readonly ttlsAt: readonly number[];
  /** How long it may be kept by what its records say, in seconds; of one that says no, by its SOA record (RFC 2308); 0 if nothing says. */
  readonly ttl: number;
  /** Whether it holds no record in answer to the question. */
  readonly negative: boolean;
}

/** Whether these bytes answer this question under this id; of the name the case does not matter. */
export function answersTo(bytes: Buffer, id: number, question: Question): boolean {
  if (bytes.length < headerBytes || bytes.readUInt16BE(0) !== id || bytes.readUInt16BE(4) !== 1) return false;
  if ((bytes.readUInt16BE(2) & Flag.QR) === 0) return false;
  try {
    const { name, end } = decodeName(bytes, headerBytes);
    return (
      end + 4 <= bytes.length &&
      lowerCase(nameText(name)) === lowerCase(nameText(question.name)) &&
      bytes.readUInt16BE(end) === question.type &&
      bytes.readUInt16BE(end + 2) === question.class
    );
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

/** Reads a response with one question; throws {@link WireError}. */
export function readResponse(source: Buffer): Response {
  const flags = source.readUInt16BE(2);
  let rcode = flags & 15;
  let at = skipName(source, headerBytes) + 4;
  const ttlsAt: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  let denial: number | undefined;
  let cut = -1;
  let kept = 0;
  const answers = source.readUInt16BE(6);
  const authority = answers + source.readUInt16BE(8);
  const all = authority + source.readUInt16BE(10);
  for (let index = 0; index < all; index++) {
    const start = at;
    const end = skipName(source, at);
    if (end + 10 > source.length) throw new WireError("a record is cut off", at);
    const type = source.readUInt16BE(end);
    at = end + 10 + source.readUInt16BE(end + 8);
    if (at > source.length) throw new WireError("a record's data is cut off", end);
    if (type === RecordType.OPT) {
      rcode |= (source[end + 4] ?? 0) << 4;
      // It is nearly always the last one; what follows is only additional, and pointers must not shift.
      if (cut === -1) cut = start;
      continue;
    }
    if (cut !== -1) continue;
    const ttl = source.readUInt32BE(end + 4);
    ttlsAt.push(end + 4);
    if (index < authority) least = Math.min(least, ttl);
    if (type === RecordType.SOA && index >= answers && index < authority && at - 4 > end + 10) {
      denial = Math.min(ttl, source.readUInt32BE(at - 4));
    }
    if (index >= authority) kept += 1;
  }
  const bytes = Buffer.from(source.subarray(0, cut === -1 ? at : cut));
  if (cut !== -1) bytes.writeUInt16BE(kept, 10);
  const negative = rcode !== Rcode.NOERROR || answers === 0;
  // An alias whose target has no such record says both: neither may be kept for longer than its records allow.
  const longest = Math.min(least, denial ?? Number.POSITIVE_INFINITY);
  const ttl = negative ? (denial ?? 0) : Number.isFinite(longest) ? longest : 0;
  return { bytes, rcode, truncated: (flags & Flag.TC) !== 0, ttlsAt, ttl, negative };
}
