/**
 * Draws candidates with a chance proportional to their weight, in constant time by the alias method.
 *
 * A. J. Walker: An efficient method for generating discrete random variables with general distributions, ACM TOMS 3(3), 1977;
 * tables filled in linear time as in M. D. Vose, IEEE Transactions on Software Engineering 17(9), 1991.
 */
import type { Random } from "@fairlead/types";
import type { Candidate } from "../picker.ts";
import { ListCache } from "./list-cache.ts";
import { openIndexes } from "./turn.ts";

interface AliasTable {
  readonly open: Uint32Array;
  /** Chance, within a column, of the column's own candidate; otherwise its alias is drawn. */
  readonly own: Float64Array;
  readonly alias: Uint32Array;
}

/** See the module. */
export class WeightedDraw {
  readonly #random: Random;
  readonly #tables = new ListCache<AliasTable>({ derive: (list) => aliasTable(list) });

  constructor(options: { readonly random: Random }) {
    this.#random = options.random;
  }

  /** Draws one that is neither excluded nor `other`; `undefined` where there is none. */
  draw<C extends Candidate>(
    candidates: readonly C[],
    exclude: ReadonlySet<string> | undefined,
    other?: C,
  ): C | undefined {
    const { open, own, alias } = this.#tables.get(candidates);
    if (open.length === 0) return undefined;
    const point = this.#random() * open.length;
    const column = Math.floor(point);
    const place = point - column < (own[column] as number) ? column : (alias[column] as number);
    const candidate = candidates[open[place] as number] as C;
    if (candidate !== other && !exclude?.has(candidate.key)) return candidate;
    return this.#drawRest(candidates, open, exclude, other);
  }

  // Walking on to the neighbour would give it the shares of the excluded: the rest is drawn from by its own weights.
  #drawRest<C extends Candidate>(
    candidates: readonly C[],
    open: Uint32Array,
    exclude: ReadonlySet<string> | undefined,
    other: C | undefined,
  ): C | undefined {
    let total = 0;
    for (let place = 0; place < open.length; place++) {
      const candidate = candidates[open[place] as number] as C;
      if (candidate !== other && !exclude?.has(candidate.key)) total += candidate.weight;
    }
    let left = this.#random() * total;
    let last: C | undefined;
    for (let place = 0; place < open.length; place++) {
      const candidate = candidates[open[place] as number] as C;
      if (candidate === other || exclude?.has(candidate.key)) continue;
      last = candidate;
      left -= candidate.weight;
      if (left < 0) break;
    }
    return last;
  }
}

function aliasTable(list: readonly Candidate[]): AliasTable {
  const open = openIndexes(list);
  const count = open.length;
  const own = new Float64Array(count).fill(1);
  const alias = Uint32Array.from(open.keys());
  let total = 0;
  for (const index of open) total += (list[index] as Candidate).weight;
  const height = Float64Array.from(open, (index) => ((list[index] as Candidate).weight * count) / total);
  const low: number[] = [];
  const high: number[] = [];
  for (let place = 0; place < count; place++) ((height[place] as number) < 1 ? low : high).push(place);
  for (let small = low.pop(), large = high.pop(); small !== undefined && large !== undefined;) {
    own[small] = height[small] as number;
    alias[small] = large;
    const rest = (height[large] as number) - (1 - (height[small] as number));
    height[large] = rest;
    small = rest < 1 ? large : low.pop();
    if (rest < 1) large = high.pop();
  }
  return { open, own, alias };
}
