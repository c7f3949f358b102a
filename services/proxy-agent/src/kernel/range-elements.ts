/** Ranges of addresses as elements of interval sets. */
import {
  bigIntToAddress,
  type Cidr,
  cidrContains,
  cidrParts,
  familyOf,
  type IpAddress,
  type IpFamily,
} from "@fairlead/types";
/** What is needed of a family's layout. */
export interface AddressLayout {
  readonly family: IpFamily;
  readonly addressBytes: number;
  /** An address as a key. */
  addressKey(address: IpAddress): Uint8Array;
}

/** An element of a set of ranges. */
export interface RangeElement<S extends string> {
  readonly set: S;
  readonly key: Uint8Array;
  /** Last key of a range of concatenated values. */
  readonly keyEnd?: Uint8Array;
  /** For ranges of single values: the key is the first that is not in the range any more. */
  readonly isEnd?: boolean;
}

/** Elements of `sources`: the Service's address with each range. */
export function* sourceElements(
  layout: AddressLayout,
  frontend: Uint8Array,
  ranges: readonly Cidr[],
): Iterable<RangeElement<"sources">> {
  for (const range of outermost(ranges, layout.family)) {
    const { first, size } = cidrParts(range);
    const bound = (address: bigint): Uint8Array => {
      const key = new Uint8Array(frontend.length + layout.addressBytes);
      key.set(frontend);
      key.set(layout.addressKey(bigIntToAddress(address, layout.family)), frontend.length);
      return key;
    };
    yield { set: "sources", key: bound(first), keyEnd: bound(first + size - 1n) };
  }
}

/** Elements of `pods`: where each range begins, and where it is over. */
export function podElements(layout: AddressLayout, ranges: readonly Cidr[]): readonly RangeElement<"pods">[] {
  const bounds = outermost(ranges, layout.family)
    .map((range) => cidrParts(range))
    .sort((a, b) => (a.first < b.first ? -1 : 1));
  const width = 2n ** BigInt(8 * layout.addressBytes);
  const elements: RangeElement<"pods">[] = [];
  for (const [index, { first, size }] of bounds.entries()) {
    const before = bounds[index - 1];
    // Ranges that touch are one.
    if (before !== undefined && before.first + before.size === first) elements.pop();
    else elements.push({ set: "pods", key: layout.addressKey(bigIntToAddress(first, layout.family)) });
    const end = first + size;
    if (end < width) {
      elements.push({ set: "pods", key: layout.addressKey(bigIntToAddress(end, layout.family)), isEnd: true });
    }
  }
  return elements;
}

/** The ranges of a family that lie in no other: the kernel takes none twice. */
function outermost(ranges: readonly Cidr[], family: IpFamily): readonly Cidr[] {
  const own = [...new Set(ranges)].filter((range) => familyOf(networkOf(range)) === family);
  return own.filter((range) => !own.some((other) => other !== range && encloses(other, range)));
}

function encloses(outer: Cidr, inner: Cidr): boolean {
  return cidrContains(outer, networkOf(inner)) && cidrParts(outer).prefix <= cidrParts(inner).prefix;
}

function networkOf(range: Cidr): IpAddress {
  return range.slice(0, range.indexOf("/")) as IpAddress;
}
