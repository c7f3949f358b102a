/** The time limits of all connections, looked at together now and then: a timer for each would cost more than the request it guards. */
import type { Clock } from "@fairlead/types";

/** How often it is looked, in milliseconds: by so much a limit may be overstepped. */
export const DEADLINE_STEP_MS = 100;

/** What may take too long. */
export interface Timed {
  /** In milliseconds of {@link Deadlines.now}; Infinity for no limit. */
  readonly deadline: number;
  /** The deadline has passed. Called at every look until the deadline is moved or the thing is dropped. */
  expire(): void;
}

/** See the module. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #timed = new Set<Timed>();
  #now: number;
  #running = false;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
    this.#now = options.clock.monotonic();
  }

  /** The deadline that lies `ms` ahead. */
  after(ms: number): number {
    if (!this.#running) this.#now = this.#clock.monotonic();
    // The last look may be a whole step ago.
    return this.#now + ms + DEADLINE_STEP_MS;
  }

  add(timed: Timed): void {
    this.#timed.add(timed);
    if (this.#running) return;
    this.#running = true;
    this.#now = this.#clock.monotonic();
    this.#wait();
  }

  delete(timed: Timed): void {
    this.#timed.delete(timed);
  }

  #wait(): void {
    this.#clock.setTimer(DEADLINE_STEP_MS, () => {
      this.#now = this.#clock.monotonic();
      for (const timed of this.#timed) if (timed.deadline <= this.#now) timed.expire();
      if (this.#timed.size > 0) this.#wait();
      else this.#running = false;
    });
  }
}
