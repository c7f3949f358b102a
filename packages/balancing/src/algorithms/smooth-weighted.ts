/**
 * wrr: turns in proportion to weight, without runs of one endpoint. Source: the smooth weighted round robin of nginx
 * (src/http/ngx_http_upstream_round_robin.c). IPVS's own (net/netfilter/ipvs/ip_vs_wrr.c) has the same proportions and
 * serves heavy endpoints in runs.
 *
 * At every pick each candidate earns its weight and the richest pays for the pick with what all earned. What a candidate
 * holds, divided by that sum, is the number of picks that it is owed.
 */
import type { Random } from "@fairlead/types";
import { ListCache } from "../mechanisms/list-cache.ts";
import { after, startTurn, type Turn } from "../mechanisms/turn.ts";
import type { Candidate, PickContext, Picker } from "../picker.ts";

interface WeightedTurn extends Turn {
  /** What each open candidate holds, in whole numbers. */
  readonly held: Float64Array;
  /** Weight of each open candidate. */
  readonly weights: Float64Array;
  readonly total: number;
}

/** With one list and nobody excluded, any run of (sum of weights) picks from the start holds each exactly weight times. */
export class SmoothWeightedPicker implements Picker {
  readonly #turns: ListCache<WeightedTurn>;

  constructor(options: { readonly random: Random }) {
    this.#turns = new ListCache({ derive: (list, before) => startWeightedTurn(list, before, options.random) });
  }

  pick<C extends Candidate>(candidates: readonly C[], { exclude }: PickContext): C | undefined {
    const turn = this.#turns.get(candidates);
    const { open, held, weights } = turn;
    let most = Number.NEGATIVE_INFINITY;
    let best = -1;
    let earned = turn.total;
    const { length } = open;
    for (let step = 0, at = turn.next; step < length; step++, at = after(at, length)) {
      if (exclude?.has((candidates[open[at] as number] as C).key)) {
        // As in nginx, one that was tried and failed earns nothing by it.
        earned -= weights[at] as number;
        continue;
      }
      const now = (held[at] as number) + (weights[at] as number);
      held[at] = now;
      if (now <= most) continue;
      most = now;
      best = at;
    }
    if (best < 0) return undefined;
    held[best] = most - earned;
    turn.next = after(best, length);
    return candidates[open[best] as number];
  }
}

/** What survivors are owed goes with them, in picks: a change of the list gives nobody a second first turn. Newcomers are owed nothing. */
function startWeightedTurn(list: readonly Candidate[], before: WeightedTurn | undefined, random: Random): WeightedTurn {
  const turn = startTurn(list, before, random);
  const { open } = turn;
  const held = new Float64Array(open.length);
  const weights = Float64Array.from(open, (index) => (list[index] as Candidate).weight);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (before !== undefined) {
    const owed = owedPicks(before);
    for (let at = 0; at < open.length; at++) {
      held[at] = Math.round((owed.get((list[open[at] as number] as Candidate).key) ?? 0) * total);
    }
  }
  return { ...turn, held, weights, total };
}

function owedPicks({ list, open, held, total }: WeightedTurn): Map<string, number> {
  const owed = new Map<string, number>();
  for (let at = 0; at < open.length; at++) {
    owed.set((list[open[at] as number] as Candidate).key, (held[at] as number) / total);
  }
  return owed;
}
