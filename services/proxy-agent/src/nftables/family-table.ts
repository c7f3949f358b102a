/** One family's half of the plane: what its table should hold, and the way from there to the kernel and back. */
import { type NftablesClient, type NftablesTransaction } from "@fairlead/netlink";
import type { Cidr, IpFamily, NodeName, SchedulerName } from "@fairlead/types";
import type { EntryKey, Frontend, ServicePortEntry } from "../plan/entry.ts";
import type { HeldFrontend } from "../plane.ts";
import type { ChainText } from "../kernel/chain-text.ts";
import type { ChainWriter } from "./chains.ts";
import { elementId, elementValue, FlatTable, handlerOf, type TableDifference } from "./flat-table.ts";
import { chainName } from "./handler.ts";
import {
  hasOurShape,
  type KernelTable,
  memoryOf,
  readTable,
  sizeOf,
  type TableWork,
  workBetween,
  write,
  writeEmpty,
} from "./kernel-table.ts";
import { textOf, wordAt } from "../kernel/element-bytes.ts";
import { FamilyLayout, type FlatElement, tableName } from "./layout.ts";
import { podElements } from "../kernel/range-elements.ts";

/** What is done where nothing is to be done. */
const nothing: TableWork = { chains: [], flushed: [], deleted: [], added: [], goneChains: [] };

/** See the module. */
export class FamilyTable {
  readonly layout: FamilyLayout;
  readonly model: FlatTable;
  readonly #chains: ChainWriter;
  /** Ranges of pods, where local traffic is told by them. */
  podRanges: readonly Cidr[] = [];
  #podRangesBefore: readonly Cidr[] = [];

  constructor(
    family: IpFamily,
    options: {
      readonly node: NodeName;
      readonly scheduler?: SchedulerName | undefined;
      readonly trafficCounters: boolean;
    },
    chains: (layout: FamilyLayout) => ChainWriter,
  ) {
    this.layout = new FamilyLayout(family);
    this.model = new FlatTable(this.layout, options);
    this.#chains = chains(this.layout);
  }

  /** What the kernel holds. */
  read(nftables: NftablesClient): Promise<KernelTable | undefined> {
    return readTable(nftables, this.layout);
  }

  /** Fills the empty table with these entries, and takes over the numbers that the kernel has from an earlier run. */
  load(kernel: KernelTable | undefined, entries: readonly ServicePortEntry[]): void {
    if (kernel !== undefined && hasOurShape(this.layout, kernel)) this.model.remember(memoryOf(this.layout, kernel));
    this.model.load(entries.filter(({ family }) => family === this.layout.family));
    this.model.forgetEarlierRun();
  }

  /** Goes on to the next state; what it gives is to be written. Entries of the other family are passed over. */
  change(removed: readonly ServicePortEntry[], changed: readonly ServicePortEntry[]): TableWork {
    const { family } = this.layout;
    const own = (entries: readonly ServicePortEntry[]) => entries.filter((entry) => entry.family === family);
    const difference = this.model.change(
      own(removed).map(({ key }): EntryKey => key),
      own(changed),
    );
    return this.#workOf(difference);
  }

  /** Adds the work to a transaction. */
  write(transaction: NftablesTransaction, work: TableWork): void {
    if (sizeOf(work) > 0) write(transaction, this.layout, work);
  }

  /**
   * Adds to the transaction what brings the kernel's table to what it should be: all of it where there is no such table, or one of another
   * version. Returns how many things differ.
   */
  compare(kernel: KernelTable | undefined, transaction: NftablesTransaction): number {
    this.#podRangesBefore = this.podRanges;
    const chains = this.#allChains();
    if (kernel !== undefined && hasOurShape(this.layout, kernel)) {
      const work = workBetween(kernel, chains, this.#allElements());
      this.write(transaction, work);
      return sizeOf(work);
    }
    if (kernel !== undefined) transaction.in(this.layout.table).deleteTable({ name: tableName });
    writeEmpty(transaction, this.layout);
    const work = { ...nothing, chains, added: [...this.#allElements()] };
    this.write(transaction, work);
    return sizeOf(work);
  }

  /** Adds to the transaction that chains go which nothing has used for a while. */
  writeIdle(transaction: NftablesTransaction): void {
    const idle = this.model.idleHandlers();
    const deleted = idle.map(({ element }) => element);
    this.write(transaction, { ...nothing, deleted, goneChains: idle.map(({ handler }) => chainName(handler)) });
  }

  /** Addresses that lead to endpoints, by what the kernel holds. */
  async inspect(nftables: NftablesClient): Promise<readonly HeldFrontend[]> {
    const kernel = await readTable(nftables, this.layout);
    if (kernel === undefined) return [];
    const groups = new Map<string, number>();
    for (const { set, key, data } of kernel.elements) {
      if (set === "groups" && data !== undefined) groups.set(textOf(key), wordAt(data));
    }
    const { places } = memoryOf(this.layout, kernel);
    const held: HeldFrontend[] = [];
    for (const { entry, frontends } of this.model.all()) {
      for (const { kind, address, port } of frontends) {
        const group = groups.get(textOf(this.layout.frontendKey(address, entry.protocol, port)));
        const endpoints = [...new Set(places.get(group ?? 0))].sort();
        if (endpoints.length === 0) continue;
        held.push({ servicePort: entry.servicePort, kind, protocol: entry.protocol, address, port, endpoints });
      }
    }
    return held;
  }

  /** Whether the address leads anywhere. */
  isServed(entry: ServicePortEntry, frontend: Frontend): boolean {
    const placed = this.model.placed(entry.key);
    return placed !== undefined && handlerOf(placed, frontend).choice !== undefined;
  }

  #workOf({ handlers, deleted, added }: TableDifference): TableWork {
    const pods = this.#podDifference();
    return {
      chains: handlers.map((handler) => this.#chains.handler(handler)),
      flushed: [],
      deleted: [...deleted, ...pods.deleted],
      added: [...added, ...pods.added],
      goneChains: [],
    };
  }

  #podDifference(): { readonly deleted: readonly FlatElement[]; readonly added: readonly FlatElement[] } {
    if (this.podRanges === this.#podRangesBefore) return { deleted: [], added: [] };
    const [before, after] = [this.#podRangesBefore, this.podRanges].map((ranges) =>
      podElements(this.layout, ranges),
    ) as [readonly FlatElement[], readonly FlatElement[]];
    this.#podRangesBefore = this.podRanges;
    const ids = (elements: readonly FlatElement[]) =>
      new Set(elements.map((one) => elementId(one) + elementValue(one)));
    const without = (elements: readonly FlatElement[], others: readonly FlatElement[]) => {
      const known = ids(others);
      return elements.filter((one) => !known.has(elementId(one) + elementValue(one)));
    };
    return { deleted: without(before, after), added: without(after, before) };
  }

  #allChains(): readonly ChainText[] {
    return [...this.#chains.fixed(), ...[...this.model.handlers()].map((handler) => this.#chains.handler(handler))];
  }

  *#allElements(): Iterable<FlatElement> {
    yield* this.model.elements();
    yield* podElements(this.layout, this.podRanges);
  }
}
