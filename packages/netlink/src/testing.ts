/** For tests: a transport that answers as it is told, instead of a kernel. */
import { type Arrival, ArrivalsLostError, type NetlinkTransport } from "./transport.ts";
import { ControlType, MessageFlag, type MessageView, readMessages } from "./wire/message.ts";
import { NetlinkWriter } from "./wire/netlink-writer.ts";

/** What waits to be received: bytes, bytes that were cut off, or the news that something was lost. */
export type FakeArrival = Uint8Array | { readonly truncated: Uint8Array } | "lost";

/** See the module. */
export class FakeNetlinkTransport implements NetlinkTransport {
  /** Every write, taken apart into its messages. */
  readonly writes: (readonly MessageView[])[] = [];
  readonly groups: number[] = [];
  closed = false;
  /** Writes that are refused for want of room before one is taken. */
  refuseWrites = 0;
  /** Arrivals that one call of receive hands over at most. */
  arrivalsPerCall = 8;
  readonly #answer: (messages: readonly MessageView[]) => readonly FakeArrival[];
  readonly #waiting: FakeArrival[] = [];

  /** `answer` is called for each write; what it returns arrives. */
  constructor(answer: (messages: readonly MessageView[]) => readonly FakeArrival[] = () => []) {
    this.#answer = answer;
  }

  /** Makes something arrive that nobody asked for. */
  arrive(...arrivals: readonly FakeArrival[]): void {
    this.#waiting.push(...arrivals);
  }

  send(bytes: Uint8Array): boolean {
    if (this.refuseWrites > 0) {
      this.refuseWrites -= 1;
      return false;
    }
    const messages = readMessages(Buffer.from(bytes));
    this.writes.push(messages);
    this.arrive(...this.#answer(messages));
    return true;
  }

  receive(): readonly Arrival[] {
    const arrivals: Arrival[] = [];
    while (arrivals.length < this.arrivalsPerCall) {
      const next = this.#waiting[0];
      if (next === undefined || (next === "lost" && arrivals.length > 0)) break;
      this.#waiting.shift();
      if (next === "lost") throw new ArrivalsLostError();
      const truncated = !(next instanceof Uint8Array);
      arrivals.push({ bytes: Buffer.from(truncated ? next.truncated : next), truncated });
    }
    return arrivals;
  }

  join(group: number): void {
    this.groups.push(group);
  }

  close(): void {
    this.closed = true;
  }
}

/** An acknowledgement of a message as the kernel writes it with CAP_ACK and EXT_ACK; `errno` 0 for success. */
export function fakeAcknowledgement(
  of: MessageView,
  errno: number,
  extended: { readonly message?: string; readonly offset?: number } = {},
): Uint8Array {
  const writer = new NetlinkWriter();
  const { message, offset } = extended;
  const more = message === undefined && offset === undefined ? 0 : MessageFlag.ACK_ATTRIBUTES;
  writer.beginMessage({ type: ControlType.ERROR, flags: MessageFlag.CAPPED | more, sequence: of.sequence });
  writer.i32(-errno);
  writer.raw(of.source.subarray(of.start - 16, of.start));
  if (message !== undefined) {
    const begin = writer.beginAttribute(1);
    writer.zeroTerminated(message);
    writer.endAttribute(begin);
  }
  if (offset !== undefined) {
    const begin = writer.beginAttribute(2);
    writer.u32(offset);
    writer.endAttribute(begin);
  }
  writer.endMessage();
  return Uint8Array.from(writer.bytes());
}

/** A message of a family, or the end of a dump. */
export function fakeMessage(options: {
  readonly type: number;
  readonly flags?: number;
  readonly sequence: number;
  readonly payload?: Uint8Array;
}): Uint8Array {
  const writer = new NetlinkWriter();
  writer.beginMessage({ type: options.type, flags: options.flags ?? 0, sequence: options.sequence });
  writer.raw(options.payload ?? new Uint8Array());
  writer.endMessage();
  return Uint8Array.from(writer.bytes());
}
