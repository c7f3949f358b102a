/** The plane's table as the kernel has it: read, compared with what it should be, and written. */
import {
  NftElementFlag,
  type NftablesClient,
  type NftablesTransaction,
  type NftChain,
  type NftElement,
  nftRule,
  type NftSet,
} from "@fairlead/netlink";
import { type ChainText, commentBytes, commentFrom, commentOf } from "../kernel/chain-text.ts";
import { textOf, wordAt } from "../kernel/element-bytes.ts";
import { type FamilyLayout, type FlatElement, madeByRules, type SetName, setNames, tableName } from "./layout.ts";
import type { TableMemory } from "./table-memory.ts";

/** What the kernel holds of one family's table. */
export interface KernelTable {
  /** Chains by name, each with the comments of its rules. */
  readonly chains: ReadonlyMap<string, { readonly chain: NftChain; readonly comments: readonly string[] }>;
  readonly sets: ReadonlyMap<string, NftSet>;
  readonly elements: readonly FlatElement[];
}

/** Reads a family's table; undefined where there is none. */
export async function readTable(client: NftablesClient, layout: FamilyLayout): Promise<KernelTable | undefined> {
  const scope = { family: layout.table, table: tableName } as const;
  const tables = await client.tables({ family: layout.table });
  if (!tables.some(({ name }) => name === tableName)) return undefined;
  const comments = new Map<string, string[]>();
  for (const { chain = "", userData } of await client.rules(scope)) {
    const list = comments.get(chain) ?? [];
    list.push(commentFrom(userData));
    comments.set(chain, list);
  }
  const chains = new Map<string, { chain: NftChain; comments: readonly string[] }>();
  for (const chain of await client.chains(scope)) {
    chains.set(chain.name ?? "", { chain, comments: comments.get(chain.name ?? "") ?? [] });
  }
  const sets = new Map((await client.sets(scope)).map((set) => [set.name ?? "", set] as const));
  const elements: FlatElement[] = [];
  for (const set of setNames) {
    if (madeByRules.has(set) || !sets.has(set)) continue;
    for (const element of await client.elements({ ...scope, set })) {
      const flat = flatElement(set, element);
      if (flat !== undefined) elements.push(flat);
    }
  }
  return { chains, sets, elements };
}

function flatElement(set: SetName, { key, keyEnd, data, flags = 0 }: NftElement): FlatElement | undefined {
  if (key?.value === undefined) return undefined;
  return {
    set,
    key: key.value,
    ...(keyEnd?.value === undefined ? {} : { keyEnd: keyEnd.value }),
    ...((flags & NftElementFlag.INTERVAL_END) === 0 ? {} : { isEnd: true }),
    ...(data?.value === undefined ? {} : { data: data.value }),
    ...(data?.verdict?.chain === undefined ? {} : { goto: data.verdict.chain }),
  };
}

/** Whether every set is there with the types that it should have: else the table is of another version, and has to be made anew. */
export function hasOurShape(layout: FamilyLayout, { sets }: KernelTable): boolean {
  return [...layout.sets].every(([name, wanted]) => {
    const there = sets.get(name);
    return (
      there !== undefined &&
      there.keyType === wanted.keyType &&
      there.keyLength === wanted.keyLength &&
      there.dataType === wanted.dataType &&
      (there.expression?.name ?? "") === (wanted.expression?.name ?? "")
    );
  });
}

/** The numbers that are in force. */
export function memoryOf(layout: FamilyLayout, { elements }: KernelTable): TableMemory {
  const handlers = new Map<string, number>();
  const groups = new Map<string, number>();
  const podGroups = new Map<string, number>();
  const places = new Map<number, string[]>();
  const stickyNames = new Map<number, string>();
  const sticky = new Map<number, Map<string, number>>();
  for (const { set, key, data, goto } of elements) {
    if (goto !== undefined) handlers.set(goto, wordAt(key));
    if (data === undefined) continue;
    if (set === "groups") groups.set(textOf(key), wordAt(data));
    else if (set === "pod-groups") podGroups.set(textOf(key), wordAt(data));
    else if (set === "sticky") stickyNames.set(wordAt(key), layout.endpointName(data));
    else if (set === "endpoints") {
      const list = places.get(wordAt(key)) ?? [];
      list[wordAt(key, 4)] = layout.endpointName(data);
      places.set(wordAt(key), list);
    }
  }
  for (const { set, key, data } of elements) {
    if (set !== "affine" || data === undefined) continue;
    const list = wordAt(key);
    const id = wordAt(data, 4);
    const name = stickyNames.get(id);
    if (name === undefined) continue;
    const ids = sticky.get(list) ?? new Map<string, number>();
    ids.set(name, id);
    sticky.set(list, ids);
  }
  return { handlers, groups, podGroups, places, sticky };
}

/** What is to be written, in one family. */
export interface TableWork {
  /** Chains to make, or to fill anew. */
  readonly chains: readonly ChainText[];
  /** Those of {@link chains} that are there, with other rules. */
  readonly flushed: readonly string[];
  readonly deleted: readonly FlatElement[];
  readonly added: readonly FlatElement[];
  /** Chains that go. */
  readonly goneChains: readonly string[];
}

/** How many things the work changes. */
export function sizeOf({ chains, deleted, added, goneChains }: TableWork): number {
  return chains.length + deleted.length + added.length + goneChains.length;
}

/** What brings the kernel's table to what it should be. */
export function workBetween(
  kernel: KernelTable,
  chains: readonly ChainText[],
  wanted: Iterable<FlatElement>,
): TableWork {
  const text = new Map(chains.map((chain) => [chain.chain.name ?? "", chain] as const));
  const changed: ChainText[] = [];
  const flushed: string[] = [];
  for (const [name, chain] of text) {
    const there = kernel.chains.get(name);
    const same = there !== undefined && there.comments.join("\n") === chain.rules.map(commentOf).join("\n");
    if (same) continue;
    changed.push(chain);
    if (there !== undefined) flushed.push(name);
  }
  const missing = new Map<SetName, Map<string, FlatElement>>(setNames.map((set) => [set, new Map()]));
  for (const element of wanted) missing.get(element.set)?.set(keyOf(element), element);
  const deleted: FlatElement[] = [];
  for (const element of kernel.elements) {
    const ofSet = missing.get(element.set);
    const key = keyOf(element);
    const same = ofSet?.get(key);
    if (same !== undefined && sameValue(same, element)) ofSet?.delete(key);
    else deleted.push(element);
  }
  const added = [...missing.values()].flatMap((ofSet) => [...ofSet.values()]);
  const goneChains = [...kernel.chains.keys()].filter((name) => !text.has(name));
  return { chains: changed, flushed, deleted, added, goneChains };
}

/** What tells an element from others of its set. */
function keyOf({ key, isEnd }: FlatElement): string {
  return isEnd === true ? `!${textOf(key)}` : textOf(key);
}

function sameValue(a: FlatElement, b: FlatElement): boolean {
  if (a.goto !== undefined || b.goto !== undefined) return a.goto === b.goto;
  const [one, other] = [a.data ?? a.keyEnd, b.data ?? b.keyEnd];
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}

/** Adds the work to a transaction, in the order in which the kernel takes it. */
export function write(transaction: NftablesTransaction, layout: FamilyLayout, work: TableWork): void {
  transaction.in(layout.table);
  for (const { chain } of work.chains) transaction.addChain(chain);
  for (const name of [...work.flushed, ...work.goneChains]) transaction.deleteRule({ table: tableName, chain: name });
  for (const { chain, rules } of work.chains) {
    for (const rule of rules) {
      transaction.addRule({
        table: tableName,
        ...(chain.name === undefined ? {} : { chain: chain.name }),
        expressions: rule.expressions,
        userData: commentBytes(commentOf(rule)),
      });
    }
  }
  for (const [set, elements] of bySet(work.deleted)) {
    transaction.deleteElements({ table: tableName, set }, inKernelTerms(elements));
  }
  for (const [set, elements] of bySet(work.added)) {
    transaction.addElements({ table: tableName, set }, inKernelTerms(elements));
  }
  for (const name of work.goneChains) transaction.deleteChain({ table: tableName, name });
}

/** Adds the table with its sets, empty. */
export function writeEmpty(transaction: NftablesTransaction, layout: FamilyLayout): void {
  transaction.in(layout.table).addTable({ name: tableName });
  for (const set of layout.sets.values()) transaction.addSet(set);
}

function bySet(elements: readonly FlatElement[]): ReadonlyMap<SetName, readonly FlatElement[]> {
  return Map.groupBy(elements, ({ set }) => set);
}

/** Made while they are written: of many, few are there at once. */
function inKernelTerms(elements: readonly FlatElement[]): Iterable<NftElement> {
  return {
    *[Symbol.iterator]() {
      for (const element of elements) yield toKernel(element);
    },
  };
}

function toKernel({ key, keyEnd, isEnd, data, goto }: FlatElement): NftElement {
  return {
    key: { value: key },
    ...(data === undefined ? {} : { data: { value: data } }),
    ...(goto === undefined ? {} : { data: nftRule.verdictData("goto", goto) }),
    ...(isEnd === true ? { flags: NftElementFlag.INTERVAL_END } : {}),
    ...(keyEnd === undefined ? {} : { keyEnd: { value: keyEnd } }),
  };
}
