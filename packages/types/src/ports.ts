/** The two things that make logic hard to test, as arguments. Real ones come from `@fairlead/host`, fakes from `@fairlead/testkit`. */

/** Time and timers. */
export interface Clock {
  /** Wall time, in milliseconds since 1970. */
  now(): number;
  /** Time that never goes back, in milliseconds from an arbitrary start; may have a fraction. */
  monotonic(): number;
  /** Runs `callback` once after `ms`; the returned function cancels it. */
  setTimer(ms: number, callback: () => void): () => void;
}

/** Uniform random numbers in [0, 1). */
export type Random = () => number;
