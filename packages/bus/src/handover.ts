/**
 * The last step of every transport: hands one follower its batches, one at a time, and keeps promises 1 to 3 towards it
 * whatever the follower does. It holds what the follower was given, so that any doubt ends in a difference to that.
 */
import type { Change, Clock, FeedKey } from "@fairlead/types";
import { feedKindOf } from "@fairlead/types";
import { DEFAULT_KINDS } from "./feed.ts";
import type { FeedBatch, FeedStatus, Follower, Following } from "./feed.ts";
import { type FeedLog, reasonOf } from "./feed-log.ts";
import { difference, type FeedState, type PutChange } from "./feed-state.ts";

/** Changes that wait while a follower is busy; beyond it they are dropped for a snapshot, which is bounded by the number of keys. */
export const MAX_PENDING_CHANGES = 10_000;

/** Pause after a follower's first rejection, in ms; doubles with each further one. */
const FIRST_RETRY_MS = 100;

/** Longest pause after a rejection, in ms. */
const LAST_RETRY_MS = 5_000;

/** How long `stop` waits for a batch that the follower still works on, in ms. */
export const STOP_WAIT_MS = 5_000;

/** What a follower follows: the transport's own state and where that came from. */
export interface HandoverSource {
  readonly state: FeedState;
  readonly origin: "disk" | "snapshot";
}

/** See the module. */
export class Handover implements Following {
  readonly #follower: Follower;
  readonly #source: HandoverSource;
  readonly #clock: Clock;
  readonly #log: FeedLog;
  readonly #stopped: (handover: Handover) => void;
  /** What the follower has for sure. */
  readonly #given = new Map<FeedKey, PutChange>();
  /** Keys of rejected batches: the follower may or may not have taken them. */
  readonly #doubtful = new Set<FeedKey>();
  #pending: Change[] = [];
  #snapshotDue = false;
  #running: Promise<void> | undefined;
  #status: FeedStatus = "connecting";
  #rejections = 0;
  #wake: (() => void) | undefined;

  constructor(options: {
    follower: Follower;
    source: HandoverSource;
    clock: Clock;
    log: FeedLog;
    /** Told once, when it ends. */
    readonly stopped: (handover: Handover) => void;
  }) {
    this.#follower = options.follower;
    this.#source = options.source;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#stopped = options.stopped;
  }

  get status(): FeedStatus {
    return this.#status;
  }

  /** The source's state was replaced, or became known: the follower gets the difference. */
  snapshot(): void {
    this.#snapshotDue = true;
    this.#pending = [];
    this.#schedule();
  }

  /** The source's state moved by this change. */
  live(change: Change): void {
    if (this.#status === "closed" || this.#snapshotDue || !this.#wants(change.key)) return;
    if (this.#pending.length >= MAX_PENDING_CHANGES) {
      this.#log.warn("a follower is too slow: its waiting changes give way to a snapshot", {
        waiting: MAX_PENDING_CHANGES,
      });
      this.snapshot();
      return;
    }
    this.#pending.push(change);
    this.#schedule();
  }

  setStatus(status: FeedStatus): void {
    if (this.#status === status || this.#status === "closed") return;
    this.#status = status;
    try {
      this.#follower.status?.(status);
    } catch (error) {
      this.#log.error("a follower failed on a change of status", { status, reason: reasonOf(error) });
    }
  }

  async stop(): Promise<void> {
    if (this.#status !== "closed") {
      this.setStatus("closed");
      this.#pending = [];
      this.#stopped(this);
      this.#wake?.();
    }
    if (this.#running) await this.#bounded(this.#running);
  }

  #wants(key: FeedKey): boolean {
    return (this.#follower.kinds ?? DEFAULT_KINDS).includes(feedKindOf(key));
  }

  #schedule(): void {
    if (this.#running !== undefined || this.#status === "closed") return;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    // A microtask later, so that what is published or received in one turn is handed over together.
    await Promise.resolve();
    for (let batch = this.#next(); batch !== undefined; batch = this.#next()) {
      try {
        await this.#follower.apply(batch);
        this.#commit(batch);
      } catch (error) {
        this.#rejected(batch, error);
        await this.#pause(Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#rejections - 1)));
      }
    }
    this.#running = undefined;
  }

  #next(): FeedBatch | undefined {
    if (this.#status === "closed") return undefined;
    const { state, origin } = this.#source;
    const { epoch, seq } = state;
    const due = this.#snapshotDue;
    this.#snapshotDue = false;
    // Nothing is known yet: the source calls again when it is.
    if (epoch === undefined) return undefined;
    if (due) {
      this.#pending = [];
      const changes = difference(this.#given, this.#wanted(), { epoch, seq, at: this.#clock.now() }, this.#doubtful);
      return { source: origin, epoch, seq, changes };
    }
    if (this.#pending.length === 0) return undefined;
    const changes = this.#pending;
    this.#pending = [];
    return { source: "live", epoch, seq, changes };
  }

  #wanted(): Map<FeedKey, PutChange> {
    const wanted = new Map<FeedKey, PutChange>();
    for (const [key, { change }] of this.#source.state.entries) if (change && this.#wants(key)) wanted.set(key, change);
    return wanted;
  }

  #commit(batch: FeedBatch): void {
    this.#rejections = 0;
    for (const change of batch.changes) {
      this.#doubtful.delete(change.key);
      if (change.op === "put") this.#given.set(change.key, change);
      else this.#given.delete(change.key);
    }
  }

  #rejected(batch: FeedBatch, error: unknown): void {
    this.#rejections++;
    for (const change of batch.changes) this.#doubtful.add(change.key);
    this.#snapshotDue = true;
    this.#pending = [];
    this.#log.warn("a follower rejected a batch: it gets a snapshot", {
      source: batch.source,
      changes: batch.changes.length,
      rejections: this.#rejections,
      reason: reasonOf(error),
    });
  }

  #pause(ms: number): Promise<void> {
    if (this.#status === "closed") return Promise.resolve();
    return new Promise<void>((resolve) => {
      const cancel = this.#clock.setTimer(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    }).then(() => void (this.#wake = undefined));
  }

  async #bounded(work: Promise<void>): Promise<void> {
    let cancel = (): void => undefined;
    const patience = new Promise<void>((resolve) => {
      cancel = this.#clock.setTimer(STOP_WAIT_MS, resolve);
    });
    await Promise.race([work, patience]);
    cancel();
  }
}
