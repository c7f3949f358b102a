/** Netlink messages: header, framing, and the control messages that end a conversation. */
import { NetlinkDecodeError } from "../errors.ts";
import type { AttributeCodec } from "./attribute-codec.ts";
import { zeroTerminated, bytes, u32 } from "./attribute-codec.ts";
import { attributes, eachAttribute } from "./attribute-table.ts";
import type { NetlinkWriter } from "./netlink-writer.ts";
import type { Struct } from "./struct.ts";

/** Bytes of a message's header. */
export const messageHeaderBytes = 16;

/** Flags of a message. Values repeat: what 0x100 says depends on the kind of request. */
export const MessageFlag = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  ECHO: 0x8,
  DUMP_INTERRUPTED: 0x10,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCLUSIVE: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  /** Of an acknowledgement: it does not repeat what was asked; it has attributes. */
  CAPPED: 0x100,
  ACK_ATTRIBUTES: 0x200,
} as const;

/** Types of messages that every family has. */
export const ControlType = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4, FIRST_OF_FAMILY: 0x10 } as const;

/** A message within bytes that belong to somebody else: `start` to `end` is what follows its header. */
export interface MessageView {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Port of the socket that it was sent for; 0 where it is for all. */
  readonly port: number;
  readonly source: Buffer;
  readonly start: number;
  readonly end: number;
}

/** Takes bytes apart into messages; throws {@link NetlinkDecodeError} if one does not fit. */
export function readMessages(source: Buffer): MessageView[] {
  const messages: MessageView[] = [];
  let at = 0;
  while (at < source.length) {
    const left = source.length - at;
    if (left < messageHeaderBytes) throw new NetlinkDecodeError(at, `${left} bytes are left over`);
    const length = source.readUInt32LE(at);
    if (length < messageHeaderBytes || length > left) {
      throw new NetlinkDecodeError(at, `a message of ${length} bytes does not fit into ${left}`);
    }
    messages.push({
      type: source.readUInt16LE(at + 4),
      flags: source.readUInt16LE(at + 6),
      sequence: source.readUInt32LE(at + 8),
      port: source.readUInt32LE(at + 12),
      source,
      start: at + messageHeaderBytes,
      end: at + length,
    });
    at += (length + 3) & ~3;
  }
  return messages;
}

/** How the messages of one kind look after their header. */
export interface MessageLayout<H, A> {
  readonly header: Struct<H>;
  readonly attributes: AttributeCodec<A>;
}

/** A message's content. */
export interface Content<H, A> {
  readonly header: H;
  readonly attributes: A;
}

/** Writes a whole message. */
export function writeMessage<H, A>(
  writer: NetlinkWriter,
  layout: MessageLayout<H, A>,
  envelope: { readonly type: number; readonly flags: number; readonly sequence: number },
  content: Content<H, A>,
): void {
  writer.beginMessage(envelope);
  layout.header.write(writer, content.header);
  // Every family's own header is a multiple of 4 bytes long, as attributes must begin at one.
  layout.attributes.write(writer, content.attributes);
  writer.endMessage();
}

/** Reads what follows a message's header; throws {@link NetlinkDecodeError}. */
export function readMessage<H, A>(layout: MessageLayout<H, A>, message: MessageView): Content<H, A> {
  const { source, start, end } = message;
  const header = layout.header.read(source, start, end);
  return { header, attributes: layout.attributes.read(source, start + layout.header.bytes, end) };
}

const acknowledgementAttributes = attributes({
  message: [1, zeroTerminated],
  offset: [2, u32],
  cookie: [3, bytes()],
  missing: [5, u32],
});

/** What an acknowledgement (or the end of a dump) says. */
export interface Acknowledgement {
  /** 0, or a positive error number. */
  readonly errno: number;
  readonly message?: string;
  readonly offset?: number;
  readonly cookie?: Uint8Array;
  readonly missing?: number;
}

/** Reads a message of type ERROR (which may say that there was none) or DONE; throws {@link NetlinkDecodeError}. */
export function readAcknowledgement(view: MessageView): Acknowledgement {
  const { source, start, end } = view;
  if (end - start < 4) {
    // An empty DONE is how some kinds of dump end.
    if (view.type === ControlType.DONE && end === start) return { errno: 0 };
    throw new NetlinkDecodeError(start, "an acknowledgement has no error number");
  }
  const status = source.readInt32LE(start);
  if (status > 0 && view.type === ControlType.ERROR) throw new NetlinkDecodeError(start, `no error number: ${status}`);
  // What the end of some dumps has above 0 is a count.
  const errno = Math.max(0, -status);
  if ((view.flags & MessageFlag.ACK_ATTRIBUTES) === 0) return { errno };
  const from = view.type === ControlType.DONE ? start + 4 : afterRefused(view);
  const { message, offset, cookie, missing } = acknowledgementAttributes.read(source, from, end);
  return {
    errno,
    ...(message === undefined ? {} : { message }),
    ...(offset === undefined ? {} : { offset }),
    ...(cookie === undefined ? {} : { cookie }),
    ...(missing === undefined ? {} : { missing }),
  };
}

/** Where the attributes of an acknowledgement begin: after the header of the message that it is about, or all of that. */
function afterRefused({ source, start, end, flags }: MessageView): number {
  const header = start + 4;
  if (end - header < messageHeaderBytes) throw new NetlinkDecodeError(header, "an acknowledgement names no message");
  if ((flags & MessageFlag.CAPPED) !== 0) return header + messageHeaderBytes;
  const length = source.readUInt32LE(header);
  if (length < messageHeaderBytes || length > end - header) {
    throw new NetlinkDecodeError(header, `a repeated message of ${length} bytes does not fit into ${end - header}`);
  }
  return Math.min(end, header + ((length + 3) & ~3));
}

/**
 * Numbers of the attributes that lead to `offset` in a message (`source`, which begins with the message's header), from the outside in;
 * undefined where no attribute begins there. Attributes without the bit for it are looked into as well, as old families do not set it.
 */
export function attributePath(source: Buffer, headerBytes: number, offset: number): readonly number[] | undefined {
  const length = source.length < messageHeaderBytes ? 0 : Math.min(source.readUInt32LE(0), source.length);
  let start = messageHeaderBytes + headerBytes;
  let end = length;
  const path: number[] = [];
  while (start < end) {
    let inside: readonly [number, number] | undefined;
    let found = false;
    try {
      eachAttribute(source, start, end, (type, from, to) => {
        if (offset < from - 4 || offset >= to) return;
        path.push(type & 0x3fff);
        found = offset === from - 4;
        inside = [from, to];
      });
    } catch (error) {
      if (!(error instanceof NetlinkDecodeError)) throw error;
      return undefined;
    }
    if (found) return path;
    if (inside === undefined) return undefined;
    [start, end] = inside;
  }
  return undefined;
}
