/** Where items stand in a list that two sides have a say in. */

/**
 * `named` in their order, with `others` in between: each of those stays before the first named item that followed it before.
 * `place` gives an item's index in the list as it was, -1 for a new one. Both lists must be sorted already.
 */
export function interleave<T>(named: readonly T[], others: readonly T[], place: (item: T) => number): T[] {
  const result: T[] = [];
  let next = 0;
  for (const item of named) {
    const before = place(item);
    for (let other = others[next]; other !== undefined && place(other) < before; other = others[next]) {
      result.push(other);
      next += 1;
    }
    result.push(item);
  }
  return [...result, ...others.slice(next)];
}
