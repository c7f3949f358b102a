/**
 * mh: the client's address decides, by weight, through a lookup table. Sources: D. Eisenbud et al.: Maglev: A fast and
 * reliable software network load balancer, NSDI 2016; net/netfilter/ipvs/ip_vs_mh.c of the Linux kernel (with its fallback
 * flag set: a client whose slot is out of service goes elsewhere rather than nowhere).
 *
 * The paper's one size of 65,537 slots costs milliseconds and 128 KiB for a list of three. Here the size follows the
 * number of candidates. A table of another size is another placement, so the step from one size to the next is spread
 * over a doubling of the list: between `upTo` and twice that, a growing part of the clients uses the next table. Size
 * depends on the list alone, never on history, so that every node agrees.
 *
 * Disruption, measured from 2 to 2,000 candidates: when one leaves, its own clients move, and of the others' 3 % at most
 * (5 % between 65 and 127 candidates, where a step is spread over the fewest).
 */
import { ListCache } from "../mechanisms/list-cache.ts";
import { fillMaglevTable, type MaglevTable } from "../mechanisms/maglev-table.ts";
import { hashBasis, hashText } from "../mechanisms/text-hash.ts";
import { openIndexes } from "../mechanisms/turn.ts";
import type { Candidate, PickContext, Picker } from "../picker.ts";

/**
 * Slots (a prime) for lists of up to so many candidates; the least is the kernel's default. There are at least 32 slots a
 * candidate up to 2,000 candidates, so equal weights differ in slots by 3 % at most. A list longer than the last size
 * leaves candidates without a client.
 */
export const maglevSizes = [
  { upTo: 64, size: 4093 },
  { upTo: 512, size: 32_749 },
  { upTo: Number.POSITIVE_INFINITY, size: 65_521 },
] as const;

interface Lookup {
  readonly table: MaglevTable;
  /** The next larger table, and the part of the clients (0 to 1) that uses it. */
  readonly larger: MaglevTable | undefined;
  readonly part: number;
  readonly open: Uint32Array;
}

/** See the module. Same client, same list: same pick, on every node. */
export class MaglevPicker implements Picker {
  readonly #lookups = new ListCache<Lookup | undefined>({ derive: (list) => lookupOf(list) });

  pick<C extends Candidate>(candidates: readonly C[], { client, exclude }: PickContext): C | undefined {
    const lookup = this.#lookups.get(candidates);
    if (lookup === undefined) return undefined;
    const hash = hashText(client, hashBasis.first) >>> 0;
    const table = lookup.larger !== undefined && chance(client) < lookup.part ? lookup.larger : lookup.table;
    let slot = hash % table.length;
    const candidate = candidates[table[slot] as number] as C;
    if (exclude === undefined || !exclude.has(candidate.key)) return candidate;
    if (allExcluded(candidates, lookup.open, exclude)) return undefined;
    // A stride of the client's own, as neighbouring slots are not independent: one candidate is often followed by the same
    // other. The size is a prime, so every stride visits every slot.
    const stride = ((hashText(client, hashBasis.second) >>> 0) % (table.length - 1)) + 1;
    for (let step = 1; step < table.length; step++) {
      slot = (slot + stride) % table.length;
      const next = candidates[table[slot] as number] as C;
      if (!exclude.has(next.key)) return next;
    }
    return undefined;
  }
}

function chance(client: string): number {
  return (hashText(client, hashBasis.second) >>> 0) / 2 ** 32;
}

function allExcluded(list: readonly Candidate[], open: Uint32Array, exclude: ReadonlySet<string>): boolean {
  if (exclude.size < open.length) return false;
  for (let at = 0; at < open.length; at++) {
    if (!exclude.has((list[open[at] as number] as Candidate).key)) return false;
  }
  return true;
}

function lookupOf(list: readonly Candidate[]): Lookup | undefined {
  const open = openIndexes(list);
  if (open.length === 0) return undefined;
  const rung = maglevSizes.findIndex(({ upTo }) => open.length < 2 * upTo);
  const { upTo, size } = maglevSizes[rung] as (typeof maglevSizes)[number];
  const next = maglevSizes[rung + 1];
  const table = fillMaglevTable(list, open, size);
  if (next === undefined || open.length <= upTo) return { table, larger: undefined, part: 0, open };
  return { table, larger: fillMaglevTable(list, open, next.size), part: (open.length - upTo) / upTo, open };
}
