/** Hands out whole numbers from 0 to size-1, each to one owner at a time, the static band last (KEP-3070, KEP-3668). */
import type { Random } from "@fairlead/types";
import { RangeFullError } from "./errors.ts";

export interface OffsetAllocatorOptions {
  /** How many numbers there are. */
  readonly size: bigint;
  /** So many first numbers are chosen by themselves only when all others are taken. */
  readonly staticBand: bigint;
  readonly random: Random;
}

// Random() has 53 bits. Larger ranges (IPv6 /64) are drawn from within their first 2^52 numbers of the upper band.
const widestDraw = 1n << 52n;

// So many random draws before the first free number after the last draw is taken: cheap while the range is not nearly full.
const randomDraws = 8;

/** See the module. */
export class OffsetAllocator {
  readonly #size: bigint;
  readonly #staticBand: bigint;
  readonly #random: Random;
  readonly #owners = new Map<bigint, string>();

  constructor({ size, staticBand, random }: OffsetAllocatorOptions) {
    this.#size = size;
    this.#staticBand = staticBand < size ? staticBand : 0n;
    this.#random = random;
  }

  /** Takes this number; false if it has an owner. */
  take(offset: bigint, owner: string): boolean {
    if (this.#owners.has(offset)) return false;
    this.#owners.set(offset, owner);
    return true;
  }

  /** Takes any free number, from the upper band while it has one; throws {@link RangeFullError}. */
  takeNext(owner: string): bigint {
    const offset = this.#findFree(this.#staticBand, this.#size) ?? this.#findFree(0n, this.#staticBand);
    if (offset === undefined) throw new RangeFullError();
    this.#owners.set(offset, owner);
    return offset;
  }

  /** Gives the number back if this owner holds it. */
  release(offset: bigint, owner: string): void {
    if (this.#owners.get(offset) === owner) this.#owners.delete(offset);
  }

  ownerOf(offset: bigint): string | undefined {
    return this.#owners.get(offset);
  }

  #findFree(from: bigint, to: bigint): bigint | undefined {
    const span = to - from;
    if (span <= 0n) return undefined;
    let start = this.#draw(span);
    for (let tries = 1; tries < randomDraws && this.#owners.has(from + start); tries += 1) start = this.#draw(span);
    // One more step than there are owners meets a free number, if there is one at all.
    const steps = BigInt(this.#owners.size) + 1n;
    for (let step = 0n; step < steps && step < span; step += 1n) {
      const offset = from + ((start + step) % span);
      if (!this.#owners.has(offset)) return offset;
    }
    return undefined;
  }

  #draw(span: bigint): bigint {
    const width = Number(span < widestDraw ? span : widestDraw);
    return BigInt(Math.floor(this.#random() * width));
  }
}
