/** Reads all that the bucket holds: the last message of each key, in the order they were stored. */
import { randomUUID } from "node:crypto";
import { createInbox } from "@nats-io/transport-node";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { Clock } from "@fairlead/types";
import { CodedError } from "@fairlead/types";
import { reasonOf } from "../feed-log.ts";
import type { Bucket } from "./bucket.ts";
import { type FeedMessage, readMessage } from "./message.ts";

/** Most keys that are read, some ten times what Kubernetes' own bounds allow a cluster. */
export const MAX_STORED_KEYS = 1_000_000;

/** The server says something at least this often while it delivers, in ms; otherwise the reading is given up. */
const SILENCE_MS = 3_000;

/** Idle heartbeats in a row after which there is nothing more to come. */
const IDLE_HEARTBEATS = 2;

/** Thrown when the bucket could not be read to its end. */
export class SnapshotError extends CodedError {
  readonly code = "FEED_SNAPSHOT_FAILED";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SnapshotError";
  }
}

/**
 * Reads the bucket. What is stored meanwhile may or may not be among it: the caller compares the last sequence before and
 * after, or listens to the changes. Throws {@link SnapshotError} when a message went missing or the server falls silent.
 */
export async function readStored(options: {
  connection: NatsConnection;
  bucket: Bucket;
  clock: Clock;
  inboxPrefix: string | undefined;
  signal: AbortSignal;
}): Promise<FeedMessage[]> {
  const { connection, bucket, clock, inboxPrefix, signal } = options;
  const consumer = `fairlead-${randomUUID()}`;
  const inbox = createInbox(inboxPrefix);
  const reading = new Reading(connection, bucket.names.valuePrefix, clock);
  const abort = (): void => reading.fail("the connection is gone");
  const subscription = connection.subscribe(inbox, { callback: (error, message) => reading.take(error, message) });
  signal.addEventListener("abort", abort, { once: true });
  try {
    if (signal.aborted) abort();
    const { num_pending: waiting } = await bucket.read(consumer, inbox);
    if (waiting === 0) reading.nothing();
    return await reading.done;
  } finally {
    signal.removeEventListener("abort", abort);
    reading.fail("ended");
    if (!connection.isClosed()) {
      subscription.unsubscribe();
      // If this fails, the server removes the consumer by itself a little later.
      bucket.endRead(consumer).catch(() => undefined);
    }
  }
}

/** One reading in progress. */
class Reading {
  readonly done: Promise<FeedMessage[]>;
  readonly #connection: NatsConnection;
  readonly #prefix: string;
  readonly #clock: Clock;
  readonly #messages: FeedMessage[] = [];
  #delivered = 0;
  #idle = 0;
  #resolve!: (messages: FeedMessage[]) => void;
  #reject!: (error: Error) => void;
  #cancel: () => void;

  constructor(connection: NatsConnection, prefix: string, clock: Clock) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#clock = clock;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
    this.#cancel = this.#watch();
  }

  /** The client library loses its reader for good to a callback that throws: this one never does. */
  take(error: Error | null, message: Msg): void {
    this.#cancel();
    this.#cancel = this.#watch();
    try {
      if (error) throw error;
      if (message.headers?.code === 100) this.#status(message);
      else this.#message(message);
    } catch (failure) {
      this.fail(reasonOf(failure));
    }
  }

  nothing(): void {
    if (this.#delivered === 0) this.#finish();
  }

  fail(reason: string): void {
    this.#cancel();
    this.#reject(new SnapshotError(`the bucket could not be read: ${reason}`));
  }

  #message(message: Msg): void {
    const place = placeOf(message.reply ?? "");
    if (place.delivery !== this.#delivered + 1) throw new Error(`delivery ${this.#delivered + 1} is missing`);
    this.#delivered = place.delivery;
    this.#idle = 0;
    if (this.#messages.length >= MAX_STORED_KEYS) throw new Error(`it holds more than ${MAX_STORED_KEYS} keys`);
    const key = message.subject.slice(this.#prefix.length);
    this.#messages.push(readMessage({ key, seq: place.seq, data: message.data, headers: message.headers }));
    if (place.pending === 0) this.#finish();
  }

  /**
   * Flow control asks for an answer before it sends more. Idle heartbeats say that there is no more, where the count of what
   * is pending was too high, as it is when keys are stored anew while they are delivered.
   */
  #status(message: Msg): void {
    const stalled = message.headers?.get("Nats-Consumer-Stalled") ?? "";
    if (stalled !== "") this.#connection.publish(stalled);
    else if (message.reply !== undefined && message.reply !== "") message.respond();
    else if (Number(message.headers?.get("Nats-Last-Consumer") || -1) !== this.#delivered) this.#idle = 0;
    else if (++this.#idle === IDLE_HEARTBEATS) this.#finish();
  }

  #finish(): void {
    this.#cancel();
    this.#resolve(this.#messages);
  }

  #watch(): () => void {
    return this.#clock.setTimer(SILENCE_MS, () => this.fail(`no word for ${SILENCE_MS} ms`));
  }
}

/** A delivery's reply subject holds its place: `$JS.ACK.<stream>.<consumer>.<tries>.<seq>.<delivery>.<time>.<pending>`, newer servers with a domain and an account before the stream (ADR-15). */
function placeOf(reply: string): { seq: number; delivery: number; pending: number } {
  const parts = reply.split(".");
  const at = parts.length > 9 ? 7 : 5;
  const [seq, delivery, , pending] = parts.slice(at).map(Number);
  if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(delivery) || !Number.isSafeInteger(pending)) {
    throw new Error(`a delivery without its place: ${reply}`);
  }
  return { seq: seq ?? 0, delivery: delivery ?? 0, pending: pending ?? 0 };
}
