/** Numbers that an earlier run gave out, as the kernel still has them. Keys of Services' addresses are bytes as latin1 text. */
export interface TableMemory {
  /** Chain of a handler → its number. */
  readonly handlers: ReadonlyMap<string, number>;
  /** Address of a Service → id of its list; that of the pods' way. */
  readonly groups: ReadonlyMap<string, number>;
  readonly podGroups: ReadonlyMap<string, number>;
  /** List → `address:port` of its endpoints by their numbers. */
  readonly places: ReadonlyMap<number, readonly string[]>;
  /** List with affinity → id of the endpoint at each `address:port`. */
  readonly sticky: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

/** Where nothing was before. */
export const noMemory: TableMemory = {
  handlers: new Map(),
  groups: new Map(),
  podGroups: new Map(),
  places: new Map(),
  sticky: new Map(),
};
