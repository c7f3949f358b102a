/** A conversation's messages as they were written, so that what the kernel says of one can be told in its terms. */
import { errorName, type Refusal } from "./errors.ts";
import { type Acknowledgement, attributePath, messageHeaderBytes, readMessages } from "./wire/message.ts";
import type { NetlinkWriter } from "./wire/netlink-writer.ts";

/** What was written. */
export interface WrittenOptions {
  /** Holds the messages until the conversation ends. */
  readonly writer: NetlinkWriter;
  /** Sequence number of the first; the others follow. */
  readonly first: number;
  readonly count: number;
  /** Bytes of the family's header of a message. */
  readonly headerBytes: (index: number) => number;
}

/** See the module. */
export class WrittenMessages {
  readonly first: number;
  readonly count: number;
  readonly #writer: NetlinkWriter;
  readonly #headerBytes: (index: number) => number;
  /** Where each message begins, once somebody asked. */
  #starts: ReadonlyMap<number, number> | undefined;

  constructor({ writer, first, count, headerBytes }: WrittenOptions) {
    this.first = first;
    this.count = count;
    this.#writer = writer;
    this.#headerBytes = headerBytes;
  }

  /** What an acknowledgement with an error says of the message with that sequence number. */
  refusal(sequence: number, said: Acknowledgement): Refusal {
    const { errno, message, offset, cookie, missing } = said;
    const index = sequence - this.first;
    const path = offset === undefined ? undefined : this.#path(sequence, index, offset);
    return {
      index,
      errno,
      code: errorName(errno),
      ...(message === undefined ? {} : { message }),
      ...(offset === undefined ? {} : { offset }),
      ...(path === undefined ? {} : { path }),
      ...(missing === undefined ? {} : { missing }),
      ...(cookie === undefined ? {} : { cookie }),
    };
  }

  /** Which attribute lies at the offset. */
  #path(sequence: number, index: number, offset: number): readonly number[] | undefined {
    const bytes = this.#writer.bytes();
    this.#starts ??= new Map(readMessages(bytes).map((each) => [each.sequence, each.start - messageHeaderBytes]));
    const start = this.#starts.get(sequence);
    return start === undefined ? undefined : attributePath(bytes.subarray(start), this.#headerBytes(index), offset);
  }
}
