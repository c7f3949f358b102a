/** The pod addresses of one node: its /24 without the network, the first and the broadcast address. */
import type { Cidr, IpAddress } from "@fairlead/types";
import { bigIntToAddress, cidrParts, InvalidInputError, IpFamily } from "@fairlead/types";

const SUBNET_SIZE = 256n;
const FIRST_HOST = 2;
const LAST_HOST = 254;

/**
 * The /24 of the node with this number (counted from 1). node-1 gets the second /24 where the range has room, so that
 * 127.244.1.x reads as node-1. Throws {@link InvalidInputError} where the range is too small for all nodes.
 */
export function nodeSubnet(podCidr: Cidr, node: number, nodes: number): Cidr {
  const { family, first, size } = cidrParts(podCidr);
  if (family !== IpFamily.v4) throw new InvalidInputError("podCidr", "must be an IPv4 range");
  const subnets = size / SUBNET_SIZE;
  if (subnets < BigInt(nodes)) {
    throw new InvalidInputError("podCidr", `${podCidr} holds ${subnets} subnets of /24, ${nodes} nodes need as many`);
  }
  const index = BigInt(node) % subnets;
  return `${bigIntToAddress(first + index * SUBNET_SIZE, family)}/24` as Cidr;
}

/**
 * Hands out addresses in turn, so that one that was given back rests for as long as possible: a client that still knows
 * the old pod must not meet a new one there.
 */
export class AddressPool {
  readonly subnet: Cidr;
  readonly #base: bigint;
  readonly #taken = new Map<string, string>();
  #next = FIRST_HOST;

  constructor(options: { subnet: Cidr }) {
    this.subnet = options.subnet;
    this.#base = cidrParts(options.subnet).first;
  }

  /** Takes the next free address for this owner; `undefined` when all are taken. */
  take(owner: string): IpAddress | undefined {
    for (let tried = FIRST_HOST; tried <= LAST_HOST; tried++) {
      const address = this.#address(this.#next);
      this.#next = this.#next === LAST_HOST ? FIRST_HOST : this.#next + 1;
      if (!this.#taken.has(address)) {
        this.#taken.set(address, owner);
        return address;
      }
    }
    return undefined;
  }

  /** Takes this very address, as a restart does for a pod that has one; false if it is not free or not of this node. */
  claim(address: string, owner: string): boolean {
    const host = Number(address.split(".")[3]);
    if (!(host >= FIRST_HOST && host <= LAST_HOST) || this.#address(host) !== address) return false;
    const holder = this.#taken.get(address);
    if (holder !== undefined) return holder === owner;
    this.#taken.set(address, owner);
    return true;
  }

  /** The next address to hand out comes after this one, if it is of this node. */
  continueAfter(address: string): void {
    const host = Number(address.split(".")[3]);
    if (!(host >= FIRST_HOST && host <= LAST_HOST) || this.#address(host) !== address) return;
    this.#next = host === LAST_HOST ? FIRST_HOST : host + 1;
  }

  /** Gives back what the owner holds; nothing happens if it holds nothing. */
  release(owner: string): void {
    for (const [address, holder] of this.#taken) if (holder === owner) this.#taken.delete(address);
  }

  #address(host: number): IpAddress {
    return bigIntToAddress(this.#base + BigInt(host), IpFamily.v4);
  }
}
