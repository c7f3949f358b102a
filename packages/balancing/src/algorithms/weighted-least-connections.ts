/**
 * wlc: the fewest open connections for its weight. Source: net/netfilter/ipvs/ip_vs_wlc.c of the Linux kernel, which also
 * counts connections that are closing, and always takes the first of equals.
 */
import type { Random } from "@fairlead/types";
import { LeastLoadPicker } from "../mechanisms/least-load-picker.ts";
import type { Picker } from "../picker.ts";

/** Idle candidates are equal whatever they weigh (0 / weight is 0), and take turns: weights show under load. */
export function weightedLeastConnections(options: { readonly random: Random }): Picker {
  return new LeastLoadPicker({ ...options, rule: { ahead: 0, weighted: true, idleWins: true } });
}
