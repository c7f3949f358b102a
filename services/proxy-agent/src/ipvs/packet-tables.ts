/** The plane's table in both families, changed in one transaction; and the note of what is ours, which the table keeps for a later run. */
import { NetlinkError, type NftablesClient, NftablesTransaction } from "@fairlead/netlink";
import { type Cidr, familyOf, type IpAddress, IpFamily, type NodeName, type Port } from "@fairlead/types";
import { podElements } from "../kernel/range-elements.ts";
import type { ServicePortEntry } from "../plan/entry.ts";
import type { Placed } from "./ipvs-plan.ts";
import { type PacketChainOptions, PacketChains } from "./packet-chains.ts";
import { packetElements } from "./packet-elements.ts";
import { PacketLayout, tableName } from "./packet-layout.ts";
import { PacketTable, type Stage } from "./packet-table.ts";
import { type Place, partsOf, placeAt, protocolOf } from "./place.ts";

/** Times that a comparison is done anew because somebody changed rules meanwhile. */
const maxTries = 4;

/** Owners of the note of what is ours; all others are entries and node facts. */
const note = { place: "note place ", address: "note address ", interface: "note interface" } as const;

/** What the table says is ours. */
export interface Noted {
  readonly places: ReadonlySet<Place>;
  readonly addresses: ReadonlySet<IpAddress>;
  /** Interfaces that this plane made. */
  readonly interfaces: ReadonlySet<string>;
  /** Whether there was a table at all. */
  readonly isThere: boolean;
}

/** See the module. */
export class PacketTables {
  readonly #client: NftablesClient;
  readonly #options: PacketChainOptions & { readonly node: NodeName };
  readonly #tables: readonly PacketTable[];
  /** After the last commit or comparison; anything else means that somebody else was there. */
  #generation = -1;

  constructor(client: NftablesClient, options: PacketChainOptions & { readonly node: NodeName }) {
    this.#client = client;
    this.#options = options;
    this.#tables = [IpFamily.v4, IpFamily.v6].map((family) => {
      const layout = new PacketLayout(family);
      return new PacketTable(layout, new PacketChains(layout, options).all());
    });
  }

  /** What an entry wants from now on; nothing if it is gone. */
  putEntry({ key, family }: Pick<ServicePortEntry, "key" | "family">, placed: Placed | undefined): void {
    const table = this.#of(family);
    const elements =
      placed === undefined
        ? []
        : packetElements(table.layout, placed.entry, placed.frontends, {
            node: this.#options.node,
            inward: placed.inward,
          });
    table.put(key, [...elements]);
  }

  /** Ranges of this node's or the cluster's pods. */
  putPods(ranges: readonly Cidr[]): void {
    for (const table of this.#tables) table.put("pods", podElements(table.layout, ranges));
  }

  /** Notes that the virtual service there is ours, or forgets it. */
  notePlace(place: Place, isOurs: boolean): void {
    const parts = partsOf(place);
    const table = this.#of(familyOf(parts.address));
    const element = { set: "virtual-services", key: table.layout.placeKey(parts) } as const;
    table.put(note.place + place, isOurs ? [element] : []);
  }

  /** Notes that we put the address on the interface, or forgets it. */
  noteAddress(address: IpAddress, isOurs: boolean): void {
    const table = this.#of(familyOf(address));
    table.put(note.address + address, isOurs ? [{ set: "addresses", key: table.layout.addressKey(address) }] : []);
  }

  /** Notes that we made the interface. */
  noteInterface(name: string): void {
    for (const table of this.#tables) {
      table.put(note.interface, [{ set: "interfaces", key: table.layout.interfaceKey(name) }]);
    }
  }

  /** Reads what an earlier run noted. */
  async noted(): Promise<Noted> {
    const places = new Set<Place>();
    const addresses = new Set<IpAddress>();
    const interfaces = new Set<string>();
    let isThere = false;
    for (const table of this.#tables) {
      isThere = (await table.read(this.#client)) || isThere;
      const { layout } = table;
      for (const { key } of table.known("virtual-services")) {
        const [address, number, port] = layout.readPlace(key);
        const protocol = protocolOf(number);
        if (protocol !== undefined) places.add(placeAt(protocol, address, port as Port));
      }
      for (const { key } of table.known("addresses")) addresses.add(layout.readAddress(key));
      for (const { key } of table.known("interfaces")) interfaces.add(layout.readInterface(key));
    }
    return { places, addresses, interfaces, isThere };
  }

  /** Only the note stays, and the chain without which translated connections would break. */
  retire(): void {
    for (const table of this.#tables) {
      table.keep((owner) => Object.values(note).some((prefix) => owner.startsWith(prefix)));
      table.chains = new PacketChains(table.layout, this.#options).retired();
    }
  }

  /** Brings about a stage of what has changed; returns how many things have. */
  async commit(stage: Stage): Promise<number> {
    const transaction = new NftablesTransaction({ family: "ip" });
    let changes = 0;
    for (const table of this.#tables) changes += table.write(transaction, stage);
    if (changes === 0) return 0;
    try {
      await this.#client.commit(transaction);
      for (const table of this.#tables) table.took(stage);
      const { id } = await this.#client.generation();
      // Every commit makes it grow by one: more means that somebody else was between.
      if (id === this.#generation + 1) this.#generation = id;
      return changes;
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      // Somebody has changed the table under us: what is really there decides what is to be done.
      return this.compare(stage);
    }
  }

  /** As {@link PacketTables.compare}, without reading anything where nobody else has changed any rule since. */
  async check(stage: Stage): Promise<number> {
    const isUntouched = (await this.#client.generation()).id === this.#generation;
    return isUntouched ? this.commit(stage) : this.compare(stage);
  }

  /** Compares with the kernel's table and brings about a stage of what should be; returns how many things differed. */
  async compare(stage: Stage): Promise<number> {
    for (let tries = 1; ; tries++) {
      const generation = (await this.#client.generation()).id;
      const transaction = new NftablesTransaction({ family: "ip" });
      let changes = 0;
      for (const table of this.#tables) changes += await table.compare(this.#client, transaction, stage);
      try {
        if (changes > 0) await this.#client.commit(transaction, { generation });
        for (const table of this.#tables) table.took(stage);
        this.#generation = changes > 0 ? generation + 1 : generation;
        return changes;
      } catch (error) {
        const isMeanwhile = error instanceof NetlinkError && error.code === "ERESTART";
        if (!isMeanwhile || tries >= maxTries) throw error;
      }
    }
  }

  /** Deletes the table. */
  async delete(): Promise<void> {
    const transaction = new NftablesTransaction({ family: "ip" });
    for (const { layout } of this.#tables) {
      const tables = await this.#client.tables({ family: layout.table });
      if (tables.some(({ name }) => name === tableName)) transaction.in(layout.table).deleteTable({ name: tableName });
    }
    if (transaction.size > 0) await this.#client.commit(transaction);
  }

  #of(family: IpFamily): PacketTable {
    return this.#tables.find(({ layout }) => layout.family === family) as PacketTable;
  }
}
