/**
 * Answers what waits at a UDP socket, many queries by one system call and their answers by another: most of what a hit would cost
 * otherwise is a call, a buffer and objects for each datagram.
 */
import type { Logger } from "@fairlead/host";
import { OutgoingDatagrams, ReceivedDatagrams, socketAddress } from "@fairlead/sockets";
import type { SystemSocket } from "@fairlead/sockets";
import type { IpAddress } from "@fairlead/types";
import type { Arrival, Handler } from "../handler.ts";
import { MAX_UDP_BYTES } from "../wire/edns.ts";

/** Queries that are received by one call. */
const BATCH_DATAGRAMS = 64;

/** Longest query over UDP, in bytes; the rest of a longer one is cut off, and it is answered as what is left. */
export const MAX_QUERY_BYTES = 2_048;

/** Batches in one turn of the event loop; then everything else has its turn: the feed, TCP, health checks. */
export const MAX_BATCHES = 8;

/** What it needs. */
export interface DatagramDrainOptions {
  readonly socket: SystemSocket;
  readonly handler: Pick<Handler, "handle">;
  readonly arrival: Arrival;
  readonly log: Logger;
}

/** See the module. */
export class DatagramDrain {
  readonly #options: DatagramDrainOptions;
  readonly #received = new ReceivedDatagrams({ count: BATCH_DATAGRAMS, bytes: MAX_QUERY_BYTES });
  readonly #answers = new OutgoingDatagrams({ count: BATCH_DATAGRAMS + 1, bytes: MAX_UDP_BYTES });
  /** Batches of this turn; undefined while no turn has begun. */
  #batches: number | undefined;
  #more = false;
  #closed = false;

  constructor(options: DatagramDrainOptions) {
    this.#options = options;
  }

  /**
   * Something arrived: answers what waits and what arrives meanwhile, up to the bound of a turn, and goes on in the next if there is
   * more. `first` is the answer to the query that was received already, and goes along.
   */
  wake(first?: { readonly answer: Buffer; readonly address: IpAddress; readonly port: number }): void {
    if (this.#closed) return;
    if (first) this.#answers.add(first.answer, socketAddress(first.address, first.port));
    this.#begin();
    this.#drain();
    // Where this turn had its batches already.
    if (this.#answers.length > 0) this.#options.socket.sendMany(this.#answers);
  }

  /** No more answers; the socket is the caller's to close. */
  close(): void {
    this.#closed = true;
  }

  #begin(): void {
    if (this.#batches !== undefined) return;
    this.#batches = 0;
    setImmediate(() => {
      this.#batches = undefined;
      if (!this.#more) return;
      this.#more = false;
      this.wake();
    });
  }

  #drain(): void {
    for (let batches = this.#batches ?? 0; ; batches++) {
      this.#more = batches >= MAX_BATCHES;
      this.#batches = batches;
      // Less than a batch means that nothing waits: asking once more would be a call for nothing.
      if (this.#more || this.#batch() < BATCH_DATAGRAMS) return;
    }
  }

  #batch(): number {
    const { socket, handler, arrival, log } = this.#options;
    const received = this.#received;
    const answers = this.#answers;
    try {
      const count = socket.receiveMany(received);
      for (let index = 0; index < count; index++) {
        if (!received.hasPort(index)) continue;
        const answer = handler.handle(received.bytes(index), arrival);
        if (answer === undefined) continue;
        if (answer instanceof Promise) this.#later(answer, received.sender(index));
        else answers.reply(answer.copy(answers.slot()), received, index);
      }
      // What cannot be sent is lost like other datagrams: the client asks again.
      if (answers.length > 0) socket.sendMany(answers);
      return count;
    } catch (error) {
      // An error that the network reported for an earlier answer, told once.
      log.debug("queries could not be received", { error });
      return 0;
    }
  }

  #later(answer: Promise<Buffer>, client: Uint8Array): void {
    const { socket, log } = this.#options;
    answer
      .then((bytes) => {
        if (!this.#closed) socket.send(bytes, client);
      })
      .catch((error: unknown) => log.debug("an answer could not be sent", { error }));
  }
}
