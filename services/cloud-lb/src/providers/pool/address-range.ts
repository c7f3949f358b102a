/** Ranges of addresses, from a CIDR or from `first-last`. */
import { addressBits, addressToBigInt, cidr, cidrParts, familyOf, InvalidInputError, ipAddress } from "@fairlead/types";
import type { IpAddress, IpFamily } from "@fairlead/types";

/** All addresses from `first` to `last`, both included. */
export interface AddressRange {
  readonly family: IpFamily;
  readonly first: bigint;
  readonly last: bigint;
}

/** Reads `10.0.0.0/24`, `10.0.0.5-10.0.0.9` or a single address; throws InvalidInputError naming `field`. */
export function addressRange(text: string, field: string): AddressRange {
  if (text.includes("/")) {
    const { family, first, size } = cidrParts(cidr(text.trim(), field));
    return { family, first, last: first + size - 1n };
  }
  const [from = "", to = from, rest] = text.split("-").map((part) => part.trim());
  const first = ipAddress(from, field);
  const last = ipAddress(to, field);
  if (rest !== undefined || familyOf(first) !== familyOf(last)) {
    throw new InvalidInputError(field, `must be a CIDR or FIRST-LAST of one family, not ${text}`);
  }
  const range = { family: familyOf(first), first: addressToBigInt(first), last: addressToBigInt(last) };
  if (range.last < range.first) throw new InvalidInputError(field, `ends before it begins: ${text}`);
  return range;
}

/** Whether the address is in the range. */
export function rangeContains(range: AddressRange, address: IpAddress): boolean {
  if (familyOf(address) !== range.family) return false;
  const value = addressToBigInt(address);
  return value >= range.first && value <= range.last;
}

/** Whether two ranges share an address. */
export function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** How many addresses. */
export function rangeSize(range: AddressRange): bigint {
  return range.last - range.first + 1n;
}

/** How many of them are {@link isBuggy}. */
export function buggyIn({ family, first, last }: AddressRange): bigint {
  if (family !== "IPv4") return 0n;
  // Multiples of 256 up to a number, from 0; one less than a multiple is the other kind.
  const multiples = (upTo: bigint): bigint => upTo / 256n + 1n;
  const before = (upTo: bigint): bigint => (upTo < 0n ? 0n : multiples(upTo) + multiples(upTo + 1n) - 1n);
  return before(last) - before(first - 1n);
}

/** Whether old equipment drops it, taking it for a network's or a broadcast address: IPv4 that ends in .0 or .255. */
export function isBuggy(address: IpAddress): boolean {
  return addressBits(familyOf(address)) === 32 && /\.(?:0|255)$/.test(address);
}
