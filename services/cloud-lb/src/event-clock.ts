/** The time that Events are given. */
import type { Clock } from "@fairlead/types";

/**
 * A clock whose wall time grows with every look, by at least a millisecond: who reads Events sorts them by it, and two of one moment would
 * change places.
 */
export function growingClock(clock: Clock): Clock {
  let last = Number.NEGATIVE_INFINITY;
  return {
    now: () => (last = Math.max(Math.floor(clock.now()), last + 1)),
    monotonic: () => clock.monotonic(),
    setTimer: (ms, callback) => clock.setTimer(ms, callback),
  };
}
