/**
 * What the writer does over one connection. Each message demands to be the next one after all that this writer knows of
 * (`Nats-Expected-Last-Sequence`), so the server itself refuses a writer that has been overtaken. Whatever is in doubt (a lost
 * answer, a lost store, a stranger's message) is settled the same way: read the bucket, compare, publish the difference.
 */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import { changeVersion, maxChangeBytes } from "@fairlead/types";
import type { Change, Clock, FeedKey, FeedValue, Random } from "@fairlead/types";
import { FencedError } from "../feed.ts";
import { type FeedLog, reasonOf } from "../feed-log.ts";
import { changeOf, type FeedEntry, FeedState } from "../feed-state.ts";
import { type Bucket, WrongSequenceError } from "./bucket.ts";
import { changeMessage, recordBody } from "./message.ts";
import type { Role } from "./role.ts";
import { readStored } from "./stored-reader.ts";
import type { Wake } from "./wake.ts";
import { pause } from "./wake.ts";
import type { Wish } from "./wishes.ts";

/** Messages under way at a time. */
const WINDOW = 128;

/** The heartbeat's period, in ms: three of them fit into the 3 s within which followers notice a loss. */
export const HEARTBEAT_MS = 1_000;

/** Deletes that may lie in the bucket; from then on they are removed. */
const MAX_TOMBSTONES = 256;

/** Requests to remove them under way at a time. */
const PURGES_AT_ONCE = 8;

/** Failures in a row after which the connection is given up. */
const MAX_FAILURES = 2;

/** Shortest time between two readings of the store because of the number of its keys, in ms: a server may miscount. */
const RECOUNT_MS = 60_000;

/** Upper bound of a message's headers, in bytes. */
const HEADER_BYTES = 512;

/** Pause after the first failure, in ms; doubles. */
const FIRST_RETRY_MS = 100;

/** See the module. */
export class PublisherSession {
  readonly #connection: NatsConnection;
  readonly #signal: AbortSignal;
  readonly #bucket: Bucket;
  readonly #role: Role;
  readonly #wake: Wake;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: FeedLog;
  readonly #inboxPrefix: string | undefined;
  readonly #replicas: number;
  readonly #purgeEveryMs: number;
  /** Still the writer, as far as the bus was asked. */
  #checked = false;
  /** `held` is what the bucket holds. */
  #aligned = false;
  #beatAt: number;
  #purgedAt: number;
  #recountAt = 0;
  #tombstones = new Map<FeedKey, number>();

  constructor(options: {
    connection: NatsConnection;
    signal: AbortSignal;
    bucket: Bucket;
    role: Role;
    wake: Wake;
    clock: Clock;
    random: Random;
    log: FeedLog;
    inboxPrefix: string | undefined;
    replicas: number;
    purgeEveryMs: number;
  }) {
    this.#connection = options.connection;
    this.#signal = options.signal;
    this.#bucket = options.bucket;
    this.#role = options.role;
    this.#wake = options.wake;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#inboxPrefix = options.inboxPrefix;
    this.#replicas = options.replicas;
    this.#purgeEveryMs = options.purgeEveryMs;
    this.#beatAt = options.clock.monotonic();
    this.#purgedAt = this.#beatAt;
  }

  /** Settles when the connection is gone; rejects when it is of no use. */
  async run(): Promise<void> {
    let failures = 0;
    while (!this.#signal.aborted) {
      try {
        await this.#turn();
        failures = 0;
      } catch (error) {
        if (this.#signal.aborted) return;
        this.#checked = false;
        if (error instanceof FencedError) {
          this.#log.warn("another publisher has taken over the feed", {});
          this.#role.fence(error);
          continue;
        }
        // Somebody else's message came between: looking who it was tells what to do.
        if (error instanceof WrongSequenceError && failures === 0) {
          failures = 1;
          continue;
        }
        if (++failures >= MAX_FAILURES) throw error;
        this.#log.debug("the feed could not be written", { reason: reasonOf(error), failures });
        await pause(this.#clock, FIRST_RETRY_MS * 2 ** failures * (1 - this.#random() / 2), this.#signal);
      }
    }
  }

  /** The most urgent thing there is to do, or a wait for one. */
  async #turn(): Promise<void> {
    const role = this.#role;
    if (role.state === "claiming") return this.#claim();
    if (role.state !== "writer") return this.#wake.wait(HEARTBEAT_MS, this.#signal);
    if (!this.#checked) return this.#check();
    if (!this.#aligned) return this.#align();
    if (!role.complete && role.wishes.doneUpTo(role.fillUpTo)) return this.#announceComplete();
    const now = this.#clock.monotonic();
    if (role.complete && now >= this.#beatAt) return this.#beat();
    if (role.wishes.size > 0) return this.#publish();
    if (this.#tombstones.size > 0 && now >= this.#purgedAt + this.#purgePauseMs()) return this.#purge();
    return this.#wake.wait(Math.max(1, this.#beatAt - now), this.#signal);
  }

  /** Takes the writer's role: from here on nobody else's message is the next one. */
  async #claim(): Promise<void> {
    const role = this.#role;
    const { lastSeq } = await this.#bucket.ensure(this.#replicas);
    const current = await this.#bucket.writer();
    const record = {
      v: changeVersion,
      epoch: current?.epoch ?? randomUUID(),
      writer: randomUUID(),
      complete: current?.complete ?? false,
    } as const;
    const seq = await this.#bucket.putWriter(record, lastSeq);
    this.#log.info("took over the feed", { epoch: record.epoch, seq });
    role.claimed(record, seq);
    this.#checked = true;
    this.#aligned = false;
  }

  /** Asks whether this is still the writer, and whether the store is still the one it wrote. */
  async #check(): Promise<void> {
    const role = this.#role;
    const info = await this.#bucket.info();
    const current = info && (await this.#bucket.writer());
    if (!info || !current) {
      this.#log.warn("the store of the feed is gone: beginning a new epoch", { epoch: role.epoch });
      return this.#beginEpoch();
    }
    if (current.writer !== role.writer) throw new FencedError();
    if (current.epoch === role.epoch && info.lastSeq < role.held.seq) {
      this.#log.warn("the store of the feed has lost its end: beginning a new epoch", {
        seq: role.held.seq,
        found: info.lastSeq,
      });
      return this.#beginEpoch();
    }
    // An answer that was lost may have hidden that a record of ours was stored.
    role.adopt(current);
    if (info.lastSeq !== role.held.seq) this.#aligned = false;
    this.#checked = true;
  }

  /** Starts the store anew: followers keep what they have until it is complete. */
  async #beginEpoch(): Promise<void> {
    const { lastSeq } = await this.#bucket.ensure(this.#replicas);
    const record = { v: changeVersion, epoch: randomUUID(), writer: this.#role.writer, complete: false } as const;
    const seq = await this.#bucket.putWriter(record, lastSeq);
    if (lastSeq > 0) await this.#bucket.forgetAll(seq);
    this.#role.claimed(record, seq);
    this.#checked = true;
    this.#aligned = false;
  }

  /** Reads what the bucket holds and finds what is left to do. */
  async #align(): Promise<void> {
    const role = this.#role;
    const signal = this.#signal;
    const before = await this.#bucket.info();
    if (before === undefined) throw new Error("the bucket is gone");
    const stored = await readStored({
      connection: this.#connection,
      bucket: this.#bucket,
      clock: this.#clock,
      inboxPrefix: this.#inboxPrefix,
      signal,
    });
    const after = await this.#bucket.info();
    if (after?.lastSeq !== before.lastSeq || after.created !== before.created) throw new Error("somebody else writes");
    const entries = new Map<FeedKey, FeedEntry>();
    this.#tombstones = new Map();
    for (const message of stored) {
      if (message.kind === "writer") {
        if (message.record.writer !== role.writer) throw new FencedError();
        continue;
      }
      if (message.kind === "change" && message.change.op === "delete") {
        this.#tombstones.set(message.change.key, message.seq);
        continue;
      }
      const ours = message.kind === "change" && message.epoch === role.epoch && message.change.op === "put";
      const key = (message.kind === "change" ? message.change.key : message.key) as FeedKey;
      const { at } = message.kind === "change" ? message.change : message;
      const change = ours && message.change.op === "put" ? message.change : undefined;
      entries.set(key, { seq: message.seq, at, change });
    }
    role.held = new FeedState();
    role.held.acceptSnapshot({ epoch: role.epoch, seq: before.lastSeq, entries }, this.#clock.now());
    role.wishes.compare(role.held.entries);
    this.#aligned = true;
    this.#settle();
  }

  async #announceComplete(): Promise<void> {
    const role = this.#role;
    const record = { v: changeVersion, epoch: role.epoch, writer: role.writer, complete: true } as const;
    const seq = await this.#bucket.putWriter(record, role.held.seq);
    this.#advance(seq);
    role.adopt(record);
    this.#settle();
  }

  /** Publishes the next wishes, all under way at once, each naming the one before as the last. */
  async #publish(): Promise<void> {
    const role = this.#role;
    const wishes = role.wishes.take(WINDOW);
    let seq = role.held.seq;
    const sent: { wish: Wish; change: Change; stored: Promise<number> }[] = [];
    for (const wish of wishes) {
      const { key, trigger } = wish;
      const value = this.#fitting(wish);
      // There is nothing to delete: followers never heard of the key.
      if (value === undefined && !role.held.entries.has(key)) {
        role.wishes.held(wish);
        continue;
      }
      const change = changeOf({ epoch: role.epoch, seq: seq + 1, key, value, trigger, at: this.#clock.now() });
      const { data, headers } = changeMessage(change);
      sent.push({ wish, change, stored: this.#bucket.put(key, data, headers, seq) });
      seq++;
    }
    const results = await Promise.allSettled(sent.map(({ stored }) => stored));
    for (const [index, { wish, change }] of sent.entries()) {
      const result = results[index];
      if (result?.status !== "fulfilled") {
        // What is not known to be stored is found out by reading.
        this.#aligned = false;
        throw result?.reason;
      }
      this.#advance(result.value, change);
      role.wishes.held(wish);
      role.published++;
    }
    this.#settle();
  }

  /** A value that this server takes; one that is too large for it is withdrawn rather than left to grow old. */
  #fitting(wish: Wish): FeedValue | undefined {
    const { key, value } = wish;
    const limit = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    // Only slices grow large; measuring is as dear as publishing.
    if (value?.kind !== "slice" || limit >= maxChangeBytes) return value;
    const change = changeOf({ ...wish, epoch: this.#role.epoch, seq: this.#role.held.seq, at: this.#clock.now() });
    const bytes = changeMessage(change).data.byteLength + HEADER_BYTES;
    if (bytes <= limit) return value;
    this.#role.refused++;
    this.#log.error("a value is larger than the bus takes: it is missing from the feed", { key, bytes, limit });
    return undefined;
  }

  #advance(seq: number, change?: Change): void {
    const { held, epoch } = this.#role;
    const step = change === undefined ? { epoch, seq } : { epoch, seq, change };
    if (held.acceptLive(step) !== "apply") {
      this.#aligned = false;
      throw new Error(`stored as ${seq}, expected ${held.seq + 1}`);
    }
    if (change?.op === "delete") this.#tombstones.set(change.key, seq);
    else if (change) this.#tombstones.delete(change.key);
  }

  /** Says what the store holds, having just asked it: a heartbeat of a writer that was overtaken, or of a lost store, is never sent. */
  async #beat(): Promise<void> {
    const { held, epoch } = this.#role;
    const info = await this.#bucket.info();
    const now = this.#clock.monotonic();
    this.#beatAt = now + HEARTBEAT_MS;
    if (info?.lastSeq !== held.seq) {
      this.#checked = false;
      return;
    }
    const expected = held.entries.size + this.#tombstones.size + 1;
    if (info.messages !== expected && now >= this.#recountAt) {
      this.#log.warn("the store holds another number of keys than was written", { expected, found: info.messages });
      this.#recountAt = now + RECOUNT_MS;
      this.#aligned = false;
      return;
    }
    const { seq, digest, entries } = held;
    const beat = { v: changeVersion, epoch, seq, keys: entries.size, digest } as const;
    this.#connection.publish(this.#bucket.names.beat, recordBody(beat));
  }

  /**
   * Removes deletes from the store. Whoever follows has taken them by their place in the order; whoever reads the store finds the
   * key missing. The last message stays, as it tells where the order has got to.
   */
  async #purge(): Promise<void> {
    const due = [...this.#tombstones].filter(([, seq]) => seq < this.#role.held.seq).slice(0, MAX_TOMBSTONES);
    this.#purgedAt = this.#clock.monotonic();
    for (let at = 0; at < due.length; at += PURGES_AT_ONCE) {
      const some = due.slice(at, at + PURGES_AT_ONCE);
      const results = await Promise.allSettled(some.map(([key, seq]) => this.#bucket.forget(key, seq + 1)));
      for (const [index, [key]] of some.entries()) {
        const result = results[index];
        if (result?.status === "fulfilled") this.#tombstones.delete(key);
        else this.#log.warn("a deleted key stays in the store for now", { key, reason: reasonOf(result?.reason) });
      }
    }
  }

  #purgePauseMs(): number {
    return this.#tombstones.size >= MAX_TOMBSTONES ? HEARTBEAT_MS : this.#purgeEveryMs;
  }

  #settle(): void {
    if (this.#role.complete) this.#role.wishes.settle();
  }
}
