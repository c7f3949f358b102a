/**
 * Waiting for silence. What counts is not time alone but that this process has looked at its sockets meanwhile: on a busy machine it may not
 * have run for a second, and the answer may be waiting to be read, or (of a proxy in this very process) to be written.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "@fairlead/types";

/** Time between two looks at who has waited long enough, in ms: this process has to run so often, too. */
const lookIntervalMs = 50;

/** See the module. */
export class Patience {
  readonly #clock: Clock;
  /** What is to be done, and after how many looks. */
  readonly #waiting = new Map<object, { looks: number; readonly action: () => void }>();
  #looking = false;

  constructor(options: { readonly clock: Clock }) {
    this.#clock = options.clock;
  }

  /** Runs `action` after that much silence; the returned function cancels it. */
  after(ms: number, action: () => void): () => void {
    const key = {};
    this.#waiting.set(key, { looks: Math.ceil(ms / lookIntervalMs), action });
    if (!this.#looking) this.#look();
    return () => void this.#waiting.delete(key);
  }

  #look(): void {
    this.#looking = this.#waiting.size > 0;
    if (!this.#looking) return;
    this.#clock.setTimer(lookIntervalMs, () => {
      // A turn for what has come in by now, and one for what follows from it.
      void turn()
        .then(() => turn())
        .then(() => this.#count());
    });
  }

  #count(): void {
    for (const [key, wait] of this.#waiting) {
      wait.looks -= 1;
      if (wait.looks > 0) continue;
      this.#waiting.delete(key);
      wait.action();
    }
    this.#look();
  }
}
