/** Lets one caller through in each turn of the event loop. */

/**
 * Starting a process holds the event loop up while the kernel copies our page tables (some milliseconds). Fifty at once
 * would stop all traffic that passes through this process; one a turn lets the rest have its share.
 */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Settles when it is the caller's turn. */
  next(): Promise<void> {
    this.#last = this.#last.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#last;
  }
}
