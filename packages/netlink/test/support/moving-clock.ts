/** Time that passes by itself, as fast as somebody waits for it: for tests of many conversations, each with one waiter. */
import type { Clock } from "@fairlead/types";

/** See the module. */
export class MovingClock implements Clock {
  #elapsed = 0;

  now(): number {
    return this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** Whoever waits is called in the event loop's next turn, and by then the time is over. */
  setTimer(ms: number, callback: () => void): () => void {
    const due = this.#elapsed + ms;
    const handle = setImmediate(() => {
      this.pass(Math.max(0, due - this.#elapsed));
      callback();
    });
    return () => clearImmediate(handle);
  }

  /** What takes time without waiting. */
  pass(ms: number): void {
    this.#elapsed += ms;
  }
}
