/** What one family's table should hold for the entries that there are: pure. The kernel is read and written elsewhere. */
import type { NodeName, SchedulerName } from "@fairlead/types";
import { anyEligible, type EntryKey, type Frontend, type PlaneEndpoint, type ServicePortEntry } from "../plan/entry.ts";
import { Claims } from "../kernel/claims.ts";
import { EndpointLists, type EndpointList } from "./endpoint-lists.ts";
import type { Choice, Handler } from "./handler.ts";
import { HandlerNumbers, type Numbered } from "./handler-numbers.ts";
import { textOf, word } from "../kernel/element-bytes.ts";
import { countingSets, type FamilyLayout, type FlatElement } from "./layout.ts";
import { sourceElements } from "../kernel/range-elements.ts";
import type { TableMemory } from "./table-memory.ts";

/** What the table depends on beside the entries. */
export interface FlatTableOptions {
  readonly node: NodeName;
  readonly scheduler?: SchedulerName | undefined;
  readonly trafficCounters: boolean;
}

/** What has to be done to get from one state of the table to the next. */
export interface TableDifference {
  /** Handlers that have no chain yet. */
  readonly handlers: readonly Handler[];
  readonly deleted: readonly FlatElement[];
  readonly added: readonly FlatElement[];
}

/** An entry with its lists of endpoints, and those of its addresses that are its own. */
export interface Placed {
  readonly entry: ServicePortEntry;
  readonly frontends: readonly Frontend[];
  readonly cluster?: EndpointList;
  readonly local?: EndpointList;
}

/** What becomes of connections to one address. */
interface Way {
  readonly frontend: Frontend;
  readonly key: Uint8Array;
  readonly handler: Numbered;
  /** At addresses of external policy Local. */
  readonly pod?: Numbered;
}

/** An entry with all that was given out for it. */
interface Kept extends Placed {
  readonly ways: readonly Way[];
}

/** See the module. */
export class FlatTable {
  readonly #layout: FamilyLayout;
  readonly #options: FlatTableOptions;
  readonly #placed = new Map<EntryKey, Kept>();
  readonly #entries = new Map<EntryKey, ServicePortEntry>();
  readonly #claims = new Claims();
  readonly #lists: EndpointLists;
  readonly #handlers = new HandlerNumbers();
  /** Elements that several entries want, by how many. */
  readonly #shared = new Map<string, { readonly element: FlatElement; times: number }>();

  constructor(layout: FamilyLayout, options: FlatTableOptions) {
    this.#layout = layout;
    this.#options = options;
    this.#lists = new EndpointLists(layout);
  }

  /** Takes over ids and places of an earlier run, so that they stay as they are. For a table without entries. */
  remember(memory: TableMemory): void {
    this.#lists.remember(memory);
    this.#handlers.remember(memory.handlers);
  }

  /** Fills the empty table; what is to be written is all of {@link elements}. */
  load(entries: readonly ServicePortEntry[]): void {
    for (const entry of entries) {
      this.#entries.set(entry.key, entry);
      this.#claims.claim(entry);
    }
    for (const entry of entries) {
      const placed = this.#keep(this.#placedOf(entry, undefined), () => undefined);
      this.#placed.set(entry.key, placed);
      for (const element of this.#sharedOf(placed)) this.#share(element, 1);
    }
  }

  /** After the first change: what the earlier run had and nobody has now is forgotten. */
  forgetEarlierRun(): void {
    this.#lists.forgetEarlierRun([...this.#placed.values()].flatMap(({ cluster, local }) => [cluster, local]));
  }

  /** Goes on to the next state. Entries of `changed` are new ones or other versions of old ones. */
  change(removed: readonly EntryKey[], changed: readonly ServicePortEntry[]): TableDifference {
    const touched = new Set<EntryKey>();
    const touch = (entry: ServicePortEntry): void => {
      touched.add(entry.key);
      for (const { key } of this.#claims.rivals(entry)) touched.add(key);
    };
    for (const key of removed) {
      const entry = this.#entries.get(key);
      if (entry === undefined) continue;
      touch(entry);
      this.#claims.release(entry);
      this.#entries.delete(key);
    }
    for (const entry of changed) {
      const before = this.#entries.get(entry.key);
      if (before !== undefined) {
        touch(before);
        this.#claims.release(before);
      }
      this.#entries.set(entry.key, entry);
      this.#claims.claim(entry);
      touch(entry);
    }
    const difference = new Difference();
    for (const key of touched) this.#place(key, difference);
    return difference.result();
  }

  /** Everything that the table should hold. */
  *elements(): Iterable<FlatElement> {
    for (const placed of this.#placed.values()) yield* this.#own(placed);
    for (const { element } of this.#shared.values()) yield element;
    yield* this.#handlers.elements();
  }

  /** Handlers that have a chain, in use or not. */
  handlers(): Iterable<Handler> {
    return this.#handlers.all();
  }

  /** Forgets handlers that nothing has used since the last call, and returns them: their chains can go. */
  idleHandlers(): readonly { readonly handler: Handler; readonly element: FlatElement }[] {
    return this.#handlers.idle();
  }

  /** The entry in force and what became of it. */
  placed(key: EntryKey): Placed | undefined {
    return this.#placed.get(key);
  }

  /** Every entry in force. */
  all(): Iterable<Placed> {
    return this.#placed.values();
  }

  /** Who has an address that the entry wants; undefined if it is the entry itself. */
  ownerOf(entry: ServicePortEntry, frontend: Frontend): ServicePortEntry | undefined {
    const owner = this.#claims.owner(entry, frontend);
    return owner.key === entry.key ? undefined : owner;
  }

  /** Entries that want an address which this one wants too. */
  rivals(entry: ServicePortEntry): readonly ServicePortEntry[] {
    return this.#claims.rivals(entry);
  }

  #place(key: EntryKey, difference: Difference): void {
    const before = this.#placed.get(key);
    const entry = this.#entries.get(key);
    const old = before === undefined ? [] : [...this.#own(before)];
    const oldShared = before === undefined ? [] : [...this.#sharedOf(before)];
    if (entry === undefined) {
      this.#placed.delete(key);
      this.#lists.release(before?.cluster);
      this.#lists.release(before?.local);
    } else {
      // First the new handlers are counted in, so that what both versions want does not go and come.
      const placed = this.#placedOf(entry, before);
      this.#placed.set(
        key,
        this.#keep(placed, (handler, element) => difference.handler(handler, element)),
      );
    }
    const after = this.#placed.get(key);
    for (const { handler, pod } of before?.ways ?? []) {
      this.#handlers.leave(handler);
      if (pod !== undefined) this.#handlers.leave(pod);
    }
    difference.replace(old, after === undefined ? [] : [...this.#own(after)]);
    if (after !== undefined) {
      for (const element of this.#sharedOf(after)) if (this.#share(element, 1)) difference.add(element);
    }
    for (const element of oldShared) if (this.#share(element, -1)) difference.delete(element);
  }

  #placedOf(entry: ServicePortEntry, before: Placed | undefined): Placed {
    const frontends = entry.frontends.filter((frontend) => this.#claims.owner(entry, frontend).key === entry.key);
    const scheduler = entry.scheduler ?? this.#options.scheduler;
    const hasLocal = frontends.some(({ policy }) => policy === "Local");
    // The pods' way at an address of external policy Local leads to the endpoints of all nodes.
    const hasCluster = frontends.some(({ policy, kind }) => policy === "Cluster" || kind !== "ClusterIP");
    const list = (policy: "Cluster" | "Local", endpoints: readonly PlaneEndpoint[], old: EndpointList | undefined) =>
      this.#lists.place({ entry, policy, endpoints, scheduler, before: old });
    const cluster = hasCluster ? list("Cluster", entry.cluster, before?.cluster) : undefined;
    const local = hasLocal ? list("Local", entry.local, before?.local) : undefined;
    if (cluster === undefined) this.#lists.release(before?.cluster);
    if (local === undefined) this.#lists.release(before?.local);
    return {
      entry,
      frontends,
      ...(cluster === undefined ? {} : { cluster }),
      ...(local === undefined ? {} : { local }),
    };
  }

  /** Finds the handlers of an entry's addresses, and counts them as used. */
  #keep(placed: Placed, onNew: (handler: Handler, element: FlatElement) => void): Kept {
    const { entry, frontends, cluster } = placed;
    const ways = frontends.map((frontend): Way => {
      const handler = this.#handlers.use(handlerOf(placed, frontend), onNew);
      const forPods = handler.handler.kind === "local" && cluster !== undefined;
      return {
        frontend,
        key: this.#layout.frontendKey(frontend.address, entry.protocol, frontend.port),
        handler,
        ...(forPods ? { pod: this.#handlers.use(podHandler(placed), onNew) } : {}),
      };
    });
    return { ...placed, ways };
  }

  /** Elements that are of this entry alone. */
  *#own(kept: Kept): Iterable<FlatElement> {
    const { cluster, local, ways } = kept;
    for (const list of [cluster, local]) if (list !== undefined) yield* this.#lists.elements(list);
    for (const { frontend, key, handler, pod } of ways) {
      yield { set: "services", key, data: handler.data };
      const list = listOf(kept, frontend);
      if (handler.handler.choice !== undefined && list !== undefined) yield { set: "groups", key, data: word(list.id) };
      if (pod !== undefined && cluster !== undefined) {
        yield { set: "pod-services", key, data: pod.data };
        if (pod.handler.choice !== undefined) yield { set: "pod-groups", key, data: word(cluster.id) };
      }
      if (frontend.sourceRanges.length > 0) yield* sourceElements(this.#layout, key, frontend.sourceRanges);
      if (this.#options.trafficCounters) for (const set of countingSets) yield { set, key };
    }
  }

  /** Elements that other entries may want as well. */
  *#sharedOf({ frontends, cluster, local }: Placed): Iterable<FlatElement> {
    for (const { kind, address } of frontends) {
      if (kind === "ClusterIP") yield { set: "cluster-ips", key: this.#layout.addressKey(address) };
    }
    const own = new Set<string>();
    for (const list of [cluster, local]) {
      for (const { address, node } of list?.spread?.slots ?? []) {
        // Only a pod of this node can be its own client by way of this node.
        if ((node !== undefined && node !== this.#options.node) || own.has(address)) continue;
        own.add(address);
        const key = this.#layout.addressKey(address);
        const twice = new Uint8Array(2 * key.length);
        twice.set(key);
        twice.set(key, key.length);
        yield { set: "hairpin", key: twice };
      }
    }
  }

  /** Counts a shared element up or down; whether it comes or goes by that. */
  #share(element: FlatElement, by: 1 | -1): boolean {
    const id = elementId(element);
    const known = this.#shared.get(id);
    if (known === undefined) {
      this.#shared.set(id, { element, times: 1 });
      return true;
    }
    known.times += by;
    if (known.times > 0) return false;
    this.#shared.delete(id);
    return true;
  }
}

/** What tells an element from others of its table. */
export function elementId({ set, key, isEnd }: FlatElement): string {
  return `${set}${isEnd === true ? "!" : " "}${textOf(key)}`;
}

/** What an element says, for comparison with one of the same id. */
export function elementValue({ data, keyEnd, goto }: FlatElement): string {
  if (goto !== undefined) return goto;
  const bytes = data ?? keyEnd;
  return bytes === undefined ? "" : textOf(bytes);
}

/** The list that traffic to an address goes to. */
export function listOf({ cluster, local }: Placed, { policy }: Frontend): EndpointList | undefined {
  return policy === "Local" ? local : cluster;
}

/** What becomes of a new connection to the address. */
export function handlerOf(placed: Placed, frontend: Frontend): Handler {
  const { entry } = placed;
  const guard = frontend.sourceRanges.length > 0 ? { guarded: true } : {};
  const choice = choiceOf(entry, listOf(placed, frontend));
  const isLocal = frontend.policy === "Local";
  if (frontend.kind === "ClusterIP") {
    if (choice !== undefined) return { kind: "internal", choice };
    return { kind: isLocal && entry.hasAnyEndpoints ? "drop" : "reject" };
  }
  if (!isLocal) return choice === undefined ? { kind: "reject", ...guard } : { kind: "external", ...guard, choice };
  if (!entry.hasAnyEndpoints) return { kind: "reject", ...guard };
  return { kind: "local", ...guard, ...(choice === undefined ? {} : { choice }) };
}

function podHandler({ entry, cluster }: Placed): Handler {
  const choice = choiceOf(entry, cluster);
  return choice === undefined
    ? { kind: anyEligible(entry.local) ? "pod-drop" : "pod-reject" }
    : { kind: "pod", choice };
}

function choiceOf({ affinityMs }: ServicePortEntry, list: EndpointList | undefined): Choice | undefined {
  if (list?.spread === undefined) return undefined;
  const { picker, slots } = list.spread;
  return {
    picker,
    slots: slots.length,
    ...(picker === "turn" ? { ofGroup: list.id } : {}),
    ...(affinityMs === undefined ? {} : { affinityMs }),
  };
}

/** Gathers what changes over several entries: an address that one loses and another gets is one change of one element. */
class Difference {
  readonly #handlers: Handler[] = [];
  readonly #handlerElements: FlatElement[] = [];
  readonly #deleted = new Map<string, FlatElement>();
  readonly #added = new Map<string, FlatElement>();

  handler(handler: Handler, element: FlatElement): void {
    this.#handlers.push(handler);
    this.#handlerElements.push(element);
  }

  replace(old: readonly FlatElement[], next: readonly FlatElement[]): void {
    if (old.length === 0) {
      for (const element of next) this.add(element);
      return;
    }
    const wanted = new Map(next.map((element) => [elementId(element), element]));
    for (const element of old) {
      const id = elementId(element);
      const same = wanted.get(id);
      if (same !== undefined && elementValue(same) === elementValue(element)) wanted.delete(id);
      else this.delete(element);
    }
    for (const element of wanted.values()) this.add(element);
  }

  add(element: FlatElement): void {
    const id = elementId(element);
    const gone = this.#deleted.get(id);
    if (gone !== undefined && elementValue(gone) === elementValue(element)) this.#deleted.delete(id);
    else this.#added.set(id, element);
  }

  delete(element: FlatElement): void {
    const id = elementId(element);
    const come = this.#added.get(id);
    if (come === undefined) this.#deleted.set(id, element);
    else if (elementValue(come) === elementValue(element)) this.#added.delete(id);
    else this.#deleted.set(id, element);
  }

  result(): TableDifference {
    return {
      handlers: this.#handlers,
      deleted: [...this.#deleted.values()],
      added: [...this.#handlerElements, ...this.#added.values()],
    };
  }
}
