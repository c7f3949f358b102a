/** What must be done to get from one state to another. */

/** The difference of two maps; each list is in the order of the map it comes from. */
export interface KeyedDiff<K, V> {
  readonly added: [K, V][];
  /** Key, value before, value after. */
  readonly updated: [K, V, V][];
  /** Key and the value it had. */
  readonly removed: [K, V][];
}

/** Compares what is with what should be; `equal` tells whether a value has not changed. Pure; looks at each key once. */
export function diffByKey<K, V>(
  current: ReadonlyMap<K, V>,
  desired: ReadonlyMap<K, V>,
  equal: (before: V, after: V) => boolean,
): KeyedDiff<K, V> {
  const diff: KeyedDiff<K, V> = { added: [], updated: [], removed: [] };
  for (const [key, after] of desired) {
    // A map may hold undefined as a value, so the absence of a key is asked for by has().
    if (!current.has(key)) {
      diff.added.push([key, after]);
      continue;
    }
    const before = current.get(key) as V;
    if (!equal(before, after)) diff.updated.push([key, before, after]);
  }
  for (const [key, before] of current) {
    if (!desired.has(key)) diff.removed.push([key, before]);
  }
  return diff;
}
