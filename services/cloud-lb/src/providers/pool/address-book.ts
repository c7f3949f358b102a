/** Who holds which address. Plain state without I/O or opinion: the planner decides, the book remembers. */
import { bigIntToAddress } from "@fairlead/types";
import type { IpAddress } from "@fairlead/types";
import type { AddressRange } from "./address-range.ts";
import type { SharingTerms } from "./claim.ts";

/** What one Service holds. */
export interface Holding {
  readonly id: string;
  /** `namespace/name`, for messages. */
  readonly title: string;
  readonly pool: string;
  readonly addresses: readonly IpAddress[];
  readonly sharing: SharingTerms;
}

/** See the module. */
export class AddressBook {
  readonly #holdings = new Map<string, Holding>();
  readonly #holders = new Map<IpAddress, Set<string>>();
  /** By pool: how many of its addresses somebody has. */
  readonly #inUse = new Map<string, number>();
  /** By range: below it nothing is free. Without it thousands of Services would each look at every address that is taken. */
  readonly #lowest = new Map<AddressRange, bigint>();

  holding(id: string): Holding | undefined {
    return this.#holdings.get(id);
  }

  holdings(): readonly Holding[] {
    return [...this.#holdings.values()];
  }

  /** Whoever has the address; several only where they share it. */
  holdersOf(address: IpAddress): readonly Holding[] {
    return [...(this.#holders.get(address) ?? [])].flatMap((id) => this.#holdings.get(id) ?? []);
  }

  /** How many addresses of a pool somebody has. */
  inUse(pool: string): number {
    return this.#inUse.get(pool) ?? 0;
  }

  /** The lowest usable address of a range that nobody has. What is usable must not change with time. */
  lowestFree(range: AddressRange, isUsable: (address: IpAddress) => boolean): IpAddress | undefined {
    let value = this.#lowest.get(range) ?? range.first;
    for (; value <= range.last; value += 1n) {
      const address = bigIntToAddress(value, range.family);
      if (isUsable(address) && !this.#holders.has(address)) break;
    }
    this.#lowest.set(range, value);
    return value <= range.last ? bigIntToAddress(value, range.family) : undefined;
  }

  /** Enters what a Service holds, in place of what it held. */
  set(holding: Holding): void {
    this.release(holding.id);
    this.#holdings.set(holding.id, holding);
    for (const address of holding.addresses) {
      const holders = this.#holders.get(address) ?? new Set();
      if (holders.size === 0) this.#count(holding.pool, 1);
      this.#holders.set(address, holders.add(holding.id));
    }
  }

  /** Strikes out what a Service holds; returns it. */
  release(id: string): Holding | undefined {
    const before = this.#holdings.get(id);
    this.#holdings.delete(id);
    for (const address of before?.addresses ?? []) {
      const holders = this.#holders.get(address);
      holders?.delete(id);
      if (!before || holders?.size !== 0) continue;
      this.#holders.delete(address);
      this.#count(before.pool, -1);
      this.#lowest.clear();
    }
    return before;
  }

  #count(pool: string, change: number): void {
    this.#inUse.set(pool, this.inUse(pool) + change);
  }
}
