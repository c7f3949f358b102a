/** Keeps the copy on disk near the state, at a bounded cost. */
import type { Clock } from "@fairlead/types";
import { type FeedLog, reasonOf } from "../feed-log.ts";
import type { FeedSnapshot, FeedState } from "../feed-state.ts";
import { readCopy, writeCopy } from "./disk-copy.ts";

/** Shortest time between two writes, in ms. */
const WRITE_EVERY_MS = 1_000;

/** A write that took a time is followed by a pause of this many times that: a large feed in motion costs 5 % of one core at most. */
const REST_FACTOR = 20;

/** See the module. */
export class CopyKeeper {
  readonly #path: string;
  readonly #state: FeedState;
  readonly #clock: Clock;
  readonly #log: FeedLog;
  #cancel: (() => void) | undefined;
  #writing: Promise<void> | undefined;
  #due = false;
  #stopped = false;
  #restMs = WRITE_EVERY_MS;

  constructor(options: { path: string; state: FeedState; clock: Clock; log: FeedLog }) {
    this.#path = options.path;
    this.#state = options.state;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** The copy; undefined, with a warning, if it is of no use. */
  async read(): Promise<FeedSnapshot | undefined> {
    try {
      return await readCopy(this.#path);
    } catch (error) {
      this.#log.warn("the copy of the feed on disk is ignored", { path: this.#path, reason: reasonOf(error) });
      return undefined;
    }
  }

  /** The state has changed: it is written before long. */
  changed(): void {
    this.#due = true;
    if (this.#cancel !== undefined || this.#writing !== undefined || this.#stopped) return;
    this.#cancel = this.#clock.setTimer(this.#restMs, () => {
      this.#cancel = undefined;
      void this.#write();
    });
  }

  /** Writes what is not yet written. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#cancel = undefined;
    await this.#writing;
    if (this.#due) await this.#write();
  }

  #write(): Promise<void> {
    this.#due = false;
    const startedAt = this.#clock.monotonic();
    this.#writing = this.#save().finally(() => {
      this.#writing = undefined;
      this.#restMs = Math.max(WRITE_EVERY_MS, REST_FACTOR * (this.#clock.monotonic() - startedAt));
      if (this.#due) this.changed();
    });
    return this.#writing;
  }

  async #save(): Promise<void> {
    const snapshot = this.#state.snapshot();
    if (snapshot === undefined) return;
    try {
      await writeCopy(this.#path, snapshot);
    } catch (error) {
      this.#log.warn("the copy of the feed cannot be written", { path: this.#path, reason: reasonOf(error) });
    }
  }
}
