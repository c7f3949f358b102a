/** Level-triggered work by key: what changed is only a key, and processing looks at what holds now. */
import type { Clock, Random } from "@fairlead/types";

/** Keys processed at the same time, unless told. */
const DEFAULT_CONCURRENCY = 4;

/** Wait after a first failure, in ms, unless told; it doubles with each further one. */
const DEFAULT_BASE_DELAY_MS = 50;

/** Longest wait after a failure, in ms, unless told. */
const DEFAULT_MAX_DELAY_MS = 30_000;

/** What to do with a key, and how patiently. */
export interface WorkQueueOptions<K> {
  /** Brings the key's object from what is to what should be; throwing means "try again later". */
  readonly process: (key: K) => void | Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly concurrency?: number;
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  /** Gets each failure and how many there were in a row; must not throw itself. */
  readonly onError: (key: K, error: unknown, attempt: number) => void;
}

/**
 * A queue of keys, equal by `Map`'s rules (use strings or numbers). It promises:
 *
 * 1. A key is processed after every `add()` of it, by a call that starts after the add; adds before that share the call.
 * 2. A key is never processed twice at the same time: added meanwhile, it is processed once more afterwards.
 * 3. At most `concurrency` keys are processed at a time, in the order in which they were added.
 * 4. A key whose processing fails is tried again, for ever, after a wait that doubles from `baseDelayMs` up to `maxDelayMs` and
 *    is shortened at random by up to half. An `add()` does not wait for that. A success starts the count anew.
 * 5. `stop()` waits for what is being processed and starts nothing more.
 *
 * Bound: a key is held at most once in each state, so the queue is never longer than the number of distinct keys that exist. It
 * refuses and drops none: a controller that forgets a key is wrong until the next change of it.
 */
export class WorkQueue<K> {
  readonly #options: Required<WorkQueueOptions<K>>;
  /** Waiting for their turn; a Set keeps the order of adding. */
  readonly #queued = new Set<K>();
  readonly #processing = new Map<K, Promise<void>>();
  readonly #failures = new Map<K, number>();
  readonly #retries = new Map<K, () => void>();
  readonly #later = new Map<K, { readonly due: number; readonly cancel: () => void }>();
  #state: "new" | "started" | "stopped" = "new";
  #pumpPlanned = false;

  constructor(options: WorkQueueOptions<K>) {
    this.#options = {
      concurrency: DEFAULT_CONCURRENCY,
      baseDelayMs: DEFAULT_BASE_DELAY_MS,
      maxDelayMs: DEFAULT_MAX_DELAY_MS,
      ...options,
    };
    if (!(this.#options.concurrency >= 1)) throw new RangeError("a work queue needs a concurrency of at least 1");
  }

  /** Keys with work outstanding: queued, being processed or waiting for another try. `addAfter` counts from its time on. */
  get size(): number {
    return new Set([...this.#queued, ...this.#processing.keys(), ...this.#retries.keys()]).size;
  }

  /** Begins to process; what was added before is kept. */
  start(): void {
    if (this.#state !== "new") return;
    this.#state = "started";
    this.#planPump();
  }

  /** Asks for the key to be processed. Processing never starts within this call. After `stop()` it does nothing. */
  add(key: K): void {
    if (this.#state === "stopped") return;
    this.#queued.add(key);
    this.#planPump();
  }

  /** Adds the key after `ms`. Of several for one key the earliest counts: what is processed then can ask again. */
  addAfter(key: K, ms: number): void {
    if (this.#state === "stopped") return;
    const { clock } = this.#options;
    const due = clock.monotonic() + ms;
    const planned = this.#later.get(key);
    if (planned && planned.due <= due) return;
    planned?.cancel();
    const cancel = clock.setTimer(ms, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { due, cancel });
  }

  /** Settles when nothing is being processed any more; safe to call twice. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    for (const cancel of this.#retries.values()) cancel();
    for (const { cancel } of this.#later.values()) cancel();
    this.#retries.clear();
    this.#later.clear();
    this.#queued.clear();
    await Promise.all(this.#processing.values());
  }

  #planPump(): void {
    if (this.#pumpPlanned || this.#state !== "started") return;
    this.#pumpPlanned = true;
    queueMicrotask(() => {
      this.#pumpPlanned = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (const key of this.#queued) {
      if (this.#state !== "started" || this.#processing.size >= this.#options.concurrency) return;
      if (this.#processing.has(key)) continue;
      this.#queued.delete(key);
      // Entered before it begins, so that what `process` calls on this queue sees it as begun.
      this.#processing.set(
        key,
        Promise.resolve().then(() => this.#processOnce(key)),
      );
    }
  }

  async #processOnce(key: K): Promise<void> {
    // This try serves what was added up to now, and is the one that a pending retry was for.
    this.#queued.delete(key);
    this.#retries.get(key)?.();
    this.#retries.delete(key);
    try {
      if (this.#state === "stopped") return;
      await this.#options.process(key);
      this.#failures.delete(key);
    } catch (error) {
      const attempt = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, attempt);
      if (this.#state === "started") this.#retryLater(key, attempt);
      this.#options.onError(key, error, attempt);
    } finally {
      this.#processing.delete(key);
      this.#planPump();
    }
  }

  #retryLater(key: K, attempt: number): void {
    const { clock, random, baseDelayMs, maxDelayMs } = this.#options;
    const full = Math.min(maxDelayMs, baseDelayMs * 2 ** (attempt - 1));
    const cancel = clock.setTimer(full * (1 - random() / 2), () => {
      this.#retries.delete(key);
      this.add(key);
    });
    this.#retries.set(key, cancel);
  }
}
