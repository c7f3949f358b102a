/** EDNS (RFC 6891): room for larger answers, and response codes from 16 on. */
import { RecordType } from "./constants.ts";

/** Size of an OPT record without options, in bytes. */
export const OPT_BYTES = 11;

/** Largest answer over UDP, in bytes, whatever the client offers: what passes every network unfragmented (DNS flag day 2020). */
export const MAX_UDP_BYTES = 1_232;

/** Largest answer over UDP to a client that says nothing of its room, in bytes (RFC 1035). */
export const MIN_UDP_BYTES = 512;

/** Writes an OPT record without options at `offset`; returns the offset after it. */
export function writeOpt(bytes: Buffer, offset: number, rcode: number): number {
  bytes[offset] = 0;
  bytes.writeUInt16BE(RecordType.OPT, offset + 1);
  bytes.writeUInt16BE(MAX_UDP_BYTES, offset + 3);
  bytes[offset + 5] = rcode >> 4;
  bytes.fill(0, offset + 6, offset + OPT_BYTES);
  return offset + OPT_BYTES;
}
