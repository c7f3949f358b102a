/** Lists of endpoints as the table has them: an id for each, a number for each endpoint, and ids of endpoints that clients stay with. */
import type { SchedulerName, TrafficPolicy } from "@fairlead/types";
import type { PlaneEndpoint, ServicePortEntry } from "../plan/entry.ts";
import { textOf, word, words } from "../kernel/element-bytes.ts";
import { type FamilyLayout, firstListNumber, type FlatElement, maxLists } from "./layout.ts";
import { type Spread, spreadOver } from "./spread.ts";
import { noMemory, type TableMemory } from "./table-memory.ts";

/** One list of one Service port. */
export interface EndpointList {
  readonly id: number;
  /** Absent where no endpoint takes new connections. */
  readonly spread?: Spread;
  /** For affinity: id of each endpoint, by its key. */
  readonly ids?: ReadonlyMap<string, number>;
}

/** What a list is made of. */
export interface ListWish {
  readonly entry: ServicePortEntry;
  readonly policy: TrafficPolicy;
  readonly endpoints: readonly PlaneEndpoint[];
  readonly scheduler: SchedulerName | undefined;
  readonly before: EndpointList | undefined;
}

/** See the module. */
export class EndpointLists {
  readonly #layout: FamilyLayout;
  readonly #taken = new Set<number>();
  /** Remembered ids that a list has again. */
  readonly #claimed = new Set<number>();
  #memory: TableMemory = noMemory;
  #next = 1;

  constructor(layout: FamilyLayout) {
    this.#layout = layout;
  }

  /** Ids of an earlier run: each list that is placed first time has its own again, and nobody else gets it. */
  remember(memory: TableMemory): void {
    this.#memory = memory;
    for (const id of memory.places.keys()) this.#reserve(id);
    for (const ids of memory.sticky.values()) for (const id of ids.values()) this.#reserve(id);
  }

  /** Everything that the earlier run had is placed again, or gone for good: only the ids of these lists are taken. */
  forgetEarlierRun(lists: Iterable<EndpointList | undefined>): void {
    this.#memory = noMemory;
    this.#claimed.clear();
    this.#taken.clear();
    for (const list of lists) {
      if (list === undefined) continue;
      this.#reserve(list.id);
      for (const id of list.ids?.values() ?? []) this.#reserve(id);
    }
  }

  /** Makes the next version of a list. */
  place(wish: ListWish): EndpointList {
    const { entry, endpoints, scheduler, before } = wish;
    const id = before?.id ?? this.#remembered(wish) ?? this.#free();
    const keys =
      before === undefined ? (this.#memory.places.get(id) ?? []) : (before.spread?.slots ?? []).map(({ key }) => key);
    const spread = spreadOver(endpoints, scheduler, keys);
    if (entry.affinityMs === undefined) {
      for (const own of before?.ids?.values() ?? []) this.#taken.delete(own);
      return { id, ...(spread === undefined ? {} : { spread }) };
    }
    const old = before?.ids ?? this.#memory.sticky.get(id);
    const ids = new Map<string, number>();
    for (const { key } of spread?.slots ?? []) if (!ids.has(key)) ids.set(key, old?.get(key) ?? this.#free());
    for (const [key, own] of before?.ids ?? []) if (!ids.has(key)) this.#taken.delete(own);
    return { id, ids, ...(spread === undefined ? {} : { spread }) };
  }

  /** Gives a list's ids free. */
  release(list: EndpointList | undefined): void {
    if (list === undefined) return;
    this.#taken.delete(list.id);
    for (const id of list.ids?.values() ?? []) this.#taken.delete(id);
  }

  /** The elements of a list. */
  *elements({ id, spread, ids }: EndpointList): Iterable<FlatElement> {
    if (spread === undefined) return;
    const known = new Set<string>();
    for (const [number, { key, address, port }] of spread.slots.entries()) {
      const data = this.#layout.endpointData(address, port);
      yield { set: "endpoints", key: words(id, number), data };
      const own = ids?.get(key);
      if (own === undefined) continue;
      yield { set: "affine", key: words(id, number), data: words(0, own) };
      if (!known.has(key)) yield { set: "sticky", key: word(own), data };
      known.add(key);
    }
  }

  /** The id that the kernel has for an address of the Service, if it is for the same list. */
  #remembered({ entry, policy }: ListWish): number | undefined {
    const { groups, podGroups } = this.#memory;
    if (groups.size === 0 && podGroups.size === 0) return undefined;
    for (const frontend of entry.frontends) {
      const bytes = this.#layout.frontendKey(frontend.address, entry.protocol, frontend.port);
      const key = textOf(bytes);
      const id = frontend.policy === policy ? groups.get(key) : policy === "Cluster" ? podGroups.get(key) : undefined;
      if (id !== undefined && !this.#claimed.has(id)) {
        this.#claimed.add(id);
        this.#reserve(id);
        return id;
      }
    }
    return undefined;
  }

  #reserve(id: number): void {
    this.#taken.add(id);
  }

  #free(): number {
    for (let tries = 0; tries < maxLists; tries++) {
      const id = (firstListNumber + this.#next) >>> 0;
      this.#next = this.#next === maxLists ? 1 : this.#next + 1;
      if (this.#taken.has(id)) continue;
      this.#taken.add(id);
      return id;
    }
    throw new RangeError(`there are ${maxLists} lists of endpoints already`);
  }
}
