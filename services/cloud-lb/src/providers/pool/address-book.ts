/** Who holds which address. Plain state without I/O or opinion: the planner decides, the book remembers. */
import type { IpAddress } from "@fairlead/types";
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
    return new Set(
      this.holdings()
        .filter((one) => one.pool === pool)
        .flatMap(({ addresses }) => addresses),
    ).size;
  }

  /** Enters what a Service holds, in place of what it held. */
  set(holding: Holding): void {
    this.release(holding.id);
    this.#holdings.set(holding.id, holding);
    for (const address of holding.addresses) {
      const holders = this.#holders.get(address) ?? new Set();
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
      if (holders?.size === 0) this.#holders.delete(address);
    }
    return before;
  }
}
