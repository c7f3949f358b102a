/** What every balancing algorithm is: a picker over a readonly list of candidates. */

/** One endpoint, as a picker sees it. The caller keeps `active` up to date; a picker never writes. */
export interface Candidate {
  /** Stable identity, for example `10.244.0.7:8080`. Hashing algorithms place it by this. */
  readonly key: string;
  /** Share of new connections, 0 to 65535; 0 takes none while any other candidate has more. */
  readonly weight: number;
  /** Open connections (or requests) right now. */
  readonly active: number;
}

/** What is known of the connection to place. */
export interface PickContext {
  /** Source address of the client. */
  readonly client: string;
  /** Address that the client asked for. */
  readonly destination: string;
  /** Keys that were tried for this connection and failed: never picked. */
  readonly exclude?: ReadonlySet<string>;
}

/**
 * Picks a candidate for one connection; `undefined` where none may take it (empty list, all excluded, all of weight 0).
 *
 * Pass the same array while the candidates are the same and a new array when one joins, leaves or changes its weight:
 * pickers keep what they derive from a list under the array's identity.
 */
export interface Picker {
  pick<C extends Candidate>(candidates: readonly C[], context: PickContext): C | undefined;
}
