/**
 * nq: an idle candidate if there is one, whatever it weighs; else as sed. Source: net/netfilter/ipvs/ip_vs_nq.c of the Linux
 * kernel (after A. Weinrib, S. Shenker: Greed is not enough, INFOCOM 1988), which always takes the first idle one.
 */
import type { Random } from "@fairlead/types";
import { LeastLoadPicker } from "../mechanisms/least-load-picker.ts";
import type { Picker } from "../picker.ts";

/** Idle candidates take turns. */
export function neverQueue(options: { readonly random: Random }): Picker {
  return new LeastLoadPicker({ ...options, rule: { ahead: 1, weighted: true, idleWins: true } });
}
