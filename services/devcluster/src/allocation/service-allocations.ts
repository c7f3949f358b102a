/** Which Service holds which cluster IPs and node ports, with room for writes that may not happen. */
import { cidrContains, familyOf } from "@fairlead/types";
import type { Cidr, IpAddress, IpFamily, Random } from "@fairlead/types";
import { AddressAllocator } from "./address-allocator.ts";
import { PortAllocator } from "./port-allocator.ts";
import type { PortRange } from "./port-allocator.ts";

/** What one Service holds. */
export interface Holding {
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly number[];
}

export interface ServiceAllocationsOptions {
  /** One range, or two of different families; the first is the default. */
  readonly ranges: readonly Cidr[];
  readonly nodePorts: PortRange;
  readonly random: Random;
}

/**
 * See the module. An owner is `<namespace>/<name>`. What a {@link Reservation} takes belongs to its owner at once, so that no other
 * write gets it, and goes back unless `settle` is called: one reservation an owner, a newer one undoes the one before.
 */
export class ServiceAllocations {
  readonly families: readonly IpFamily[];
  readonly #addresses: ReadonlyMap<IpFamily, AddressAllocator>;
  readonly #ports: PortAllocator;
  readonly #open = new Map<string, Reservation>();

  constructor({ ranges, nodePorts, random }: ServiceAllocationsOptions) {
    const allocators = ranges.map((range) => new AddressAllocator({ range, random }));
    this.#addresses = new Map(allocators.map((allocator) => [allocator.family, allocator]));
    this.families = [...this.#addresses.keys()];
    this.#ports = new PortAllocator({ range: nodePorts, random });
  }

  /** Whether the address is of a range of the cluster. */
  covers(address: IpAddress): boolean {
    const range = this.#addresses.get(familyOf(address))?.range;
    return range !== undefined && cidrContains(range, address);
  }

  /** Begins a write of this owner's Service. */
  reserve(owner: string): Reservation {
    this.undo(owner);
    const reservation = new Reservation(owner, this.#addresses, this.#ports);
    this.#open.set(owner, reservation);
    return reservation;
  }

  /** The write is durable: gives back what the Service held before and does not hold now. */
  settle(owner: string, before: Holding, now: Holding): void {
    this.#open.delete(owner);
    this.release(owner, {
      addresses: before.addresses.filter((address) => !now.addresses.includes(address)),
      ports: before.ports.filter((port) => !now.ports.includes(port)),
    });
  }

  /** The write did not happen: gives back what its reservation took. Does nothing where there is none. */
  undo(owner: string): void {
    const open = this.#open.get(owner);
    this.#open.delete(owner);
    if (open) this.release(owner, open.taken);
  }

  /** Gives back what this owner holds of this. */
  release(owner: string, { addresses, ports }: Holding): void {
    for (const address of addresses) this.#addresses.get(familyOf(address))?.release(address, owner);
    for (const port of ports) this.#ports.release(port, owner);
  }

  /** Notes what a stored Service holds. */
  restore(owner: string, { addresses, ports }: Holding): void {
    for (const address of addresses) this.#addresses.get(familyOf(address))?.restore(address, owner);
    for (const port of ports) this.#ports.restore(port, owner);
  }
}

/** What one write takes. Every method throws the errors of the allocators. */
export class Reservation {
  readonly #owner: string;
  readonly #allocators: ReadonlyMap<IpFamily, AddressAllocator>;
  readonly #portAllocator: PortAllocator;
  readonly #addresses: IpAddress[] = [];
  readonly #ports: number[] = [];

  constructor(owner: string, addresses: ReadonlyMap<IpFamily, AddressAllocator>, ports: PortAllocator) {
    this.#owner = owner;
    this.#allocators = addresses;
    this.#portAllocator = ports;
  }

  get taken(): Holding {
    return { addresses: this.#addresses, ports: this.#ports };
  }

  address(address: IpAddress): void {
    this.#allocator(familyOf(address)).allocate(address, this.#owner);
    this.#addresses.push(address);
  }

  anyAddress(family: IpFamily): IpAddress {
    const address = this.#allocator(family).allocateNext(this.#owner);
    this.#addresses.push(address);
    return address;
  }

  port(port: number): void {
    this.#portAllocator.allocate(port, this.#owner);
    this.#ports.push(port);
  }

  anyPort(): number {
    const port = this.#portAllocator.allocateNext(this.#owner);
    this.#ports.push(port);
    return port;
  }

  #allocator(family: IpFamily): AddressAllocator {
    const allocator = this.#allocators.get(family);
    if (!allocator) throw new RangeError(`no range of family ${family}`);
    return allocator;
  }
}
