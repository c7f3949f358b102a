/** The machine's clock, but a test may set it forward and hold timers of one length back. */
import { systemClock } from "@fairlead/host";
import type { Clock } from "@fairlead/types";

/** See the module. */
export interface SteeredClock extends Clock {
  /** It is this much later from now on, in ms; timers do not notice. */
  skip(ms: number): void;
  /** Ends timers of exactly this many ms that were set since, and those still to come at once. */
  release(): void;
}

/** `held`: length of the timers that wait for `release`, in ms. */
export function steeredClock(held = -1): SteeredClock {
  let offset = 0;
  let released = false;
  const waiting = new Set<() => void>();
  return {
    now: () => systemClock.now() + offset,
    monotonic: () => systemClock.monotonic() + offset,
    setTimer(ms, callback) {
      if (ms !== held || released) return systemClock.setTimer(released && ms === held ? 0 : ms, callback);
      waiting.add(callback);
      return () => void waiting.delete(callback);
    },
    skip: (ms) => void (offset += ms),
    release() {
      released = true;
      for (const callback of waiting) callback();
    },
  };
}
