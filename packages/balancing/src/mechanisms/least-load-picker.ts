/** The scan that lc, wlc, sed and nq share: the open candidate of least load. */
import type { Random } from "@fairlead/types";
import type { Candidate, PickContext, Picker } from "../picker.ts";
import { ListCache } from "./list-cache.ts";
import { after, startTurn, type Turn } from "./turn.ts";

/** What a load is. A fixed choice and no function: the scan stays free of calls, and of the numbers they would box. */
export interface LoadRule {
  /** 0: the connections that are open. 1: with the one to place, so that weights count among the idle too. */
  readonly ahead: 0 | 1;
  /** Divides by the weight. */
  readonly weighted: boolean;
  /** An idle candidate is taken at once, whatever it weighs. */
  readonly idleWins: boolean;
}

/** Picks the least load. The scan begins after the candidate picked last, so candidates of equal load take turns. */
export class LeastLoadPicker implements Picker {
  readonly #rule: LoadRule;
  readonly #turns: ListCache<Turn>;

  constructor(options: { readonly rule: LoadRule; readonly random: Random }) {
    this.#rule = options.rule;
    this.#turns = new ListCache({ derive: (list, before) => startTurn(list, before, options.random) });
  }

  pick<C extends Candidate>(candidates: readonly C[], { exclude }: PickContext): C | undefined {
    const turn = this.#turns.get(candidates);
    const { open } = turn;
    const { ahead, weighted, idleWins } = this.#rule;
    let best: C | undefined;
    let bestAt = 0;
    let bestLoad = Number.POSITIVE_INFINITY;
    let bestWeight = 1;
    const { length } = open;
    for (let step = 0, at = turn.next; step < length; step++, at = after(at, length)) {
      const candidate = candidates[open[at] as number] as C;
      const load = candidate.active + ahead;
      const weight = weighted ? candidate.weight : 1;
      const idle = idleWins && candidate.active === 0;
      // a/b < c/d without the division, as the kernel does it.
      if (!idle && load * bestWeight >= bestLoad * weight) continue;
      if (exclude?.has(candidate.key)) continue;
      best = candidate;
      bestAt = at;
      bestLoad = load;
      bestWeight = weight;
      if (idle) break;
    }
    if (best !== undefined) turn.next = after(bestAt, length);
    return best;
  }
}
