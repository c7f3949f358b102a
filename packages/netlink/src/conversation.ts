/**
 * Requests and their answers on one socket. The kernel does what a write asks for before the write returns, and its answers wait by
 * then (the parts of a dump are made as they are fetched): waiting is the exception, and done by looking again.
 */
import type { Clock } from "@fairlead/types";
import {
  DumpInterruptedError,
  NetlinkBusyError,
  NetlinkClosedError,
  NetlinkError,
  NetlinkLossError,
  NetlinkTimeoutError,
  type Refusal,
} from "./errors.ts";
import type { AnyRequest, Request } from "./request.ts";
import { ArrivalsLostError, type Arrival, type NetlinkTransport } from "./transport.ts";
import {
  ControlType,
  MessageFlag,
  type MessageView,
  readAcknowledgement,
  readMessages,
  writeMessage,
} from "./wire/message.ts";
import { WrittenMessages } from "./written-messages.ts";
import { NetlinkWriter } from "./wire/netlink-writer.ts";

/** Time for one conversation, in ms, unless the caller says otherwise. */
const defaultDeadlineMs = 10_000;

/** Time between two looks for an answer that is not there yet, in ms. */
const lookIntervalMs = 1;

/** Times that a list is read again because it changed meanwhile. */
const maxDumpTries = 8;

/** Conversations that wait for a socket. */
const maxWaitingConversations = 256;

/** Messages of one write whose acknowledgements are all asked for: about 1 KiB of the receive buffer each. */
const maxAcknowledgedPerWrite = 1_024;

/** Bytes of one dump. */
const maxDumpBytes = 512 * 1024 * 1024;

/** Calls to receive after which other work of the process gets its turn. */
const receiveCallsPerTurn = 32;

/** Sequence numbers go up to here, and then begin again. */
const maxSequence = 0x7fff_ffff;

/** Reads one answer; what it returns is gathered. */
export type ReadAnswer<T> = (message: MessageView) => readonly T[];

/** See the module. */
export interface ConversationOptions {
  readonly transport: NetlinkTransport;
  readonly clock: Clock;
  /** Time for one conversation, in ms; 10,000. */
  readonly deadlineMs?: number;
}

/** Conversations on one socket, one at a time, in the order in which they were asked for. */
export class Conversation {
  readonly #transport: NetlinkTransport;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #writer = new NetlinkWriter();
  #sequence = 0;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  constructor({ transport, clock, deadlineMs = defaultDeadlineMs }: ConversationOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  /** Asks for something to be done; throws {@link NetlinkError} if the kernel refuses. */
  async request<H, A>(request: Request<H, A>): Promise<void> {
    await this.ask(request, () => []);
  }

  /** Asks for something that is answered by messages and an acknowledgement; returns what `read` made of them. */
  ask<H, A, T>(request: Request<H, A>, read: ReadAnswer<T>): Promise<readonly T[]> {
    return this.#exclusively(request.operation, async () => {
      const written = this.#write([request], MessageFlag.ACK);
      const answers: T[] = [];
      const refusal = await this.#untilAcknowledged(request.operation, written, (message) => {
        for (const answer of read(message)) answers.push(answer);
      });
      if (refusal.length > 0) throw new NetlinkError(request.operation, refusal as [Refusal, ...Refusal[]]);
      return answers;
    });
  }

  /**
   * Sends many requests in few writes. Each stands alone: a refusal does not keep the others. Returns the refusals, with the
   * index of the request that each belongs to.
   */
  batch(operation: string, requests: readonly AnyRequest[]): Promise<readonly Refusal[]> {
    return this.#exclusively(operation, async () => {
      const refusals: Refusal[] = [];
      for (let at = 0; at < requests.length; at += maxAcknowledgedPerWrite) {
        const written = this.#write(requests.slice(at, at + maxAcknowledgedPerWrite), MessageFlag.ACK);
        for (const refusal of await this.#untilAcknowledged(operation, written, () => undefined)) {
          refusals.push({ ...refusal, index: refusal.index + at });
        }
      }
      return refusals;
    });
  }

  /**
   * Sends messages that the kernel takes all or none of. `write` writes them, with sequence numbers from `first` on that grow by one, and
   * asks for the acknowledgement of at least one message; returns how many it wrote. Throws {@link NetlinkError} with every refusal.
   */
  transact(
    operation: string,
    headerBytes: number,
    write: (writer: NetlinkWriter, first: number) => number,
  ): Promise<void> {
    return this.#exclusively(operation, async () => {
      this.#writer.clear();
      const first = this.#sequence + 1;
      const count = write(this.#writer, first);
      this.#take(count);
      const written = new WrittenMessages({ writer: this.#writer, first, count, headerBytes: () => headerBytes });
      await this.#send(operation);
      const { acknowledged, refusals, lost } = await this.#outcome(operation, written);
      if (refusals.length > 0) throw new NetlinkError(operation, refusals as [Refusal, ...Refusal[]]);
      if (acknowledged) return;
      if (lost) throw new NetlinkLossError(operation, "answers were lost for want of room");
      throw new NetlinkTimeoutError(operation, this.#deadlineMs);
    });
  }

  /**
   * Reads a list. A list that changed meanwhile is read again, {@link maxDumpTries} times at most, then it throws
   * {@link DumpInterruptedError}.
   */
  dump<H, A, T>(request: Request<H, A>, read: ReadAnswer<T>): Promise<readonly T[]> {
    return this.#exclusively(request.operation, async () => {
      for (let tries = 1; tries <= maxDumpTries; tries++) {
        const items = await this.#dumpOnce(request, read);
        if (items !== undefined) return items;
      }
      throw new DumpInterruptedError(request.operation, maxDumpTries);
    });
  }

  /** Closes the socket. Whoever waits gets {@link NetlinkClosedError}, as does whoever comes later. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
    this.#transport.close();
  }

  async #exclusively<T>(operation: string, talk: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new NetlinkClosedError(operation);
    if (this.#waiting >= maxWaitingConversations) throw new NetlinkBusyError(operation, this.#waiting);
    this.#waiting += 1;
    const turn = this.#last.then(() => {
      this.#waiting -= 1;
      if (this.#closed) throw new NetlinkClosedError(operation);
      return talk();
    });
    // The next one's turn comes whatever becomes of this one.
    this.#last = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  #take(count: number): number {
    // A jump back is harmless: answers to numbers of long ago are not waited for by anybody.
    const first = this.#sequence + 1;
    this.#sequence += count;
    if (this.#sequence > maxSequence) this.#sequence = 0;
    return first;
  }

  #write(requests: readonly AnyRequest[], flags: number): WrittenMessages {
    const writer = this.#writer;
    writer.clear();
    const first = this.#take(requests.length);
    let sequence = first;
    for (const request of requests) {
      const envelope = {
        type: request.type,
        flags: MessageFlag.REQUEST | flags | (request.flags ?? 0),
        sequence,
      };
      writeMessage(writer, request.layout, envelope, request.content);
      sequence += 1;
    }
    const headerBytes = (index: number): number => requests[index]?.layout.header.bytes ?? 0;
    return new WrittenMessages({ writer, first, count: requests.length, headerBytes });
  }

  async #untilAcknowledged(
    operation: string,
    written: WrittenMessages,
    answer: (message: MessageView) => void,
  ): Promise<Refusal[]> {
    await this.#send(operation);
    const refusals: Refusal[] = [];
    const pending = new Set<number>();
    for (let index = 0; index < written.count; index++) pending.add(written.first + index);
    const until = this.#clock.monotonic() + this.#deadlineMs;
    for (let calls = 1; pending.size > 0; calls++) {
      for (const message of await this.#next(operation, until, (sequence) => pending.has(sequence))) {
        if (!pending.has(message.sequence)) continue;
        if (message.type === ControlType.ERROR || message.type === ControlType.DONE) {
          const said = readAcknowledgement(message);
          pending.delete(message.sequence);
          if (said.errno !== 0) refusals.push(written.refusal(message.sequence, said));
        } else if (message.type >= ControlType.FIRST_OF_FAMILY) {
          answer(message);
        }
      }
      // More than all acknowledgements can take: whoever talks on and on is heard up to the deadline.
      if (calls % maxAcknowledgedPerWrite === 0 && pending.size > 0) await this.#patience(operation, until, 0);
    }
    return refusals;
  }

  /** What the kernel said about messages that it takes all or none of: all that waits once the write has returned. */
  async #outcome(operation: string, written: WrittenMessages): Promise<Outcome> {
    const refusals: Refusal[] = [];
    const until = this.#clock.monotonic() + this.#deadlineMs;
    const isOurs = (sequence: number): boolean => sequence >= written.first && sequence < written.first + written.count;
    let acknowledged = false;
    let lost = false;
    let heard = false;
    for (;;) {
      let messages: readonly MessageView[];
      try {
        messages = heard || lost ? this.#receive(operation, isOurs) : await this.#next(operation, until, isOurs);
      } catch (error) {
        if (!(error instanceof NetlinkLossError)) throw error;
        lost = true;
        // Of a socket that only ever loses there is nothing more to hear.
        if (this.#clock.monotonic() < until) continue;
        messages = [];
      }
      for (const message of messages) {
        if (message.type !== ControlType.ERROR) continue;
        heard = true;
        const said = readAcknowledgement(message);
        if (said.errno === 0) acknowledged = true;
        else refusals.push(written.refusal(message.sequence, said));
      }
      // Whoever talks on and on is heard up to the deadline.
      if (messages.length === 0 || this.#clock.monotonic() >= until) return { acknowledged, refusals, lost };
    }
  }

  async #dumpOnce<H, A, T>(request: Request<H, A>, read: ReadAnswer<T>): Promise<readonly T[] | undefined> {
    const { operation } = request;
    const written = this.#write([request], MessageFlag.DUMP);
    await this.#send(operation);
    const items: T[] = [];
    const until = this.#clock.monotonic() + this.#deadlineMs;
    let interrupted = false;
    let bytes = 0;
    for (let calls = 1; ; calls++) {
      for (const message of await this.#next(operation, until, (sequence) => sequence === written.first)) {
        if ((message.flags & MessageFlag.DUMP_INTERRUPTED) !== 0) interrupted = true;
        if (message.type === ControlType.DONE || message.type === ControlType.ERROR) {
          const said = readAcknowledgement(message);
          if (said.errno !== 0) throw new NetlinkError(operation, [written.refusal(message.sequence, said)]);
          return interrupted ? undefined : items;
        }
        bytes += message.end - message.start;
        if (bytes > maxDumpBytes) throw new NetlinkLossError(operation, `the list has more than ${maxDumpBytes} bytes`);
        // What is read of a list that has to be read again is for nothing, but its end has to come all the same.
        if (interrupted || message.type < ControlType.FIRST_OF_FAMILY) continue;
        for (const item of read(message)) items.push(item);
      }
      if (calls % receiveCallsPerTurn === 0) await this.#pause(operation, 0);
    }
  }

  async #send(operation: string): Promise<void> {
    const until = this.#clock.monotonic() + this.#deadlineMs;
    // What is left of a conversation that was given up would only be in the way.
    this.#discard();
    while (!this.#transport.send(this.#writer.bytes())) await this.#patience(operation, until);
  }

  #discard(): void {
    for (let calls = 0; calls < receiveCallsPerTurn; calls++) {
      try {
        if (this.#transport.receive().length === 0) return;
      } catch (error) {
        if (!(error instanceof ArrivalsLostError)) throw error;
      }
    }
  }

  /** Messages of this conversation, at least one; waits for them up to the deadline, whatever else is heard. */
  async #next(operation: string, until: number, isOurs: IsOurs): Promise<readonly MessageView[]> {
    for (;;) {
      const messages = this.#receive(operation, isOurs);
      if (messages.length > 0) return messages;
      await this.#patience(operation, until);
    }
  }

  #receive(operation: string, isOurs: IsOurs): readonly MessageView[] {
    let arrivals: readonly Arrival[];
    try {
      arrivals = this.#transport.receive();
    } catch (error) {
      if (!(error instanceof ArrivalsLostError)) throw error;
      throw new NetlinkLossError(operation, "answers were lost for want of room");
    }
    return arrivals.flatMap(({ bytes, truncated }) => {
      if (truncated) throw new NetlinkLossError(operation, "an answer was cut off for want of room");
      return readMessages(bytes).filter(({ sequence }) => isOurs(sequence));
    });
  }

  async #patience(operation: string, until: number, ms = lookIntervalMs): Promise<void> {
    if (this.#clock.monotonic() >= until) throw new NetlinkTimeoutError(operation, this.#deadlineMs);
    await this.#pause(operation, ms);
  }

  async #pause(operation: string, ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.setTimer(ms, resolve);
    this.#wake = () => {
      cancel();
      resolve();
    };
    await promise;
    this.#wake = undefined;
    if (this.#closed) throw new NetlinkClosedError(operation);
  }
}

/** Whether a message with this sequence number belongs to a conversation. */
type IsOurs = (sequence: number) => boolean;

interface Outcome {
  readonly acknowledged: boolean;
  readonly refusals: readonly Refusal[];
  readonly lost: boolean;
}
