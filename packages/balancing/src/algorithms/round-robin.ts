/**
 * rr: each in turn. Source: net/netfilter/ipvs/ip_vs_rr.c of the Linux kernel, which likewise passes over weight 0 and
 * knows no other weight.
 */
import type { Random } from "@fairlead/types";
import { ListCache } from "../mechanisms/list-cache.ts";
import { after, startTurn, type Turn } from "../mechanisms/turn.ts";
import type { Candidate, PickContext, Picker } from "../picker.ts";

/** While the list is the same and nobody is excluded, the numbers of picks differ by one at most. */
export class RoundRobinPicker implements Picker {
  readonly #turns: ListCache<Turn>;

  constructor(options: { readonly random: Random }) {
    this.#turns = new ListCache({ derive: (list, before) => startTurn(list, before, options.random) });
  }

  pick<C extends Candidate>(candidates: readonly C[], { exclude }: PickContext): C | undefined {
    const turn = this.#turns.get(candidates);
    const { open } = turn;
    for (let step = 0; step < open.length; step++) {
      const candidate = candidates[open[turn.next] as number] as C;
      turn.next = after(turn.next, open.length);
      if (!exclude?.has(candidate.key)) return candidate;
    }
    return undefined;
  }
}
