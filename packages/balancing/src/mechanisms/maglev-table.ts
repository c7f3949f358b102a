/**
 * Fills a Maglev lookup table: every candidate walks its own permutation of the slots and takes the next free one when it
 * is its turn; turns come in proportion to weight.
 *
 * D. Eisenbud et al.: Maglev: A fast and reliable software network load balancer, NSDI 2016, section 3.4. Weights in the
 * spirit of net/netfilter/ipvs/ip_vs_mh.c, but spread over time rather than taken in one go.
 */
import type { Candidate } from "../picker.ts";
import { hashBasis, hashText } from "./text-hash.ts";

/** For each slot, the index of its candidate in the list; the narrower where the list allows, for these tables are large. */
export type MaglevTable = Uint16Array | Uint32Array;

/**
 * Fills a table of `size` slots (a prime) from the candidates at the indexes `open`, at least one. The result does not
 * depend on the order of the list. Takes some `size` × ln(`size`) steps.
 */
export function fillMaglevTable(list: readonly Candidate[], open: Uint32Array, size: number): MaglevTable {
  const ordered = Uint32Array.from(open).sort((a, b) => compareKeys(list[a] as Candidate, list[b] as Candidate));
  const slot = new Uint32Array(ordered.length);
  const skip = new Uint32Array(ordered.length);
  for (let at = 0; at < ordered.length; at++) {
    const { key } = list[ordered[at] as number] as Candidate;
    slot[at] = (hashText(key, hashBasis.first) >>> 0) % size;
    skip[at] = ((hashText(key, hashBasis.second) >>> 0) % (size - 1)) + 1;
  }
  const turns = new Turns(Float64Array.from(ordered, (index) => (list[index] as Candidate).weight));
  const table: MaglevTable = list.length <= 0x1_0000 ? new Uint16Array(size) : new Uint32Array(size);
  const taken = new Uint8Array(size);
  for (let filled = 0; filled < size; filled++) {
    const at = turns.take();
    let candidate = slot[at] as number;
    while (taken[candidate] === 1) candidate = (candidate + (skip[at] as number)) % size;
    taken[candidate] = 1;
    table[candidate] = ordered[at] as number;
    slot[at] = candidate;
  }
  return table;
}

function compareKeys(a: Candidate, b: Candidate): number {
  return a.key < b.key ? -1 : 1;
}

/**
 * Turns in proportion to weight: the k-th turn of weight w is due at k / w, and equal times go by place. One that leaves
 * does not change the order of the others, which is what keeps the table's disruption small. Everyone's first turn is
 * due at 0: the lightest gets a slot too.
 */
class Turns {
  readonly #weights: Float64Array;
  readonly #taken: Float64Array;
  readonly #due: Float64Array;
  /** Binary heap of places, the one that is due first on top. */
  readonly #heap: Uint32Array;

  constructor(weights: Float64Array) {
    this.#weights = weights;
    this.#taken = new Float64Array(weights.length);
    this.#due = new Float64Array(weights.length);
    this.#heap = Uint32Array.from(weights.keys());
  }

  /** The place whose turn it is. */
  take(): number {
    const place = this.#heap[0] as number;
    const taken = (this.#taken[place] as number) + 1;
    this.#taken[place] = taken;
    this.#due[place] = taken / (this.#weights[place] as number);
    this.#sink(place);
    return place;
  }

  #sink(place: number): void {
    const heap = this.#heap;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < heap.length && this.#before(heap[right] as number, heap[child] as number)) child = right;
      if (this.#before(place, heap[child] as number)) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = place;
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#due[a] as number) - (this.#due[b] as number);
    return difference < 0 || (difference === 0 && a < b);
  }
}
