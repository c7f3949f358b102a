/** The real clock and real randomness: the only place in `src` that asks the machine for either. */
import { performance } from "node:perf_hooks";
import type { Clock, Random } from "@fairlead/types";

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export const systemRandom: Random = () => Math.random();
