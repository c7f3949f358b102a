/** From the name of an algorithm to a picker. */
import type { Random, SchedulerName } from "@fairlead/types";
import { destinationHash } from "./algorithms/destination-hash.ts";
import { leastConnections } from "./algorithms/least-connections.ts";
import { MaglevPicker } from "./algorithms/maglev.ts";
import { neverQueue } from "./algorithms/never-queue.ts";
import { PowerOfTwoPicker } from "./algorithms/power-of-two.ts";
import { RandomPicker } from "./algorithms/random.ts";
import { RoundRobinPicker } from "./algorithms/round-robin.ts";
import { shortestExpectedDelay } from "./algorithms/shortest-expected-delay.ts";
import { SmoothWeightedPicker } from "./algorithms/smooth-weighted.ts";
import { sourceHash } from "./algorithms/source-hash.ts";
import { weightedLeastConnections } from "./algorithms/weighted-least-connections.ts";
import type { Picker } from "./picker.ts";

/** A new picker of this algorithm: one for each Service port, for it keeps the place of its rotation. */
export function createPicker(name: SchedulerName, options: { readonly random: Random }): Picker {
  switch (name) {
    case "rr":
      return new RoundRobinPicker(options);
    case "wrr":
      return new SmoothWeightedPicker(options);
    case "random":
      return new RandomPicker(options);
    case "lc":
      return leastConnections(options);
    case "wlc":
      return weightedLeastConnections(options);
    case "sh":
      return sourceHash();
    case "dh":
      return destinationHash();
    case "sed":
      return shortestExpectedDelay(options);
    case "nq":
      return neverQueue(options);
    case "mh":
      return new MaglevPicker();
    case "p2c":
      return new PowerOfTwoPicker(options);
  }
}
