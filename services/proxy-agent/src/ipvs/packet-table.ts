/** One family's table: what it should hold by whom it is wanted, what the kernel is known to hold, and the way from one to the other. */
import {
  NftElementFlag,
  type NftablesClient,
  type NftablesTransaction,
  type NftElement,
  type NftSet,
} from "@fairlead/netlink";
import { type ChainText, commentBytes, commentFrom, commentOf } from "../kernel/chain-text.ts";
import { textOf } from "../kernel/element-bytes.ts";
import { order, type PacketElement, type PacketLayout, setNames, tableName } from "./packet-layout.ts";

/** Before or after IPVS is changed: see {@link order}. */
export type Stage = "before" | "after";

/** See the module. */
export class PacketTable {
  readonly layout: PacketLayout;
  #chains: readonly ChainText[];
  readonly #byOwner = new Map<string, readonly PacketElement[]>();
  readonly #wanted = new Map<string, { readonly element: PacketElement; owners: number }>();
  readonly #known = new Map<string, PacketElement>();
  /** Ids of elements that may differ between the two. */
  readonly #open = new Set<string>();

  constructor(layout: PacketLayout, chains: readonly ChainText[]) {
    this.layout = layout;
    this.#chains = chains;
  }

  /** From now on these chains are wanted; {@link compare} brings them about. */
  set chains(chains: readonly ChainText[]) {
    this.#chains = chains;
  }

  /** What one owner wants, instead of what it wanted before. Equal elements of several owners are one. */
  put(owner: string, elements: readonly PacketElement[]): void {
    const before = this.#byOwner.get(owner) ?? [];
    if (elements.length === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, elements);
    for (const element of elements) {
      const id = idOf(element);
      const known = this.#wanted.get(id);
      // Of one id and other data is only what the same owner wants in its place.
      this.#wanted.set(id, { element, owners: (known?.owners ?? 0) + 1 });
      this.#open.add(id);
    }
    for (const element of before) {
      const id = idOf(element);
      const known = this.#wanted.get(id);
      if (known === undefined) continue;
      known.owners -= 1;
      if (known.owners === 0) this.#wanted.delete(id);
      this.#open.add(id);
    }
  }

  /** Elements that the kernel is known to have in a set. */
  *known(set: PacketElement["set"]): Iterable<PacketElement> {
    for (const element of this.#known.values()) if (element.set === set) yield element;
  }

  /** Adds a stage's changes to a transaction; returns how many. Tell {@link PacketTable.took} once they are committed. */
  write(transaction: NftablesTransaction, stage: Stage): number {
    const { deleted, added } = this.#changes(stage, () => false);
    writeElements(transaction.in(this.layout.table), deleted, added);
    return deleted.length + added.length;
  }

  /** The kernel took what {@link PacketTable.write} or {@link PacketTable.compare} wrote for this stage. */
  took(stage: Stage): void {
    const { deleted, added } = this.#changes(stage, this.#carriedOver);
    for (const element of deleted) this.#known.delete(idOf(element));
    for (const element of added) this.#known.set(idOf(element), element);
    for (const id of this.#open) {
      if (same(this.#wanted.get(id)?.element, this.#known.get(id))) this.#open.delete(id);
    }
    this.#carriedOver = () => false;
  }

  /** Reads the kernel's table, for {@link PacketTable.known}; whether there is one. Nothing is written. */
  async read(client: NftablesClient): Promise<boolean> {
    const there = await readTable(client, this.layout);
    this.#know(there?.elements ?? []);
    return there !== undefined;
  }

  /**
   * Compares with the kernel's table and adds to a transaction what leads to what should be at that stage; returns how many things
   * differ. Where chains or sets do, the table is made anew, in the same transaction.
   */
  async compare(client: NftablesClient, transaction: NftablesTransaction, stage: Stage): Promise<number> {
    const there = await readTable(client, this.layout);
    this.#know(there?.elements ?? []);
    transaction.in(this.layout.table);
    if (there !== undefined && this.#isOurs(there)) return this.write(transaction, stage);
    // What admits is admitted all the time.
    const before = new Map(this.#known);
    this.#carriedOver = (id) => same(before.get(id), this.#wanted.get(id)?.element);
    this.#know([]);
    if (there !== undefined) transaction.deleteTable({ name: tableName });
    transaction.addTable({ name: tableName });
    for (const set of this.layout.sets.values()) transaction.addSet(set);
    for (const { chain } of this.#chains) transaction.addChain(chain);
    for (const { chain, rules } of this.#chains) {
      for (const rule of rules) {
        transaction.addRule({
          table: tableName,
          ...(chain.name === undefined ? {} : { chain: chain.name }),
          expressions: rule.expressions,
          userData: commentBytes(commentOf(rule)),
        });
      }
    }
    const { deleted, added } = this.#changes(stage, this.#carriedOver);
    writeElements(transaction, deleted, added);
    return 1 + added.length;
  }

  /** Forgets what all other owners want. */
  keep(isKept: (owner: string) => boolean): void {
    for (const owner of this.#byOwner.keys()) if (!isKept(owner)) this.put(owner, []);
  }

  #carriedOver: (id: string) => boolean = () => false;

  #know(elements: readonly PacketElement[]): void {
    this.#known.clear();
    this.#open.clear();
    for (const element of elements) {
      this.#known.set(idOf(element), element);
      this.#open.add(idOf(element));
    }
    for (const id of this.#wanted.keys()) this.#open.add(id);
  }

  #changes(stage: Stage, also: (id: string) => boolean): { deleted: PacketElement[]; added: PacketElement[] } {
    const deleted: PacketElement[] = [];
    const added: PacketElement[] = [];
    for (const id of this.#open) {
      const want = this.#wanted.get(id)?.element;
      const have = this.#known.get(id);
      const set = (want ?? have)?.set;
      if (set === undefined || same(want, have)) continue;
      const comes = order[set] === "admits" && !also(id) ? "after" : "before";
      const goes = order[set] === "guards" ? "after" : "before";
      if (want !== undefined && comes === stage) {
        if (have !== undefined) deleted.push(have);
        added.push(want);
      } else if (want === undefined && have !== undefined && goes === stage) deleted.push(have);
    }
    return { deleted, added };
  }

  #isOurs({ sets, comments, hooks }: KernelTable): boolean {
    const shape = [...this.layout.sets].every(([name, { keyType, keyLength, dataType }]) => {
      const there = sets.get(name);
      return there?.keyType === keyType && there?.keyLength === keyLength && there?.dataType === dataType;
    });
    return (
      shape &&
      hooks.size === this.#chains.length &&
      this.#chains.every(
        ({ chain, rules }) =>
          hooks.get(chain.name ?? "") === (chain.hook?.priority ?? "none") &&
          (comments.get(chain.name ?? "") ?? []).join("\n") === rules.map(commentOf).join("\n"),
      )
    );
  }
}

interface KernelTable {
  readonly sets: ReadonlyMap<string, NftSet>;
  /** Comments of the rules of each chain that has some. */
  readonly comments: ReadonlyMap<string, readonly string[]>;
  /** Priority of each chain, `none` of those without a hook. */
  readonly hooks: ReadonlyMap<string, number | "none">;
  readonly elements: readonly PacketElement[];
}

async function readTable(client: NftablesClient, { table: family }: PacketLayout): Promise<KernelTable | undefined> {
  const scope = { family, table: tableName } as const;
  const tables = await client.tables({ family });
  if (!tables.some(({ name }) => name === tableName)) return undefined;
  const comments = new Map<string, string[]>();
  for (const { chain = "", userData } of await client.rules(scope)) {
    const list = comments.get(chain) ?? [];
    list.push(commentFrom(userData));
    comments.set(chain, list);
  }
  const chains = await client.chains(scope);
  const hooks = new Map(chains.map(({ name = "", hook }) => [name, hook?.priority ?? "none"] as const));
  const sets = new Map((await client.sets(scope)).map((set) => [set.name ?? "", set] as const));
  const elements: PacketElement[] = [];
  for (const set of setNames) {
    if (!sets.has(set)) continue;
    for (const { key, keyEnd, data, flags = 0 } of await client.elements({ ...scope, set })) {
      if (key?.value === undefined) continue;
      elements.push({
        set,
        key: key.value,
        ...(keyEnd?.value === undefined ? {} : { keyEnd: keyEnd.value }),
        ...((flags & NftElementFlag.INTERVAL_END) === 0 ? {} : { isEnd: true }),
        ...(data?.value === undefined ? {} : { data: data.value }),
      });
    }
  }
  return { sets, comments, hooks, elements };
}

function writeElements(
  transaction: NftablesTransaction,
  deleted: readonly PacketElement[],
  added: readonly PacketElement[],
): void {
  const named = (set: string) => ({ table: tableName, set });
  for (const [set, elements] of Map.groupBy(deleted, (element) => element.set)) {
    transaction.deleteElements(named(set), elements.map(toKernel));
  }
  for (const [set, elements] of Map.groupBy(added, (element) => element.set)) {
    transaction.addElements(named(set), elements.map(toKernel));
  }
}

function toKernel({ key, keyEnd, isEnd, data }: PacketElement): NftElement {
  return {
    key: { value: key },
    ...(data === undefined ? {} : { data: { value: data } }),
    ...(isEnd === true ? { flags: NftElementFlag.INTERVAL_END } : {}),
    ...(keyEnd === undefined ? {} : { keyEnd: { value: keyEnd } }),
  };
}

function idOf({ set, key, isEnd }: PacketElement): string {
  return `${set}${isEnd === true ? "!" : " "}${textOf(key)}`;
}

function same(a: PacketElement | undefined, b: PacketElement | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const value = ({ keyEnd, data }: PacketElement): string => textOf(keyEnd ?? data ?? nothing);
  return value(a) === value(b);
}

const nothing = new Uint8Array();
