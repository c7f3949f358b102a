/**
 * lc: the fewest open connections. Source: net/netfilter/ipvs/ip_vs_lc.c of the Linux kernel, which likewise passes over
 * weight 0 and knows no other weight. The kernel also counts connections that are closing, and always takes the first of
 * equals.
 */
import type { Random } from "@fairlead/types";
import { LeastLoadPicker } from "../mechanisms/least-load-picker.ts";
import type { Picker } from "../picker.ts";

/** Where several have the fewest, they take turns. */
export function leastConnections(options: { readonly random: Random }): Picker {
  return new LeastLoadPicker({ ...options, rule: { ahead: 0, weighted: false, idleWins: true } });
}
