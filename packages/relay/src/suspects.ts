/** Endpoints that did not take a connection a moment ago: new ones go elsewhere, but for one trial at a time. */
import type { Clock } from "@fairlead/types";

/** How long an endpoint is passed over after a failed connect, in milliseconds. */
export const SUSPECT_MS = 1_000;

/**
 * Without this memory every connection would find out anew, at the price of a connect timeout where an endpoint is silent.
 * It is no health check: an endpoint is passed over only while there is another, and the first success clears it.
 */
export class Suspects {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #trialMs: number;
  /** Key → monotonic time from which on a trial may be made. */
  readonly #until = new Map<string, number>();

  /** `trialMs`: the longest that a trial may take. */
  constructor(options: { clock: Pick<Clock, "monotonic">; trialMs: number }) {
    this.#clock = options.clock;
    this.#trialMs = options.trialMs;
  }

  /** `tried` and the keys to pass over; `tried` itself where there are none. */
  excludedBeside(tried: ReadonlySet<string>): ReadonlySet<string> {
    if (this.#until.size === 0) return tried;
    const now = this.#clock.monotonic();
    const excluded = new Set(tried);
    for (const [key, until] of this.#until) if (until > now) excluded.add(key);
    return excluded;
  }

  /** This endpoint was picked: where it is under suspicion, that is its trial, and nobody joins in. */
  picked(key: string): void {
    if (this.#until.size === 0 || !this.#until.has(key)) return;
    this.#until.set(key, this.#clock.monotonic() + this.#trialMs);
  }

  failed(key: string): void {
    this.#until.set(key, this.#clock.monotonic() + SUSPECT_MS);
  }

  /** It took a connection, or is no endpoint any more. */
  clear(key: string): void {
    if (this.#until.size > 0) this.#until.delete(key);
  }
}
