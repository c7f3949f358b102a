/**
 * dh: the address asked for decides. Counterpart: net/netfilter/ipvs/ip_vs_dh.c of the Linux kernel, which deals 256 buckets
 * out in list order and, like this one, knows no weight but 0. Here placement is by rendezvous: only what was served by
 * the one that leaves moves.
 */
import { RendezvousPicker } from "../mechanisms/rendezvous-picker.ts";
import type { Picker } from "../picker.ts";

/** Same destination, same list: same pick, on every node. */
export function destinationHash(): Picker {
  return new RendezvousPicker({ subject: ({ destination }) => destination, weighted: false });
}
