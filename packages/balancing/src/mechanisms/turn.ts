/** Whose turn it is in a list, and how the turn survives when the list is replaced. */
import type { Random } from "@fairlead/types";
import type { Candidate } from "../picker.ts";

/** The place of a rotation within one list. */
export interface Turn {
  readonly list: readonly Candidate[];
  /** Indexes of the candidates that have a weight. */
  readonly open: Uint32Array;
  /** Position in `open` that comes next. */
  next: number;
}

/** Indexes of the candidates that have a weight. */
export function openIndexes(list: readonly Candidate[]): Uint32Array {
  const open = new Uint32Array(list.length);
  let count = 0;
  for (let index = 0; index < list.length; index++) {
    if ((list[index] as Candidate).weight > 0) open[count++] = index;
  }
  return open.subarray(0, count);
}

/** The position after `position`, round the end. */
export function after(position: number, length: number): number {
  return position + 1 >= length ? 0 : position + 1;
}

/**
 * Where the rotation stands in a new list: after the candidate picked last or, if that one left, at the next of the old
 * list that is still there. Beginning at the front instead would send every replacement's first connection to the same
 * endpoint. Without a list before, it begins anywhere, so that many pickers over one list do not begin alike.
 */
export function startTurn(list: readonly Candidate[], before: Turn | undefined, random: Random): Turn {
  const open = openIndexes(list);
  return { list, open, next: placeOf(list, open, before) ?? Math.floor(random() * open.length) };
}

function placeOf(list: readonly Candidate[], open: Uint32Array, before: Turn | undefined): number | undefined {
  if (before === undefined) return undefined;
  const places = new Map<string, number>();
  for (let place = 0; place < open.length; place++) {
    places.set((list[open[place] as number] as Candidate).key, place);
  }
  const { length } = before.open;
  for (
    let step = 0, at = before.next === 0 ? length - 1 : before.next - 1;
    step < length;
    step++, at = after(at, length)
  ) {
    const place = places.get((before.list[before.open[at] as number] as Candidate).key);
    if (place !== undefined) return step === 0 ? after(place, open.length) : place;
  }
  return undefined;
}
