/** The writing side over NATS. */
import type { NatsConnection } from "@nats-io/transport-node";
import { encodeChange, InvalidInputError, maxChangeBytes } from "@fairlead/types";
import type { Clock, FeedKey, FeedValue, Random } from "@fairlead/types";
import type { ChangePublisher, Publication } from "../feed.ts";
import { FencedError, PublisherStoppedError } from "../feed.ts";
import type { FeedLog } from "../feed-log.ts";
import { changeOf } from "../feed-state.ts";
import { Bucket } from "./bucket.ts";
import { isFeedKey } from "./message.ts";
import { DEFAULT_BUCKET } from "./names.ts";
import { checkNatsOptions, type NatsOptions } from "./options.ts";
import { PublisherSession } from "./publisher-session.ts";
import { Role, type RoleState } from "./role.ts";
import { SessionLoop } from "./session-loop.ts";
import { Wake } from "./wake.ts";

/** Largest value, in bytes as published: what is left of NATS' default bound for a message after its headers. */
export const MAX_VALUE_BYTES = maxChangeBytes - 4_096;

/** Slices with fewer addresses and endpoints than this are not measured: they cannot be too large. */
const MEASURED_FROM = 1_000;

/** How often deletes are removed from the store, in ms, where not told. */
const DEFAULT_PURGE_MS = 60_000;

/** What a publisher over NATS needs. */
export interface NatsPublisherOptions extends NatsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: FeedLog;
  /** Copies of the store in a NATS cluster, when the bucket is made: 1 where absent. */
  readonly replicas?: number;
  /** Name of the connection in the server's list. */
  readonly name?: string;
  /** How often deletes are removed from the store, in ms: 60 000 where absent. */
  readonly purgeEveryMs?: number;
}

/** What a publisher has done so far. */
export interface NatsPublisherStats {
  readonly role: RoleState;
  readonly connects: number;
  /** Wishes that the bus does not hold yet. */
  readonly waiting: number;
  readonly published: number;
  /** Values too large for the server: they are missing from the feed. */
  readonly refused: number;
  readonly epoch: string;
  readonly seq: number;
  readonly keys: number;
}

/** A {@link ChangePublisher} with a life of its own. */
export interface NatsPublisher extends ChangePublisher {
  readonly name: string;
  /** Begins to connect. Settles at once, whether or not the bus is there. */
  start(): Promise<void>;
  stop(): Promise<void>;
  stats(): NatsPublisherStats;
}

/** A publisher over NATS, not yet started. Throws `InvalidInputError` for options that can never work. */
export function createNatsPublisher(options: NatsPublisherOptions): NatsPublisher {
  checkNatsOptions(options);
  return new NatsChangePublisher(options);
}

class NatsChangePublisher implements NatsPublisher {
  readonly name = "publisher";
  readonly #options: NatsPublisherOptions;
  readonly #role = new Role();
  readonly #wake: Wake;
  readonly #loop: SessionLoop;

  constructor(options: NatsPublisherOptions) {
    this.#options = options;
    const { clock, random, log } = options;
    this.#wake = new Wake(clock);
    this.#loop = new SessionLoop({
      nats: options,
      name: options.name ?? "fairlead-publisher",
      clock,
      random,
      log,
      session: (connection, signal) => this.#session(connection, signal),
    });
  }

  async start(): Promise<void> {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#role.state = "stopped";
    this.#role.wishes.fail(new PublisherStoppedError());
    await this.#loop.stop();
  }

  async takeOver(state: ReadonlyMap<FeedKey, FeedValue>): Promise<void> {
    if (this.#role.state === "stopped") throw new PublisherStoppedError();
    for (const [key, value] of state) this.#check(key, value);
    this.#role.state = "claiming";
    const done = this.#role.wishes.replace(state);
    this.#wake.wake();
    await done;
  }

  async publish(publications: readonly Publication[]): Promise<void> {
    const { state } = this.#role;
    if (state === "stopped") throw new PublisherStoppedError();
    if (state === "fenced") throw new FencedError();
    if (state === "idle") throw new FencedError("publish before takeOver: this publisher is not the writer");
    for (const { key, value } of publications) this.#check(key, value);
    const done = this.#role.wishes.add(publications);
    this.#wake.wake();
    await done;
  }

  stats(): NatsPublisherStats {
    const { state, wishes, published, refused, epoch, held } = this.#role;
    return {
      role: state,
      connects: this.#loop.connects,
      waiting: wishes.size,
      published,
      refused,
      epoch,
      seq: held.seq,
      keys: held.entries.size,
    };
  }

  async #session(connection: NatsConnection, signal: AbortSignal): Promise<void> {
    const { bucket: name = DEFAULT_BUCKET, clock, random, log, inboxPrefix } = this.#options;
    const session = new PublisherSession({
      connection,
      signal,
      bucket: await Bucket.open(connection, name),
      role: this.#role,
      wake: this.#wake,
      clock,
      random,
      log,
      inboxPrefix,
      replicas: this.#options.replicas ?? 1,
      purgeEveryMs: this.#options.purgeEveryMs ?? DEFAULT_PURGE_MS,
    });
    await session.run();
  }

  /** Nothing may enter that the bus would refuse: it would hold up everything behind it. */
  #check(key: FeedKey, value: FeedValue | undefined): void {
    if (!isFeedKey(key)) throw new InvalidInputError("key", `${JSON.stringify(key)} is not a key of the feed`);
    if (value?.kind !== "slice") return;
    const { endpoints } = value.slice;
    const addresses = endpoints.reduce((sum, endpoint) => sum + 1 + endpoint.addresses.length, 0);
    if (addresses < MEASURED_FROM) return;
    const change = changeOf({ epoch: "0".repeat(36), seq: 0, key, value, trigger: 0, at: 0 });
    const bytes = encodeChange(change).byteLength;
    if (bytes > MAX_VALUE_BYTES) {
      throw new InvalidInputError(key, `is ${bytes} bytes long as a message, ${MAX_VALUE_BYTES} at most`);
    }
  }
}
