/** The interface that bears the Services' addresses, so that the kernel takes packets to them for its own. */
import { NetlinkError, type Refusal, type RouteClient } from "@fairlead/netlink";
import { addressBits, familyOf, type IpAddress } from "@fairlead/types";

/** Refusals that mean: it is so already. */
const alreadySo = { add: "EEXIST", delete: "EADDRNOTAVAIL" } as const;

/** See the module. */
export class ServiceAddresses {
  readonly name: string;
  readonly #route: RouteClient;
  #index = 0;
  readonly #own = new Set<IpAddress>();
  readonly #others = new Set<IpAddress>();

  constructor(options: { readonly route: RouteClient; readonly name: string }) {
    this.#route = options.route;
    this.name = options.name;
  }

  /** Whether there is such an interface. */
  async isInterfaceThere(): Promise<boolean> {
    return (await this.#route.link(this.name)) !== undefined;
  }

  /**
   * Finds the interface, or makes it; whether it was made. It is a dummy that is down: addresses of interfaces that are down are the
   * machine's all the same, and whoever looks for addresses to listen on leaves them out.
   */
  async ensureInterface(): Promise<boolean> {
    const link = await this.#route.link(this.name);
    if (link === undefined) await this.#route.addLink({ name: this.name, kind: "dummy" });
    this.#index = (link ?? (await this.#route.link(this.name)))?.index ?? 0;
    return link === undefined;
  }

  /** Reads all addresses; those on the interface are told apart by `isOwn`. Returns how many own ones there are no more. */
  async read(isOwn: (address: IpAddress) => boolean): Promise<number> {
    const before = this.#own.size;
    const link = await this.#route.link(this.name);
    this.#index = link?.index ?? 0;
    this.#own.clear();
    this.#others.clear();
    for (const { index, address } of await this.#route.addresses()) {
      (index === this.#index && isOwn(address) ? this.#own : this.#others).add(address);
    }
    return Math.max(0, before - this.#own.size);
  }

  /** Addresses on the interface that were put there by this plane, as far as is known. */
  get own(): ReadonlySet<IpAddress> {
    return this.#own;
  }

  /** Whether the machine has the address anyway: then it is not this plane's to add or take. */
  isOthers(address: IpAddress): boolean {
    return this.#others.has(address);
  }

  /** Adds addresses to the interface; returns those that could not be. */
  bind(addresses: Iterable<IpAddress>): Promise<ReadonlyMap<IpAddress, Refusal>> {
    return this.#change("add", [...addresses]);
  }

  /** Takes addresses from the interface; returns those that could not be. */
  unbind(addresses: Iterable<IpAddress>): Promise<ReadonlyMap<IpAddress, Refusal>> {
    return this.#change("delete", [...addresses]);
  }

  /** Deletes the interface with its addresses. */
  async deleteInterface(): Promise<void> {
    const link = await this.#route.link(this.name);
    this.#own.clear();
    if (link === undefined) return;
    try {
      await this.#route.deleteLink(link.index);
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code !== "ENODEV") throw error;
    }
  }

  async #change(kind: "add" | "delete", addresses: readonly IpAddress[]): Promise<ReadonlyMap<IpAddress, Refusal>> {
    const failed = new Map<IpAddress, Refusal>();
    if (addresses.length === 0) return failed;
    const index = this.#index;
    const changes = addresses.map((address) => {
      return { kind, address: { index, address, prefix: addressBits(familyOf(address)) } };
    });
    const refusals = new Map((await this.#route.changeAddresses(changes)).map((refusal) => [refusal.index, refusal]));
    for (const [at, address] of addresses.entries()) {
      const refusal = refusals.get(at);
      if (refusal !== undefined && refusal.code !== alreadySo[kind]) failed.set(address, refusal);
      else if (kind === "add") this.#own.add(address);
      else this.#own.delete(address);
    }
    return failed;
  }
}
