/** The sets of the plane's small table, in each family: what IPVS alone cannot tell apart. */
import {
  concatenation,
  dataMap,
  encodeValue,
  inetProtocol,
  inetService,
  interfaceName,
  ipv4Address,
  ipv6Address,
  type NftDataType,
  type NftSet,
  plainSet,
} from "@fairlead/netlink";
import { type IpAddress, IpFamily } from "@fairlead/types";
import { protocolNumbers } from "../kernel/element-bytes.ts";
import type { PlaceParts } from "./place.ts";

/** Name of the table in the families ip and ip6. */
export const tableName = "fairlead-ipvs";

/** Every set and map. */
export const setNames = [
  /** Virtual services, addresses and interfaces that this plane made: IPVS has no room for such a note. */
  "virtual-services",
  "addresses",
  "interfaces",
  /** Addresses of Services. Other ports of {@link PacketElement addresses} refuse. */
  "open",
  /** Addresses of Services: masqueraded always; masqueraded where the client is none of the cluster's pods. */
  "external",
  "internal",
  /** Addresses of Services: nobody can take it; nobody of this node can. */
  "no-endpoints",
  "no-local-endpoints",
  /** Addresses of Services that let only listed sources in, and those sources. */
  "guarded",
  "sources",
  /** Address of a Service of external policy Local → the virtual service with the endpoints of all nodes, for pods and the node itself. */
  "inward",
  /** Endpoint twice: who is its own client. */
  "hairpin",
  /** Ranges of pods, where local traffic is told by its source. */
  "pods",
] as const;
/** See {@link setNames}. */
export type SetName = (typeof setNames)[number];

/**
 * When an element comes and goes, seen from the change of IPVS: what denies or masquerades comes before and goes after, what admits the
 * other way round. `at-once`: comes and goes before, as the kernel takes no range that overlaps another.
 */
export const order: Readonly<Record<SetName, "guards" | "admits" | "at-once">> = {
  "virtual-services": "guards",
  addresses: "guards",
  interfaces: "guards",
  open: "admits",
  external: "guards",
  internal: "guards",
  "no-endpoints": "guards",
  "no-local-endpoints": "guards",
  guarded: "guards",
  sources: "at-once",
  inward: "admits",
  hairpin: "guards",
  pods: "at-once",
};

/** Sets that say what is ours, and nothing about packets. */
export const recordSets: ReadonlySet<SetName> = new Set(["virtual-services", "addresses", "interfaces"]);

/** One element as the plane wants it. */
export interface PacketElement {
  readonly set: SetName;
  readonly key: Uint8Array;
  /** Last key of a range. */
  readonly keyEnd?: Uint8Array;
  /** For ranges of single values: the key is the first that is not in the range any more. */
  readonly isEnd?: boolean;
  readonly data?: Uint8Array;
}

/** How one family's table is laid out. */
export class PacketLayout {
  readonly table: "ip" | "ip6";
  readonly family: IpFamily;
  /** Bytes of an address, and registers of 4 bytes that it takes. */
  readonly addressBytes: number;
  readonly addressWords: number;
  readonly sets: ReadonlyMap<SetName, NftSet>;
  readonly #address: NftDataType<IpAddress>;
  readonly #place;
  readonly #target;

  constructor(family: IpFamily) {
    this.family = family;
    this.table = family === IpFamily.v4 ? "ip" : "ip6";
    const address = family === IpFamily.v4 ? ipv4Address : ipv6Address;
    this.#address = address;
    this.addressBytes = address.bytes;
    this.addressWords = address.bytes / 4;
    const place = concatenation(address, inetProtocol, inetService);
    const target = concatenation(address, inetService);
    this.#place = place;
    this.#target = target;
    let id = 0;
    const named = (name: SetName) => ({ table: tableName, name, id: ++id });
    const places = (name: SetName): [SetName, NftSet] => [name, plainSet({ ...named(name), key: place })];
    this.sets = new Map<SetName, NftSet>([
      places("virtual-services"),
      ["addresses", plainSet({ ...named("addresses"), key: address })],
      ["interfaces", plainSet({ ...named("interfaces"), key: interfaceName })],
      places("open"),
      places("external"),
      places("internal"),
      places("no-endpoints"),
      places("no-local-endpoints"),
      places("guarded"),
      [
        "sources",
        plainSet({
          ...named("sources"),
          key: concatenation(address, inetProtocol, inetService, address),
          interval: true,
        }),
      ],
      ["inward", dataMap({ ...named("inward"), key: place, data: target })],
      ["hairpin", plainSet({ ...named("hairpin"), key: concatenation(address, address) })],
      ["pods", plainSet({ ...named("pods"), key: address, interval: true })],
    ]);
  }

  /** A place as a key. */
  placeKey({ address, protocol, port }: PlaceParts): Uint8Array {
    return encodeValue(this.#place, [address, protocolNumbers[protocol], port]);
  }

  /** Inverse of {@link placeKey}: address, number of the protocol, port. */
  readPlace(key: Uint8Array): readonly [address: IpAddress, protocol: number, port: number] {
    return this.#place.read(key, 0);
  }

  /** Address and port as data. */
  targetData(address: IpAddress, port: number): Uint8Array {
    return encodeValue(this.#target, [address, port]);
  }

  /** An address as a key. */
  addressKey(address: IpAddress): Uint8Array {
    return encodeValue(this.#address, address);
  }

  /** Inverse of {@link addressKey}. */
  readAddress(key: Uint8Array): IpAddress {
    return this.#address.read(key, 0);
  }

  /** An interface's name as a key. */
  interfaceKey(name: string): Uint8Array {
    return encodeValue(interfaceName, name);
  }

  /** Inverse of {@link interfaceKey}. */
  readInterface(key: Uint8Array): string {
    return interfaceName.read(key, 0);
  }
}
