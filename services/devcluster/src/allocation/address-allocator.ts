/** Gives cluster IPs to Services, each to one Service at a time. */
import { addressToBigInt, bigIntToAddress, cidrContains, cidrParts, IpFamily } from "@fairlead/types";
import type { Cidr, IpAddress, Random } from "@fairlead/types";
import { AlreadyAllocatedError, NotInRangeError } from "./errors.ts";
import { OffsetAllocator } from "./offset-allocator.ts";

/** Who holds the first address of a range: the API server's own Service. */
export const firstAddressOwner = "default/kubernetes";

export interface AddressAllocatorOptions {
  readonly range: Cidr;
  readonly random: Random;
}

/**
 * See the module. The network address is never given, nor the broadcast address of an IPv4 range. The first address is
 * {@link firstAddressOwner}'s. Addresses chosen by themselves come from above the static band while one is free there, so that
 * people may pick low addresses with little risk (KEP-3070).
 */
export class AddressAllocator {
  readonly range: Cidr;
  readonly family: IpFamily;
  readonly #base: bigint;
  readonly #size: bigint;
  readonly #offsets: OffsetAllocator;

  constructor({ range, random }: AddressAllocatorOptions) {
    const { family, first, size } = cidrParts(range);
    this.range = range;
    this.family = family;
    this.#base = first + 1n;
    // IPv6 has no broadcast address.
    const usable = size - (family === IpFamily.v4 ? 2n : 1n);
    this.#size = usable > 0n ? usable : 0n;
    this.#offsets = new OffsetAllocator({ size: this.#size, staticBand: addressBand(size), random });
    if (this.#size > 0n) this.#offsets.take(0n, firstAddressOwner);
  }

  /** Takes this address; throws {@link NotInRangeError} or {@link AlreadyAllocatedError}. */
  allocate(address: IpAddress, owner: string): void {
    const offset = this.#offsetOf(address);
    // The owner of the first address has held it since the range exists.
    if (offset === 0n && owner === firstAddressOwner) return;
    if (!this.#offsets.take(offset, owner)) throw new AlreadyAllocatedError("IP");
  }

  /** Takes a free address; throws RangeFullError. */
  allocateNext(owner: string): IpAddress {
    return bigIntToAddress(this.#base + this.#offsets.takeNext(owner), this.family);
  }

  /** Gives the address back if this owner holds it; the first address stays its owner's. */
  release(address: IpAddress, owner: string): void {
    if (!cidrContains(this.range, address)) return;
    const offset = addressToBigInt(address) - this.#base;
    if (offset > 0n) this.#offsets.release(offset, owner);
  }

  /** Notes an address from storage; false where it is not of this range or has another owner already. */
  restore(address: IpAddress, owner: string): boolean {
    if (!cidrContains(this.range, address)) return false;
    const offset = addressToBigInt(address) - this.#base;
    return this.#offsets.take(offset, owner) || this.#offsets.ownerOf(offset) === owner;
  }

  ownerOf(address: IpAddress): string | undefined {
    return cidrContains(this.range, address) ? this.#offsets.ownerOf(addressToBigInt(address) - this.#base) : undefined;
  }

  #offsetOf(address: IpAddress): bigint {
    const offset = cidrContains(this.range, address) ? addressToBigInt(address) - this.#base : -1n;
    if (offset < 0n || offset >= this.#size) {
      throw new NotInRangeError(
        `the provided IP (${address}) is not in the valid range. The range of valid IPs is ${this.range}`,
      );
    }
    return offset;
  }
}

// KEP-3070: min(max(16, size/16), 256), and none for a range of at most 16; the size counts every address.
function addressBand(size: bigint): bigint {
  if (size <= 16n) return 0n;
  const part = size / 16n;
  if (part < 16n) return 16n;
  return part > 256n ? 256n : part;
}
