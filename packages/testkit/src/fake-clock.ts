/** Time that moves only when a test says so. */
import type { Clock } from "@fairlead/types";

/** A test that fires more timers than this in one advance has a timer that re-arms itself without delay. */
const MAX_TIMERS_PER_ADVANCE = 100_000;

/** Rounds of the microtask queue between two timers: enough for a chain of awaits to reach its next timer. */
const MICROTASK_ROUNDS = 10;

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** A {@link Clock} under the test's control. Timers fire in order of their time, then in the order they were set. */
export class FakeClock implements Clock {
  readonly #startedAt: number;
  readonly #timers = new Set<Timer>();
  #elapsed = 0;

  /** `startAt` is the wall time in milliseconds since 1970; a day in 2026 unless told. */
  constructor(options: { startAt?: number } = {}) {
    this.#startedAt = options.startAt ?? 1_767_225_600_000;
  }

  now(): number {
    return this.#startedAt + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  setTimer(ms: number, callback: () => void): () => void {
    const timer = { due: this.#elapsed + Math.max(0, ms), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers are set: a part that has stopped leaves none. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Moves time on by `ms`, firing each timer that falls due at its own time and letting promises settle before and after
   * each. `advance(0)` fires what is due now. Rejects with what a callback throws.
   */
  async advance(ms: number): Promise<void> {
    const target = this.#elapsed + ms;
    await settle();
    for (let fired = 0; ; fired++) {
      const next = this.#earliest(target);
      if (!next) break;
      if (fired === MAX_TIMERS_PER_ADVANCE) throw new Error(`more than ${fired} timers fired while advancing ${ms} ms`);
      this.#timers.delete(next);
      this.#elapsed = Math.max(this.#elapsed, next.due);
      next.callback();
      await settle();
    }
    this.#elapsed = target;
  }

  #earliest(limit: number): Timer | undefined {
    let earliest: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.due <= limit && (!earliest || timer.due < earliest.due)) earliest = timer;
    }
    return earliest;
  }
}

async function settle(): Promise<void> {
  for (let round = 0; round < MICROTASK_ROUNDS; round++) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
}
