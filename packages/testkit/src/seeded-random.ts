/** Randomness that repeats. */
import type { Random } from "@fairlead/types";

/**
 * The same seed gives the same numbers in [0, 1), on every machine. A Weyl sequence put through the 32-bit finaliser of
 * MurmurHash3 (the construction of SplitMix, Steele, Lea and Flood 2014); good for tests, not for secrets.
 */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
