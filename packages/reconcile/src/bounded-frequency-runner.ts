/** One level-triggered job, run neither too often nor too seldom. */
import type { Clock } from "@fairlead/types";

/** What to run, and how often. */
export interface BoundedFrequencyRunnerOptions {
  /** For errors and logs. */
  readonly name: string;
  /** Does all there is to do; it is told nothing about what changed. */
  readonly run: () => void | Promise<void>;
  readonly minIntervalMs: number;
  readonly maxIntervalMs: number;
  readonly retryIntervalMs: number;
  readonly clock: Clock;
  /** Gets what `run` throws; must not throw itself. */
  readonly onError: (error: unknown) => void;
}

/**
 * Runs a job on request, and promises:
 *
 * 1. Two runs start at least `minIntervalMs` apart.
 * 2. After every `request()` a run starts that sees what held at the time of the request: at once if (1) allows, else as soon
 *    as it does. Requests that come before that run starts share it; one that comes while a run goes on gets the next.
 * 3. Without a request a run starts at the latest `maxIntervalMs` after the last one started, or after `start()`.
 * 4. After a run that failed the next starts at the latest `retryIntervalMs` after its end, within (1).
 * 5. Two runs never overlap: one that takes longer than an interval delays the next.
 * 6. `stop()` waits for the run that goes on; none starts after it.
 *
 * A request made before `start()` is kept. A run never starts within the call of `request()`.
 */
export class BoundedFrequencyRunner {
  readonly name: string;
  readonly #options: BoundedFrequencyRunnerOptions;
  #state: "new" | "started" | "stopped" = "new";
  #requested = false;
  #running: Promise<void> | undefined;
  /** From when on another run may start, on the monotonic clock. */
  #notBefore = 0;
  /** When a run is due though nobody asks. */
  #dueAnyway = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: BoundedFrequencyRunnerOptions) {
    if (!(options.minIntervalMs >= 0) || !(options.maxIntervalMs > 0) || !(options.retryIntervalMs >= 0)) {
      throw new RangeError(`${options.name}: intervals must not be negative, and the longest not 0`);
    }
    this.name = options.name;
    this.#options = options;
  }

  /** Begins; does nothing the second time. */
  start(): void {
    if (this.#state !== "new") return;
    this.#state = "started";
    this.#notBefore = this.#options.clock.monotonic();
    this.#dueAnyway = this.#notBefore + this.#options.maxIntervalMs;
    this.#arm();
  }

  /** Asks for a run; cheap, and safe to call at any time and rate. */
  request(): void {
    if (this.#requested) return;
    this.#requested = true;
    this.#arm();
  }

  /** Settles when no run goes on and none will; safe to call twice. */
  async stop(): Promise<void> {
    this.#state = "stopped";
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    await this.#running;
  }

  #arm(): void {
    if (this.#state !== "started" || this.#running) return;
    this.#cancelTimer?.();
    const due = this.#requested ? this.#notBefore : Math.max(this.#dueAnyway, this.#notBefore);
    const { clock } = this.#options;
    this.#cancelTimer = clock.setTimer(Math.max(0, Math.ceil(due - clock.monotonic())), () => {
      this.#cancelTimer = undefined;
      // Real timers may fire a fraction of a millisecond early.
      if (clock.monotonic() < due) this.#arm();
      // A promise first, so that what `run` calls on this runner sees it as running.
      else this.#running = Promise.resolve().then(() => this.#runOnce());
    });
  }

  async #runOnce(): Promise<void> {
    const { clock, run, onError, minIntervalMs, maxIntervalMs, retryIntervalMs } = this.#options;
    const startedAt = clock.monotonic();
    this.#requested = false;
    this.#notBefore = startedAt + minIntervalMs;
    this.#dueAnyway = startedAt + maxIntervalMs;
    try {
      if (this.#state === "started") await run();
    } catch (error) {
      this.#dueAnyway = Math.min(this.#dueAnyway, clock.monotonic() + retryIntervalMs);
      onError(error);
    } finally {
      this.#running = undefined;
      this.#arm();
    }
  }
}
