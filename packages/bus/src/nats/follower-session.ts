/**
 * What a follower does over one connection: it listens first, then aligns its state with the bucket, then moves with it step by
 * step. Any doubt (a number left out, a digest that differs, silence) ends in aligning again; see {@link SessionHooks} for
 * what comes out of it. Lost messages show at the next message, or at the next heartbeat; lost heartbeats show by silence.
 */
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import type { Change, Clock, FeedKey, Random } from "@fairlead/types";
import { type FeedLog, reasonOf } from "../feed-log.ts";
import type { FeedEntry, FeedState } from "../feed-state.ts";
import type { Bucket, BucketInfo } from "./bucket.ts";
import { type FeedMessage, readHeartbeat, readLivePut, readMessage } from "./message.ts";
import { readStored } from "./stored-reader.ts";
import { pause, Wake } from "./wake.ts";

/** Messages kept while a snapshot is read; beyond it the snapshot is read again. */
export const MAX_BUFFERED_MESSAGES = 50_000;

/** How long a message that must have been sent may still be on its way, in ms. */
const GRACE_MS = 300;

/** How often it is looked whether such a message has come, in ms. */
const CATCH_UP_MS = 5;

/** Silence after which the bucket is asked, in ms, and how often again. With {@link GRACE_MS} and an answer's time: within 3 s. */
const SILENCE_MS = 1_500;

/** How often silence is looked for, and whether an empty or unfinished bucket has become a feed, in ms. */
const LOOK_MS = 500;

/** Failed alignings in a row after which the connection is given up. */
const MAX_FAILURES = 5;

/** Pause after the first failed aligning, in ms; doubles. */
const FIRST_RETRY_MS = 100;

/** Shortest and longest time between two snapshots because of a digest, in ms: it doubles while they do not help. */
const FIRST_DIFFERENCE_MS = 1_000;
const LAST_DIFFERENCE_MS = 60_000;

/** What a session tells its owner. */
export interface SessionHooks {
  /** The state now is the feed's: read anew (`snapshot`), or found to be it as it was (`resumed`). */
  aligned(how: "snapshot" | "resumed"): void;
  /** The state moved by this change. */
  stepped(change: Change): void;
  /** The feed was heard from: a message, a heartbeat, a snapshot. */
  heard(): void;
  /** A doubt arose, and the state is aligned anew. */
  doubted(reason: string): void;
  /** Entries of the last snapshot that could not be read. */
  unreadable(keys: readonly string[]): void;
}

/** See the module. */
export class FollowerSession {
  readonly #connection: NatsConnection;
  readonly #signal: AbortSignal;
  readonly #bucket: Bucket;
  readonly #state: FeedState;
  readonly #hooks: SessionHooks;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: FeedLog;
  readonly #inboxPrefix: string | undefined;
  readonly #jitterMs: number;
  readonly #wake: Wake;
  /** Messages that wait for the state to be aligned; undefined while it is. */
  #buffer: FeedMessage[] | undefined = [];
  /** The state is in doubt although its place may match: only a snapshot will do. */
  #distrusted = false;
  #heardAt: number;
  /** What the feed is known to have reached, and by when this follower must have as well. */
  #expected: { seq: number; by: number; how: string } | undefined;
  #aheadAt = -1;
  #differences = 0;
  #differsAgainAt = 0;

  constructor(options: {
    connection: NatsConnection;
    signal: AbortSignal;
    bucket: Bucket;
    state: FeedState;
    hooks: SessionHooks;
    clock: Clock;
    random: Random;
    log: FeedLog;
    inboxPrefix: string | undefined;
    jitterMs: number;
  }) {
    this.#connection = options.connection;
    this.#signal = options.signal;
    this.#bucket = options.bucket;
    this.#state = options.state;
    this.#hooks = options.hooks;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
    this.#inboxPrefix = options.inboxPrefix;
    this.#jitterMs = options.jitterMs;
    this.#wake = new Wake(options.clock);
    this.#heardAt = options.clock.monotonic();
  }

  /** Settles when the connection is gone; rejects when it is of no use. */
  async run(): Promise<void> {
    const { changePrefix, beat } = this.#bucket.names;
    this.#connection.subscribe(`${changePrefix}>`, { callback: (error, message) => this.#onChange(error, message) });
    this.#connection.subscribe(beat, { callback: (error, message) => this.#onBeat(error, message) });
    await this.#connection.flush();
    let failures = 0;
    while (!this.#signal.aborted) {
      if (this.#buffer === undefined) {
        await this.#wake.wait(this.#untilLook(), this.#signal);
        await this.#look();
        continue;
      }
      try {
        const ready = await this.#align();
        failures = 0;
        if (!ready) await this.#wake.wait(LOOK_MS * (1 + this.#random()), this.#signal);
      } catch (error) {
        if (this.#signal.aborted) return;
        if (++failures >= MAX_FAILURES) throw error;
        this.#log.debug("no snapshot yet", { reason: reasonOf(error), failures });
        await this.#wake.wait(FIRST_RETRY_MS * 2 ** failures * (1 - this.#random() / 2), this.#signal);
      }
    }
  }

  /** Makes the state the feed's. False if there is no complete feed yet; rejects if it could not be read as one. */
  async #align(): Promise<boolean> {
    // What came before the question is part of the answer, or of a store that is no more.
    this.#buffer = [];
    const info = await this.#bucket.info();
    const writer = info && (await this.#bucket.writer());
    if (!info || writer?.complete !== true) return false;
    const { epoch, seq } = this.#state;
    if (!this.#distrusted && epoch === writer.epoch && seq === info.lastSeq) {
      this.#goLive("resumed");
      return true;
    }
    if (epoch !== undefined) await this.#wake.wait(this.#random() * this.#jitterMs, this.#signal);
    await this.#readSnapshot(info, writer.epoch);
    return true;
  }

  async #readSnapshot(before: BucketInfo, epoch: string): Promise<void> {
    const connection = this.#connection;
    const bucket = this.#bucket;
    const signal = this.#signal;
    const stored = await readStored({ connection, bucket, clock: this.#clock, inboxPrefix: this.#inboxPrefix, signal });
    const after = await bucket.info();
    if (after?.created !== before.created || after.lastSeq < before.lastSeq) throw new Error("the bucket was replaced");
    const entries = new Map<FeedKey, FeedEntry>();
    let complete = false;
    for (const message of stored) {
      if (message.kind === "writer") complete = message.epoch === epoch && message.record.complete;
      else enter(entries, message, epoch);
    }
    if (!complete) throw new Error("the writer has changed meanwhile");
    // What was stored while the others were delivered has come by the subscription, without a gap from `before` on.
    const seq = await this.#catchUp(before.lastSeq, after.lastSeq);
    for (const message of this.#buffer ?? []) {
      if (message.seq <= before.lastSeq || message.seq > seq) continue;
      if (message.epoch !== epoch && message.kind !== "unreadable") throw new Error("the epoch has changed meanwhile");
      if (message.kind === "writer" && !message.record.complete) throw new Error("the feed is being filled anew");
      if (message.kind !== "writer") enter(entries, message, epoch);
    }
    this.#state.acceptSnapshot({ epoch, seq, entries }, this.#clock.now());
    this.#distrusted = false;
    const lost = [...entries].filter(([, entry]) => entry.change === undefined).map(([key]) => key);
    this.#hooks.unreadable(lost);
    this.#goLive("snapshot");
  }

  /** The last place up to which every message since `from` is in the buffer: at least `to`, or it rejects after a while. */
  async #catchUp(from: number, to: number): Promise<number> {
    const deadline = this.#clock.monotonic() + GRACE_MS;
    for (;;) {
      let reached = from;
      for (const { seq } of this.#buffer ?? []) if (seq === reached + 1) reached = seq;
      if (reached >= to) return reached;
      const left = deadline - this.#clock.monotonic();
      if (left <= 0 || this.#signal.aborted) throw new Error(`messages after ${reached} are missing, up to ${to}`);
      await pause(this.#clock, Math.min(left, CATCH_UP_MS), this.#signal);
    }
  }

  #goLive(how: "snapshot" | "resumed"): void {
    const waiting = this.#buffer ?? [];
    this.#buffer = undefined;
    this.#expected = undefined;
    this.#aheadAt = -1;
    this.#heard();
    this.#hooks.aligned(how);
    for (const message of waiting) this.#take(message);
  }

  /** A message in its turn. */
  #take(message: FeedMessage): void {
    if (this.#buffer !== undefined) {
      if (this.#buffer.length >= MAX_BUFFERED_MESSAGES) this.#buffer = [];
      this.#buffer.push(message);
      // Where the feed was not there or not complete, this may change it.
      if (message.kind === "writer") this.#wake.wake();
      return;
    }
    if (message.kind === "unreadable") {
      // Already part of the state where a snapshot has seen it.
      if (message.seq <= this.#state.seq) return;
      this.#log.warn("a change cannot be read", { key: message.key, seq: message.seq, reason: message.reason });
      this.#doubt("a change could not be read");
      return;
    }
    const { epoch, seq } = message;
    const step = message.kind === "change" ? { epoch, seq, change: message.change } : { epoch, seq };
    switch (this.#state.acceptLive(step)) {
      case "duplicate":
        return;
      case "gap":
        this.#doubt(epoch === this.#state.epoch ? "messages were lost" : "a new epoch has begun");
        return;
      case "apply":
        this.#heard();
        if (message.kind === "change") this.#hooks.stepped(message.change);
    }
  }

  #onChange(error: Error | null, message: Msg): void {
    if (error || this.#signal.aborted) return;
    const key = message.subject.slice(this.#bucket.names.changePrefix.length);
    const put = readLivePut(key, message.data);
    if (put !== undefined) {
      this.#take(put);
      return;
    }
    const seq = Number(message.headers?.get("Nats-Sequence") || Number.NaN);
    // Not repeated by the server, so nothing that was stored.
    if (!Number.isSafeInteger(seq)) return;
    this.#take(readMessage({ key, seq, data: message.data, headers: message.headers }));
  }

  #onBeat(error: Error | null, message: Msg): void {
    if (error || this.#signal.aborted || this.#buffer !== undefined) return;
    try {
      const beat = readHeartbeat(message.data);
      const { epoch, seq, digest, entries } = this.#state;
      if (beat.epoch !== epoch) this.#doubt("a heartbeat tells of another epoch");
      else if (beat.seq > seq) this.#expect(beat.seq, "messages were lost before a heartbeat");
      else if (beat.seq < seq) this.#ahead(seq);
      else if (beat.digest !== digest || beat.keys !== entries.size) {
        this.#differs(seq, entries.size, beat.keys);
      } else {
        this.#aheadAt = -1;
        this.#differences = 0;
      }
      // A doubt just raised fills the buffer again: then the feed was heard, but not this follower's state of it.
      if (!this.#inDoubt()) this.#heard();
    } catch (failure) {
      this.#log.warn("a heartbeat cannot be read", { reason: reasonOf(failure) });
    }
  }

  /** Where the store itself is not what the writer says, a snapshot does not help: the next one waits longer. */
  #differs(seq: number, keys: number, expected: number): void {
    const now = this.#clock.monotonic();
    if (now < this.#differsAgainAt) return;
    this.#log.error("the state differs from the feed's", { seq, keys, expected });
    this.#differsAgainAt = now + Math.min(LAST_DIFFERENCE_MS, FIRST_DIFFERENCE_MS * 2 ** this.#differences++);
    this.#distrusted = true;
    this.#doubt("the digest differs");
  }

  /** A heartbeat may be a little older than the last change, but two of them with nothing new between show a store that lost its end. */
  #ahead(seq: number): void {
    if (this.#aheadAt === seq) {
      this.#distrusted = true;
      this.#doubt("the feed is behind this follower");
    } else {
      this.#aheadAt = seq;
    }
  }

  #expect(seq: number, how: string): void {
    if (this.#expected !== undefined && this.#expected.seq <= seq) return;
    this.#expected = { seq, by: this.#clock.monotonic() + GRACE_MS, how };
    this.#wake.wake();
  }

  #untilLook(): number {
    if (this.#expected === undefined) return LOOK_MS;
    return Math.max(1, Math.min(LOOK_MS, this.#expected.by - this.#clock.monotonic()));
  }

  #inDoubt(): boolean {
    return this.#buffer !== undefined;
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#hooks.heard();
  }

  #doubt(reason: string): void {
    if (this.#buffer !== undefined) return;
    this.#buffer = [];
    this.#expected = undefined;
    this.#hooks.doubted(reason);
    this.#wake.wake();
  }

  /** Looks for what should have come and has not. */
  async #look(): Promise<void> {
    if (this.#signal.aborted || this.#buffer !== undefined) return;
    const now = this.#clock.monotonic();
    const expected = this.#expected;
    if (expected !== undefined && now >= expected.by) {
      this.#expected = undefined;
      if (this.#state.seq < expected.seq) this.#doubt(expected.how);
      return;
    }
    if (now - this.#heardAt < SILENCE_MS) return;
    const info = await this.#bucket.info();
    // The next look in as long again; status tells of the silence itself.
    this.#heardAt = this.#clock.monotonic();
    if (info === undefined || this.#inDoubt()) return;
    const { seq } = this.#state;
    if (info.lastSeq > seq) this.#expect(info.lastSeq, "messages were lost before a silence");
    else if (info.lastSeq < seq) {
      this.#distrusted = true;
      this.#doubt("the feed is behind this follower");
    }
  }
}

/** Enters a stored message into a snapshot that is being put together, if nothing newer is there. */
function enter(
  entries: Map<FeedKey, FeedEntry>,
  message: Exclude<FeedMessage, { kind: "writer" }>,
  epoch: string,
): void {
  if (message.kind === "unreadable") {
    const key = message.key as FeedKey;
    if ((entries.get(key)?.seq ?? 0) < message.seq) {
      entries.set(key, { seq: message.seq, at: message.at, change: undefined });
    }
    return;
  }
  // Left over from an earlier life of the store.
  if (message.epoch !== epoch) return;
  const { change } = message;
  if ((entries.get(change.key)?.seq ?? 0) >= change.seq) return;
  if (change.op === "put") entries.set(change.key, { seq: change.seq, at: change.at, change });
  else entries.delete(change.key);
}
