/** What a picker derives from a list of candidates, kept under the list's identity. */
import type { Candidate } from "../picker.ts";

/** Builds the derived value of a list; `before` is that of the list which was asked for last. */
export type Derive<T> = (list: readonly Candidate[], before: T | undefined) => T;

/**
 * Derives a value once per list. Several lists may take turns (the endpoints of the node and those of the cluster, say)
 * without being derived anew.
 *
 * Bound: one value per list that the caller still holds, plus the one asked for last.
 */
export class ListCache<T> {
  readonly #derive: Derive<T>;
  readonly #derived = new WeakMap<readonly Candidate[], T>();
  #list: readonly Candidate[] | undefined;
  #value: T | undefined;

  constructor(options: { readonly derive: Derive<T> }) {
    this.#derive = options.derive;
  }

  /** The derived value of this list. */
  get(list: readonly Candidate[]): T {
    // A caller asks for the same list nearly always: comparing one reference costs less than the weak map.
    if (list === this.#list) return this.#value as T;
    let value = this.#derived.get(list);
    if (value === undefined) {
      value = this.#derive(list, this.#value);
      this.#derived.set(list, value);
    }
    this.#list = list;
    this.#value = value;
    return value;
  }
}
