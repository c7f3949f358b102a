/** Whole messages (RFC 1035, 4). Pure. Counts are bounded by the bytes: every question and record takes some. */
import { headerBytes } from "./constants.ts";
import { MAX_MESSAGE_BYTES, MessageWriter } from "./message-writer.ts";
import { decodeName } from "./name.ts";
import type { Name } from "./name.ts";
import { decodeData } from "./records.ts";
import type { ResourceRecord } from "./records.ts";
import { WireError } from "./wire-error.ts";

/** What is asked. */
export interface Question {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
}

/** A message; `flags` is the header's second word, response code included. */
export interface Message {
  readonly id: number;
  readonly flags: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authority: readonly ResourceRecord[];
  readonly additional: readonly ResourceRecord[];
}

/** Reads a message; throws {@link WireError}. Bytes after the last record are not looked at. */
export function decodeMessage(bytes: Buffer): Message {
  if (bytes.length < headerBytes) throw new WireError("the header is cut off", bytes.length);
  let at = headerBytes;
  const questions: Question[] = [];
  for (let left = bytes.readUInt16BE(4); left > 0; left--) {
    const { name, end } = decodeName(bytes, at);
    if (end + 4 > bytes.length) throw new WireError("a question is cut off", end);
    questions.push({ name, type: bytes.readUInt16BE(end), class: bytes.readUInt16BE(end + 2) });
    at = end + 4;
  }
  const section = (count: number): ResourceRecord[] => {
    const records: ResourceRecord[] = [];
    for (let left = count; left > 0; left--) {
      const { name, end } = decodeName(bytes, at);
      if (end + 10 > bytes.length) throw new WireError("a record is cut off", end);
      const type = bytes.readUInt16BE(end);
      const from = end + 10;
      const to = from + bytes.readUInt16BE(end + 8);
      if (to > bytes.length) throw new WireError("a record's data is cut off", from);
      records.push({
        name,
        class: bytes.readUInt16BE(end + 2),
        ttl: bytes.readUInt32BE(end + 4),
        data: decodeData(bytes, type, from, to),
      });
      at = to;
    }
    return records;
  };
  const answers = section(bytes.readUInt16BE(6));
  const authority = section(bytes.readUInt16BE(8));
  const additional = section(bytes.readUInt16BE(10));
  return { id: bytes.readUInt16BE(0), flags: bytes.readUInt16BE(2), questions, answers, authority, additional };
}

/** Writes a message; throws {@link WireError} if it does not fit into `limit` bytes. */
export function encodeMessage(message: Message, limit = MAX_MESSAGE_BYTES): Buffer {
  const writer = new MessageWriter(limit);
  for (const { name, type, class: questionClass } of message.questions) writer.question(name, type, questionClass);
  for (const record of [...message.answers, ...message.authority, ...message.additional]) {
    if (!writer.record(record)) throw new WireError(`the message has more than ${limit} bytes`, writer.length);
  }
  const bytes = writer.bytes();
  bytes.writeUInt16BE(message.id, 0);
  bytes.writeUInt16BE(message.flags, 2);
  bytes.writeUInt16BE(message.questions.length, 4);
  bytes.writeUInt16BE(message.answers.length, 6);
  bytes.writeUInt16BE(message.authority.length, 8);
  bytes.writeUInt16BE(message.additional.length, 10);
  return bytes;
}
