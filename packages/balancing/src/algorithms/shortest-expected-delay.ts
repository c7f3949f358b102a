/**
 * sed: where one more connection is served soonest, (active + 1) / weight. Source: net/netfilter/ipvs/ip_vs_sed.c of the
 * Linux kernel.
 */
import type { Random } from "@fairlead/types";
import { LeastLoadPicker } from "../mechanisms/least-load-picker.ts";
import type { Picker } from "../picker.ts";

/** Light candidates stay idle until the heavy ones have their share; {@link neverQueue} is the cure. */
export function shortestExpectedDelay(options: { readonly random: Random }): Picker {
  return new LeastLoadPicker({ ...options, rule: { ahead: 1, weighted: true, idleWins: false } });
}
