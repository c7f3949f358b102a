/** The machine's own clock and chance, for suites that talk to a real server. */
import { performance } from "node:perf_hooks";
import type { Clock, Random } from "@fairlead/types";

export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export const realRandom: Random = () => Math.random();
