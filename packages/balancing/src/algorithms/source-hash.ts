/**
 * sh: the client's address decides, in proportion to weight. Counterpart: net/netfilter/ipvs/ip_vs_sh.c of the Linux kernel,
 * which deals 256 buckets out in list order (so one that leaves moves nearly every client) and, without its fallback
 * flag, refuses the clients of an endpoint of weight 0. Here placement is by rendezvous: only the clients of the one that
 * leaves move.
 */
import { RendezvousPicker } from "../mechanisms/rendezvous-picker.ts";
import type { Picker } from "../picker.ts";

/** Same client, same list: same pick, on every node. */
export function sourceHash(): Picker {
  return new RendezvousPicker({ subject: ({ client }) => client, weighted: true });
}
