/**
 * What the feed should say, and which of it the bus does not hold yet. Pure. Bounded by the number of keys: of each key only the
 * last wish counts. Every wish has a number; a promise waits until nothing up to its number is left.
 */
import type { FeedKey, FeedValue } from "@fairlead/types";
import type { Publication } from "../feed.ts";
import { type FeedEntry, sameValue } from "../feed-state.ts";

/** Promises that wait at a time; beyond it, a new one shares the fate of the last. */
export const MAX_WAITING_PROMISES = 10_000;

/** A wish for one key; `value` undefined: that it be gone. */
export interface Wish {
  readonly key: FeedKey;
  readonly value: FeedValue | undefined;
  readonly trigger: number | undefined;
  /** Number of the oldest wish for this key that the bus has not been told yet. */
  readonly since: number;
}

interface Waiting {
  upTo: number;
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

/** See the module. */
export class Wishes {
  #wanted = new Map<FeedKey, FeedValue>();
  /** Not under way, in the order to publish. */
  #open = new Map<FeedKey, Wish>();
  /** Under way. */
  #flying = new Map<FeedKey, Wish>();
  #waiting: Waiting[] = [];
  #number = 0;

  /** Wishes that the bus does not hold yet. */
  get size(): number {
    return this.#open.size + this.#flying.size;
  }

  /** Number of the last wish. */
  get number(): number {
    return this.#number;
  }

  /** Wishes for exactly these values. Settles when the bus holds them, as {@link settle} is told. */
  replace(values: ReadonlyMap<FeedKey, FeedValue>): Promise<void> {
    this.#number++;
    for (const key of this.#wanted.keys()) if (!values.has(key)) this.#add(key, undefined, undefined);
    this.#wanted = new Map(values);
    for (const [key, value] of values) this.#add(key, value, undefined);
    return this.#wait();
  }

  /** Adds wishes. Settles when the bus holds them. */
  add(publications: readonly Publication[]): Promise<void> {
    this.#number++;
    for (const { key, value, trigger } of publications) {
      if (value === undefined) this.#wanted.delete(key);
      else this.#wanted.set(key, value);
      this.#add(key, value, trigger);
    }
    return this.#wait();
  }

  /** Starts over from what the bus holds: left is what differs from what is wanted. */
  compare(held: ReadonlyMap<FeedKey, FeedEntry>): void {
    const before = new Map([...this.#flying, ...this.#open]);
    this.#flying = new Map();
    this.#open = new Map();
    const keep = (key: FeedKey): void => {
      const value = this.#wanted.get(key);
      const entry = held.get(key);
      const holds = value === undefined ? entry === undefined : holdsValue(entry, value);
      if (holds) return;
      const wish = before.get(key);
      this.#open.set(key, { key, value, trigger: wish?.trigger, since: wish?.since ?? this.#number });
    };
    for (const key of before.keys()) keep(key);
    for (const key of held.keys()) if (!before.has(key)) keep(key);
    for (const key of this.#wanted.keys()) if (!before.has(key)) keep(key);
  }

  /** Takes up to `count` wishes under way. */
  take(count: number): Wish[] {
    const taken: Wish[] = [];
    for (const wish of this.#open.values()) {
      if (taken.length === count) break;
      taken.push(wish);
    }
    for (const wish of taken) {
      this.#open.delete(wish.key);
      this.#flying.set(wish.key, wish);
    }
    return taken;
  }

  /** The bus holds this one. */
  held(wish: Wish): void {
    if (this.#flying.get(wish.key) === wish) this.#flying.delete(wish.key);
  }

  /** Whether the bus holds everything up to this number. */
  doneUpTo(number: number): boolean {
    return this.#oldest() > number;
  }

  /** Settles the promises whose wishes the bus holds. */
  settle(): void {
    if (this.#waiting.length === 0) return;
    const oldest = this.#oldest();
    const done = this.#waiting.filter((waiting) => waiting.upTo < oldest);
    if (done.length === 0) return;
    this.#waiting = this.#waiting.slice(done.length);
    for (const waiting of done) waiting.resolve();
  }

  /** Drops everything that is not held and rejects who waits. */
  fail(error: Error): void {
    const { length } = this.#waiting;
    this.#open.clear();
    this.#flying.clear();
    for (const waiting of this.#waiting.splice(0, length)) waiting.reject(error);
  }

  #add(key: FeedKey, value: FeedValue | undefined, trigger: number | undefined): void {
    const since = this.#open.get(key)?.since ?? this.#number;
    // At the end: an older wish for the key must not run ahead of what was wished before this one.
    this.#open.delete(key);
    this.#open.set(key, { key, value, trigger, since });
  }

  #oldest(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { since } of this.#flying.values()) oldest = Math.min(oldest, since);
    for (const { since } of this.#open.values()) oldest = Math.min(oldest, since);
    return oldest;
  }

  #wait(): Promise<void> {
    const last = this.#waiting.at(-1);
    if (last !== undefined && this.#waiting.length >= MAX_WAITING_PROMISES) {
      last.upTo = this.#number;
      return last.promise;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ upTo: this.#number, promise, resolve, reject });
    return promise;
  }
}

/** An entry that cannot be read holds nothing that is known. */
function holdsValue(entry: FeedEntry | undefined, value: FeedValue): boolean {
  return entry?.change !== undefined && sameValue(entry.change.value, value);
}
