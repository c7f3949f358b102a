/** What a broken, hostile or merely unexpected kernel might answer: from messages that were captured to plain noise. */
import { type FakeArrival, fakeMessage } from "../../src/testing.ts";
import {
  ControlType,
  MessageFlag,
  type MessageView,
  messageHeaderBytes,
  readMessages,
} from "../../src/wire/message.ts";
import { type Golden, goldens } from "./goldens.ts";

/** Most datagrams of an answer, messages of a datagram, attributes of a list, lists within lists. */
const maxDatagrams = 4;
const maxMessages = 3;
const maxAttributes = 5;
const maxDepth = 3;

/** Error numbers that mean something to a client, and some that mean nothing to anybody. */
const errnos = [0, 0, 0, 1, 2, 3, 11, 12, 16, 17, 19, 22, 85, 95, 105, 133, 4_095, 0x7fff_ffff, -1, -0x8000_0000];

/** Types of messages that a family's kernel sends, besides those of every family. */
const types: Readonly<Record<Golden["family"], (die: Die) => number>> = {
  nftables: (die) => 0x0a00 | die.below(26),
  route: (die) => 16 + die.below(20),
  conntrack: (die) => 0x0100 | die.below(4),
  ipvs: (die) => die.pick([16, 0x22, 0x22, 0x22]),
};

const captured = Map.groupBy(
  goldens
    .filter(({ direction }) => direction === "answer")
    .flatMap(({ family, hex }) => readMessages(Buffer.from(hex, "hex")).map((message) => ({ family, message }))),
  ({ family }) => family,
);

/** Chance that repeats. */
export class Die {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** A whole number from 0 on. */
  below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  /** Whether something happens that happens so many times in a hundred. */
  percent(chance: number): boolean {
    return this.below(100) < chance;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at++) bytes[at] = this.below(256);
    return bytes;
  }
}

/** An answer to some messages, or no answer at all. */
export function randomReplies(die: Die, family: Golden["family"], asked: readonly MessageView[]): FakeArrival[] {
  const arrivals: FakeArrival[] = [];
  const datagrams = die.below(maxDatagrams + 1);
  for (let count = 0; count < datagrams; count++) {
    const messages = Array.from({ length: 1 + die.below(maxMessages) }, () => randomMessage(die, family, asked));
    arrivals.push(damaged(die, Buffer.concat(messages)));
  }
  // Most conversations come to an end, or what was read before it would never be looked at.
  if (die.percent(80)) {
    const enders = asked.filter(({ flags }) => (flags & (MessageFlag.ACK | MessageFlag.DUMP)) !== 0);
    for (const message of enders) arrivals.push(ending(die, message, die.percent(80) ? 0 : die.pick(errnos)));
  }
  if (die.percent(4)) arrivals.splice(die.below(arrivals.length + 1), 0, "lost");
  if (die.percent(4)) arrivals.push({ truncated: die.bytes(die.below(100)) });
  if (die.percent(10)) arrivals.reverse();
  if (die.percent(10)) arrivals.push(...arrivals);
  return arrivals;
}

/** The answer of a kernel whose lists change each time they are read. */
export function busyReplies(die: Die, family: Golden["family"], asked: readonly MessageView[]): FakeArrival[] {
  return asked.flatMap(({ sequence }) => {
    const flags = MessageFlag.MULTI | MessageFlag.DUMP_INTERRUPTED;
    const message = capturedMessage(die, family);
    message.writeUInt16LE(flags, 6);
    message.writeUInt32LE(sequence, 8);
    return [message, fakeMessage({ type: ControlType.DONE, flags, sequence, payload: new Uint8Array(4) })];
  });
}

function randomMessage(die: Die, family: Golden["family"], asked: readonly MessageView[]): Buffer {
  const bytes = die.percent(50) ? capturedMessage(die, family) : inventedMessage(die, family);
  if (die.percent(10)) {
    bytes.writeUInt16LE(die.pick([ControlType.NOOP, ControlType.ERROR, ControlType.DONE, ControlType.OVERRUN]), 4);
  }
  if (die.percent(5)) bytes.writeUInt16LE(die.below(0x1_0000), 6);
  if (die.percent(3)) bytes.writeUInt16LE(bytes.readUInt16LE(6) | MessageFlag.DUMP_INTERRUPTED, 6);
  const sequence = die.percent(92) ? (die.pick(asked)?.sequence ?? 0) : die.below(2 ** 32);
  bytes.writeUInt32LE(sequence, 8);
  return bytes;
}

/** A message of the kernel, as it was. */
function capturedMessage(die: Die, family: Golden["family"]): Buffer {
  const { source, start, end } = die.pick(captured.get(family) ?? []).message;
  return padded(Buffer.from(source.subarray(start - messageHeaderBytes, end)));
}

/** A message whose framing is right and whose content is anything. */
function inventedMessage(die: Die, family: Golden["family"]): Buffer {
  const header = die.bytes(messageHeaderBytes + die.pick([0, 4, 4, 4, 8, 12, 16]));
  const bytes = Buffer.concat([header, inventedAttributes(die, 0)]);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(types[family](die), 4);
  bytes.writeUInt16LE(die.pick([0, 0, MessageFlag.MULTI]), 6);
  return padded(bytes);
}

function inventedAttributes(die: Die, depth: number): Buffer {
  const attributes = Array.from({ length: die.below(maxAttributes + 1) }, () => {
    const nested = depth < maxDepth && die.percent(40);
    const value = nested ? inventedAttributes(die, depth + 1) : die.bytes(die.pick([0, 1, 2, 3, 4, 4, 4, 8, 16, 33]));
    const attribute = Buffer.concat([Buffer.alloc(4), value]);
    attribute.writeUInt16LE(attribute.length, 0);
    attribute.writeUInt16LE(die.below(40) | (nested && die.percent(80) ? 0x8000 : 0), 2);
    return padded(attribute);
  });
  return Buffer.concat(attributes);
}

/** The datagram as it is, or cut off, or with some of its bytes changed. */
function damaged(die: Die, datagram: Buffer): Buffer {
  const how = die.below(100);
  if (how < 40 || datagram.length === 0) return datagram;
  if (how < 45) return die.bytes(die.below(200));
  if (how < 55) return datagram.subarray(0, die.below(datagram.length));
  for (let changes = 1 + die.below(4); changes > 0; changes--) {
    // Lengths and types are most of what there is to get wrong, and their bytes are the low ones of a word.
    const at = die.percent(70) ? die.below(datagram.length) & ~3 : die.below(datagram.length);
    datagram[at] = die.percent(50) ? die.below(256) : die.pick([0, 1, 3, 4, 0x7f, 0x80, 0xff]);
  }
  if (die.percent(70)) mend(datagram);
  return datagram;
}

/** Makes the first message end where the datagram does, so that what is wrong within it is come to. */
function mend(datagram: Buffer): void {
  if (datagram.length >= messageHeaderBytes) datagram.writeUInt32LE(datagram.length, 0);
}

/** What ends a conversation about a message: an acknowledgement, or the end of a list. */
function ending(die: Die, asked: MessageView, errno: number): Buffer {
  const isDump = (asked.flags & MessageFlag.DUMP) === MessageFlag.DUMP;
  const type = isDump !== die.percent(3) ? ControlType.DONE : ControlType.ERROR;
  const status = Buffer.alloc(4);
  status.writeInt32LE(-errno | 0);
  const header = asked.source.subarray(asked.start - messageHeaderBytes, asked.start);
  const extended = die.percent(20);
  const parts = [Buffer.alloc(messageHeaderBytes), status, ...(type === ControlType.ERROR ? [header] : [])];
  const bytes = Buffer.concat([...parts, ...(extended ? [inventedAttributes(die, maxDepth - 1)] : [])]);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  const flags = MessageFlag.CAPPED | (extended ? MessageFlag.ACK_ATTRIBUTES : 0);
  bytes.writeUInt16LE(type === ControlType.ERROR ? flags : MessageFlag.MULTI, 6);
  bytes.writeUInt32LE(asked.sequence, 8);
  return damagedRarely(die, bytes);
}

function damagedRarely(die: Die, bytes: Buffer): Buffer {
  return die.percent(5) ? damaged(die, bytes) : bytes;
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
