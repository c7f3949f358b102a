/** Answers as bytes that fit. */
import type { Random } from "@fairlead/types";
import { Flag, RecordType } from "./wire/constants.ts";
import { MAX_UDP_BYTES, MIN_UDP_BYTES, OPT_BYTES, writeOpt } from "./wire/edns.ts";
import { MAX_MESSAGE_BYTES, MessageWriter } from "./wire/message-writer.ts";
import type { Question } from "./wire/message.ts";
import { typeOf } from "./wire/records.ts";
import type { ResourceRecord } from "./wire/records.ts";
import type { ZoneAnswer } from "./zone/zone-answer.ts";

/** How much room a client has, and whether it speaks EDNS: 0 and 1 the least, 2 and 3 the most over UDP, 4 and 5 TCP; odd ones with an OPT record. */
export type Room = 0 | 1 | 2 | 3 | 4 | 5;

/** How many kinds of room there are. */
export const rooms = 6;

/** The kind of room by transport and OPT record; `offered` is -1 without one. */
export function roomOf(tcp: boolean, offered: number): Room {
  if (tcp) return offered === -1 ? 4 : 5;
  if (offered === -1) return 0;
  return offered >= MAX_UDP_BYTES ? 3 : 1;
}

/** Most bytes of an answer. */
export function roomBytes(room: Room): number {
  if (room >= 4) return MAX_MESSAGE_BYTES;
  return room >= 2 ? MAX_UDP_BYTES : MIN_UDP_BYTES;
}

/** An answer ready to be sent but for its id, and the serial of its SOA record, if it has one (else -1). */
export interface AnswerBytes {
  readonly bytes: Buffer;
  readonly serialAt: number;
}

/**
 * Writes an answer: answers in random order but for leading aliases; what does not fit is left out. Addresses without EDNS are
 * then a random part of all, and nothing is said of it: such clients often cannot ask again over TCP, and any address serves. In
 * every other case the TC bit says that there is more. Additional records are left out silently.
 */
export function writeAnswer(question: Question, answer: ZoneAnswer, room: Room, random: Random): AnswerBytes {
  const edns = room % 2 === 1;
  const writer = new MessageWriter(roomBytes(room) - (edns ? OPT_BYTES : 0));
  writer.question(question.name, question.type, question.class);
  const counts = [0, 0, 0];
  const put = (section: number, records: readonly ResourceRecord[]): boolean =>
    records.every((record) => {
      const fits = writer.record(record);
      if (fits) counts[section] = (counts[section] ?? 0) + 1;
      return fits;
    });
  const complete = put(0, inRandomOrder(answer.answers, random)) && put(1, answer.authority);
  if (complete) put(2, answer.additional);
  const bytes = edns ? Buffer.alloc(writer.length + OPT_BYTES) : Buffer.from(writer.bytes());
  if (edns) {
    writer.bytes().copy(bytes);
    writeOpt(bytes, writer.length, answer.rcode);
  }
  const addresses = question.type === RecordType.A || question.type === RecordType.AAAA;
  const more = !complete && !(addresses && !edns && (counts[0] ?? 0) > 0);
  bytes.writeUInt16BE(0, 0);
  bytes.writeUInt16BE(Flag.QR | Flag.AA | (more ? Flag.TC : 0) | (answer.rcode & 15), 2);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(counts[0] ?? 0, 6);
  bytes.writeUInt16BE(counts[1] ?? 0, 8);
  bytes.writeUInt16BE((counts[2] ?? 0) + (edns ? 1 : 0), 10);
  return { bytes, serialAt: writer.serialAt };
}

/** Aliases stay first, in their order: some clients read no further. */
function inRandomOrder(records: readonly ResourceRecord[], random: Random): readonly ResourceRecord[] {
  if (records.length < 2) return records;
  const aliases = records.filter(({ data }) => typeOf(data) === RecordType.CNAME);
  const others = records.filter(({ data }) => typeOf(data) !== RecordType.CNAME);
  for (let last = others.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const kept = others[last];
    const taken = others[other];
    if (kept === undefined || taken === undefined) break;
    others[last] = taken;
    others[other] = kept;
  }
  return [...aliases, ...others];
}
