/** Addresses, address ranges, ports and protocols, each with a constructor that refuses what is not one. */
import { BlockList, isIP, SocketAddress } from "node:net";
import type { Brand } from "./brand.ts";
import { InvalidInputError } from "./errors.ts";

/** A canonical IPv4 or IPv6 address: lower case, zeros compressed (RFC 5952). Equal addresses are equal strings. */
export type IpAddress = Brand<string, "IpAddress">;

/** An address range in canonical form: the network address, a slash, the prefix length. */
export type Cidr = Brand<string, "Cidr">;

/** A port number from 1 to 65535. */
export type Port = Brand<number, "Port">;

export const IpFamily = { v4: "IPv4", v6: "IPv6" } as const;
/** Kubernetes' own names of the address families. */
export type IpFamily = (typeof IpFamily)[keyof typeof IpFamily];

export const protocols = ["TCP", "UDP", "SCTP"] as const;
/** Transport protocol of a Service port. */
export type Protocol = (typeof protocols)[number];

const mappedPrefix = "::ffff:";

/** Reads an address in any notation of its family; throws {@link InvalidInputError} naming `field`. Zone ids are refused. */
export function ipAddress(text: string, field = "address"): IpAddress {
  const family = typeof text === "string" && text.length <= 45 ? isIP(text) : 0;
  if (family === 0 || text.includes("%")) {
    throw new InvalidInputError(field, `must be an IPv4 or IPv6 address, not ${show(text)}`);
  }
  if (family === 4) return text as IpAddress;
  return new SocketAddress({ address: text, family: "ipv6" }).address as IpAddress;
}

/** The family of an address. */
export function familyOf(address: IpAddress): IpFamily {
  return address.includes(":") ? IpFamily.v6 : IpFamily.v4;
}

/** Reads `address/prefix`; host bits must be zero, as Kubernetes demands of every range. */
export function cidr(text: string, field = "cidr"): Cidr {
  const [head, tail, rest] = typeof text === "string" ? text.split("/") : [];
  if (head === undefined || tail === undefined || rest !== undefined || !/^\d{1,3}$/.test(tail)) {
    throw new InvalidInputError(field, `must be an address range such as 10.0.0.0/8, not ${show(text)}`);
  }
  const network = ipAddress(head, field);
  const bits = Number(tail);
  const width = addressBits(familyOf(network));
  if (bits > width) throw new InvalidInputError(field, `prefix length must be 0 to ${width}, not ${bits}`);
  const hostMask = (1n << BigInt(width - bits)) - 1n;
  const value = addressToBigInt(network);
  if ((value & hostMask) !== 0n) {
    const first = bigIntToAddress(value & ~hostMask, familyOf(network));
    throw new InvalidInputError(field, `${text} has host bits set: the range is ${first}/${bits}`);
  }
  return `${network}/${bits}` as Cidr;
}

/** Checks a port number; throws {@link InvalidInputError} naming `field`. */
export function port(value: number, field = "port"): Port {
  if (!Number.isInteger(value) || value < 1 || value > 65535) {
    throw new InvalidInputError(field, `must be a port number from 1 to 65535, not ${show(value)}`);
  }
  return value as Port;
}

/** Checks a protocol name as Kubernetes writes it. */
export function protocol(text: string, field = "protocol"): Protocol {
  if ((protocols as readonly string[]).includes(text)) return text as Protocol;
  throw new InvalidInputError(field, `must be one of ${protocols.join(", ")}, not ${show(text)}`);
}

/** Width of an address of this family, in bits. */
export function addressBits(family: IpFamily): 32 | 128 {
  return family === IpFamily.v4 ? 32 : 128;
}

/** The address as an unsigned number, for counting within a range. */
export function addressToBigInt(address: IpAddress): bigint {
  if (familyOf(address) === IpFamily.v4) {
    return address.split(".").reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  }
  return expandV6(address).reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
}

/** Inverse of {@link addressToBigInt}. */
export function bigIntToAddress(value: bigint, family: IpFamily): IpAddress {
  if (family === IpFamily.v4) {
    return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".") as IpAddress;
  }
  const groups: string[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(((value >> shift) & 0xffffn).toString(16));
  return ipAddress(groups.join(":"));
}

/** First address, size and prefix length of a range. */
export interface CidrParts {
  readonly family: IpFamily;
  readonly first: bigint;
  readonly size: bigint;
  readonly prefix: number;
}

/** Takes a range apart. */
export function cidrParts(range: Cidr): CidrParts {
  const slash = range.indexOf("/");
  const network = range.slice(0, slash) as IpAddress;
  const family = familyOf(network);
  const prefix = Number(range.slice(slash + 1));
  return { family, prefix, first: addressToBigInt(network), size: 1n << BigInt(addressBits(family) - prefix) };
}

/** Whether the address lies in the range; false across families. */
export function cidrContains(range: Cidr, address: IpAddress): boolean {
  const { family, first, size } = cidrParts(range);
  if (familyOf(address) !== family) return false;
  const value = addressToBigInt(address);
  return value >= first && value < first + size;
}

/**
 * A compiled set of ranges, for the paths that ask once per connection. Families stay apart; an IPv4 client that a socket
 * for both families reports as `::ffff:10.1.2.3` counts as the IPv4 client it is.
 */
export function cidrMatcher(ranges: readonly Cidr[]): (address: string) => boolean {
  // One list for both families would let ::/0 match every IPv4 address, as a mapped one.
  const v4 = new BlockList();
  const v6 = new BlockList();
  for (const range of ranges) {
    const [network, prefix] = range.split("/") as [string, string];
    if (network.includes(":")) v6.addSubnet(network, Number(prefix), "ipv6");
    else v4.addSubnet(network, Number(prefix), "ipv4");
  }
  return (address) => {
    const plain =
      address.startsWith(mappedPrefix) && address.includes(".") ? address.slice(mappedPrefix.length) : address;
    return plain.includes(":") ? v6.check(plain, "ipv6") : v4.check(plain, "ipv4");
  };
}

/** Whether the address is in 127.0.0.0/8 or is ::1. */
export function isLoopback(address: IpAddress): boolean {
  return address === "::1" || address.startsWith("127.");
}

function expandV6(address: string): number[] {
  // A canonical IPv6 address may still end in dotted IPv4 notation (::ffff:1.2.3.4).
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (dotted) {
    const [, head = "", a, b, c, d] = dotted;
    const high = (Number(a) << 8) | Number(b);
    const low = (Number(c) << 8) | Number(d);
    return expandV6(`${head}${high.toString(16)}:${low.toString(16)}`);
  }
  const [left = "", right] = address.split("::");
  const parse = (part: string): number[] => (part === "" ? [] : part.split(":").map((g) => Number.parseInt(g, 16)));
  if (right === undefined) return parse(left);
  const head = parse(left);
  const tail = parse(right);
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
