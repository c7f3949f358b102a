/** The Maglev lookup table for whoever looks up by another hash than {@link MaglevPicker}, such as a rule in the kernel. */
import { fillMaglevTable } from "./mechanisms/maglev-table.ts";
import { openIndexes } from "./mechanisms/turn.ts";
import type { Candidate } from "./picker.ts";

/**
 * For each of `size` slots (a prime) the index of its candidate, in proportion to weight; empty where no candidate has one. It depends on
 * keys and weights alone, so every node makes the same. Source: D. Eisenbud et al., NSDI 2016, section 3.4.
 */
export function maglevTable(candidates: readonly Candidate[], size: number): readonly number[] {
  const open = openIndexes(candidates);
  return open.length === 0 ? [] : [...fillMaglevTable(candidates, open, size)];
}
