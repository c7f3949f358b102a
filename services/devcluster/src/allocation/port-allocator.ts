/** Gives node ports to Services, each to one Service at a time. */
import type { Random } from "@fairlead/types";
import { AlreadyAllocatedError, NotInRangeError } from "./errors.ts";
import { OffsetAllocator } from "./offset-allocator.ts";

/** Both ends belong to the range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PortAllocatorOptions {
  readonly range: PortRange;
  readonly random: Random;
}

/** See the module. Ports chosen by themselves come from above the static band while one is free there (KEP-3668). */
export class PortAllocator {
  readonly range: PortRange;
  readonly #offsets: OffsetAllocator;

  constructor({ range, random }: PortAllocatorOptions) {
    this.range = range;
    const size = range.last - range.first + 1;
    this.#offsets = new OffsetAllocator({ size: BigInt(size), staticBand: BigInt(portBand(size)), random });
  }

  /** Takes this port; throws {@link NotInRangeError} or {@link AlreadyAllocatedError}. */
  allocate(port: number, owner: string): void {
    if (!this.#inRange(port)) {
      const { first, last } = this.range;
      throw new NotInRangeError(
        `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
      );
    }
    if (!this.#offsets.take(this.#offset(port), owner)) throw new AlreadyAllocatedError("port");
  }

  /** Takes a free port; throws RangeFullError. */
  allocateNext(owner: string): number {
    return this.range.first + Number(this.#offsets.takeNext(owner));
  }

  /** Gives the port back if this owner holds it. */
  release(port: number, owner: string): void {
    if (this.#inRange(port)) this.#offsets.release(this.#offset(port), owner);
  }

  /** Notes a port from storage; false where it is not of this range or has another owner already. */
  restore(port: number, owner: string): boolean {
    if (!this.#inRange(port)) return false;
    return this.#offsets.take(this.#offset(port), owner) || this.ownerOf(port) === owner;
  }

  ownerOf(port: number): string | undefined {
    return this.#inRange(port) ? this.#offsets.ownerOf(this.#offset(port)) : undefined;
  }

  #inRange(port: number): boolean {
    return Number.isInteger(port) && port >= this.range.first && port <= this.range.last;
  }

  #offset(port: number): bigint {
    return BigInt(port - this.range.first);
  }
}

// KEP-3668: min(max(16, size/32), 128), and none for a range of at most 16; 30000-32767 gives 86.
function portBand(size: number): number {
  return size <= 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
}
