/** The scan that lc, wlc, sed and nq share: the open candidate of least cost. */
import type { Random } from "@fairlead/types";
import type { Candidate, PickContext, Picker } from "../picker.ts";
import { ListCache } from "./list-cache.ts";
import { after, startTurn, type Turn } from "./turn.ts";

/** What one more connection costs at a candidate of weight 1 or more; never below 0. */
export type Cost = (candidate: Candidate) => number;

/**
 * Picks the least cost. The scan begins after the candidate picked last, so candidates of equal cost take turns; a cost
 * of 0 cannot be beaten and ends the scan.
 */
export class LeastCostPicker implements Picker {
  readonly #cost: Cost;
  readonly #turns: ListCache<Turn>;

  constructor(options: { readonly cost: Cost; readonly random: Random }) {
    this.#cost = options.cost;
    this.#turns = new ListCache({ derive: (list, before) => startTurn(list, before, options.random) });
  }

  pick<C extends Candidate>(candidates: readonly C[], { exclude }: PickContext): C | undefined {
    const turn = this.#turns.get(candidates);
    const { open } = turn;
    const cost = this.#cost;
    let least = Number.POSITIVE_INFINITY;
    let best: C | undefined;
    let bestAt = 0;
    for (let step = 0, at = turn.next; step < open.length; step++, at = after(at, open.length)) {
      const candidate = candidates[open[at] as number] as C;
      const price = cost(candidate);
      if (price >= least || exclude?.has(candidate.key)) continue;
      least = price;
      best = candidate;
      bestAt = at;
      if (price === 0) break;
    }
    if (best !== undefined) turn.next = after(bestAt, open.length);
    return best;
  }
}
