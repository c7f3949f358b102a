/**
 * The time between being told to stop and stopping: it still answers and is no longer ready, so that clients and balancers can turn
 * elsewhere first.
 */
import type { Logger } from "@fairlead/host";
import type { Clock } from "@fairlead/types";

/** See the module. */
export class LameDuck {
  readonly #ms: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  #begun = false;

  constructor(options: { readonly ms: number; readonly clock: Clock; readonly log: Logger }) {
    this.#ms = options.ms;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Why this server should not be asked any more, or undefined. */
  readonly notReady = (): string | undefined => (this.#begun ? "about to stop" : undefined);

  /** Not ready from now on; settles when the time is over. */
  async wait(): Promise<void> {
    this.#begun = true;
    if (this.#ms === 0) return;
    this.#log.info("still answering before it stops", { ms: this.#ms });
    await new Promise<void>((resolve) => {
      this.#clock.setTimer(this.#ms, resolve);
    });
  }
}
