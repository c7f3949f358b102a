/** One waiter that can be woken. */
import type { Clock } from "@fairlead/types";

/** Wakes that come while nobody waits are remembered, as one: no wake is lost between looking and waiting. */
export class Wake {
  readonly #clock: Clock;
  #due = false;
  #resolve: (() => void) | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wake(): void {
    this.#due = true;
    this.#resolve?.();
  }

  /** Settles at the next wake, after `ms`, or when `signal` aborts. For one waiter at a time. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#due && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.setTimer(ms, () => this.#resolve?.());
        const aborted = (): void => this.#resolve?.();
        signal.addEventListener("abort", aborted, { once: true });
        this.#resolve = () => {
          cancel();
          signal.removeEventListener("abort", aborted);
          this.#resolve = undefined;
          resolve();
        };
      });
    }
    this.#due = false;
  }
}

/** Settles after `ms` or when `signal` aborts, whichever is first. */
export function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Wake(clock).wait(ms, signal);
}
