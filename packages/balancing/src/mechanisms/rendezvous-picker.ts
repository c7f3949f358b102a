/**
 * Highest random weight ("rendezvous") hashing: every candidate gets a pseudo-random cost for the client, the least wins.
 * When a candidate leaves, only its own clients move, and an excluded one hands over to the client's second choice.
 *
 * D. Thaler, C. Ravishankar: Using name-based mappings to increase hit rates, IEEE/ACM Transactions on Networking 6(1), 1998.
 * Weights by the logarithmic method of C. Schindelhauer, G. Schomaker: Weighted distributed hash tables, SPAA 2005.
 */
import type { Candidate, PickContext, Picker } from "../picker.ts";
import { ListCache } from "./list-cache.ts";
import { avalanche, hashBasis, hashText } from "./text-hash.ts";
import { openIndexes } from "./turn.ts";

const golden = 0x9e3779b1;
const twoTo32 = 2 ** 32;

interface Places {
  readonly open: Uint32Array;
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** 1 / weight, or 1 where weights do not count. */
  readonly scale: Float64Array;
}

/** See the module. Cost of a pick: one hash step per open candidate. */
export class RendezvousPicker implements Picker {
  readonly #subject: (context: PickContext) => string;
  readonly #places: ListCache<Places>;

  constructor(options: { readonly subject: (context: PickContext) => string; readonly weighted: boolean }) {
    this.#subject = options.subject;
    this.#places = new ListCache({ derive: (list) => placesOf(list, options.weighted) });
  }

  pick<C extends Candidate>(candidates: readonly C[], context: PickContext): C | undefined {
    const { open, first, second, scale } = this.#places.get(candidates);
    const subject = hashText(this.#subject(context), hashBasis.first);
    const { exclude } = context;
    let least = Number.POSITIVE_INFINITY;
    let best: C | undefined;
    for (let at = 0; at < open.length; at++) {
      // Both hashes of the key take part: two keys that share one of them still get costs of their own.
      const mixed = avalanche((Math.imul(subject ^ (first[at] as number), golden) + (second[at] as number)) | 0);
      const part = ((mixed >>> 0) + 0.5) / twoTo32;
      const factor = scale[at] as number;
      // -ln(x) is at least 1 - x: most candidates are out before the logarithm is paid for.
      if ((1 - part) * factor > least) continue;
      const cost = -Math.log(part) * factor;
      if (cost > least) continue;
      const candidate = candidates[open[at] as number] as C;
      if (exclude?.has(candidate.key)) continue;
      // Equal costs go by key, not by place in the list, which differs from node to node.
      if (cost === least && best !== undefined && candidate.key > best.key) continue;
      least = cost;
      best = candidate;
    }
    return best;
  }
}

function placesOf(list: readonly Candidate[], weighted: boolean): Places {
  const open = openIndexes(list);
  const first = new Int32Array(open.length);
  const second = new Int32Array(open.length);
  const scale = new Float64Array(open.length);
  for (let at = 0; at < open.length; at++) {
    const { key, weight } = list[open[at] as number] as Candidate;
    first[at] = hashText(key, hashBasis.first);
    second[at] = hashText(key, hashBasis.second);
    scale[at] = weighted ? 1 / weight : 1;
  }
  return { open, first, second, scale };
}
