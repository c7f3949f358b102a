/**
 * The sets and maps of the plane's table, in each family: which are there, what they hold, and how a value is written.
 *
 * The shape is flat: every Service is some elements of maps that all share, and no rule is of one Service alone. A change of an endpoint is
 * a change of one element, whatever the number of Services (docs/adr/0009).
 *
 * Numbers travel from rule to rule in `meta priority`, the class of the packet's queue, of which the first packet of a connection has no
 * need yet. Registers do not last from one rule to the next, and nft 1.0.6 aborts over a rule that looks one map up by what another gave.
 */
import {
  classId,
  concatenation,
  dataMap,
  encodeValue,
  inetProtocol,
  inetService,
  ipv4Address,
  ipv6Address,
  mark,
  type NftDataType,
  type NftSet,
  plainSet,
  verdictMap,
} from "@fairlead/netlink";
import { type IpAddress, IpFamily, type Port, type Protocol } from "@fairlead/types";
import { protocolNumbers } from "../kernel/element-bytes.ts";

/** Name of the plane's table in the families ip and ip6. */
export const tableName = "fairlead";

/** Numbers that the plane puts into `meta priority` have this first byte: they are no class that anybody else would set. */
export const ownNumbers = 0xfa00_0000;
export const ownNumbersMask = 0xff00_0000;

/** Lists of endpoints, and endpoints in lists with affinity, have numbers from here on. */
export const firstListNumber = ownNumbers;
/** How many of those there are. */
export const maxLists = 0x007f_ffff;

/** Handlers have others, so that a number which was not replaced in time leads nowhere rather than to somebody else. */
export const firstHandlerNumber = ownNumbers + 0x0080_0000;
/** How many handlers there are. */
export const maxHandlers = 0x007f_ffff;

/** Clients with an affinity, in one family; beyond, further clients have none. */
const maxAffinities = 262_144;

/** Every set and map. */
export const setNames = [
  /** Address of a Service → number of its handler. */
  "services",
  /** Address of a Service → id of the list of endpoints that its handler picks from. */
  "groups",
  /** Number of a handler → goto its chain. */
  "handlers",
  /** The same three for pods and the node itself, at addresses of external policy Local. */
  "pod-services",
  "pod-groups",
  "pod-handlers",
  /** List and number → endpoint. */
  "endpoints",
  /** List and number → (nothing, id of the endpoint in its list): only of lists with affinity. */
  "affine",
  /** Id of an endpoint in a list with affinity → endpoint. */
  "sticky",
  /** List and client → id of the endpoint that it stays with. Made by the rules. */
  "affinity",
  /** Address of a Service and ranges of clients that are let in. */
  "sources",
  /** Endpoint twice: who is its own client. */
  "hairpin",
  /** Cluster IPs: their other ports refuse. */
  "cluster-ips",
  /** Ranges of pods, where local traffic is told by its source. */
  "pods",
  /** Address of a Service, counting: connections, packets to endpoints, packets from them. */
  "connections",
  "sent",
  "received",
] as const;
/** See {@link setNames}. */
export type SetName = (typeof setNames)[number];

/** Sets whose elements the rules make. */
export const madeByRules: ReadonlySet<SetName> = new Set(["affinity"]);
/** Sets that count. */
export const countingSets = ["connections", "sent", "received"] as const;

/** One element as the plane wants it; `goto` names a chain. */
export interface FlatElement {
  readonly set: SetName;
  readonly key: Uint8Array;
  /** Last key of a range. */
  readonly keyEnd?: Uint8Array;
  /** For ranges of single values: the key is the first that is not in the range any more. */
  readonly isEnd?: boolean;
  readonly data?: Uint8Array;
  readonly goto?: string;
}

/** How one family's table is laid out. */
export class FamilyLayout {
  readonly table: "ip" | "ip6";
  readonly family: IpFamily;
  readonly address: NftDataType<IpAddress>;
  /** Bytes of an address, and registers of 4 bytes that it takes. */
  readonly addressBytes: number;
  readonly addressWords: number;
  readonly sets: ReadonlyMap<SetName, NftSet>;
  readonly #frontend;
  readonly #endpoint;

  constructor(family: IpFamily) {
    this.family = family;
    this.table = family === IpFamily.v4 ? "ip" : "ip6";
    const address = family === IpFamily.v4 ? ipv4Address : ipv6Address;
    this.address = address;
    this.addressBytes = address.bytes;
    this.addressWords = address.bytes / 4;
    const frontend = concatenation(address, inetProtocol, inetService);
    const endpoint = concatenation(address, inetService);
    const place = concatenation(classId, mark);
    this.#frontend = frontend;
    this.#endpoint = endpoint;
    let id = 0;
    const named = (name: SetName) => ({ table: tableName, name, id: ++id });
    const counting = (name: SetName): NftSet => ({
      ...plainSet({ ...named(name), key: frontend }),
      expression: { name: "counter", data: {} },
    });
    this.sets = new Map<SetName, NftSet>([
      ["services", dataMap({ ...named("services"), key: frontend, data: classId })],
      ["groups", dataMap({ ...named("groups"), key: frontend, data: classId })],
      ["handlers", verdictMap({ ...named("handlers"), key: classId })],
      ["pod-services", dataMap({ ...named("pod-services"), key: frontend, data: classId })],
      ["pod-groups", dataMap({ ...named("pod-groups"), key: frontend, data: classId })],
      ["pod-handlers", verdictMap({ ...named("pod-handlers"), key: classId })],
      ["endpoints", dataMap({ ...named("endpoints"), key: place, data: endpoint })],
      ["affine", dataMap({ ...named("affine"), key: place, data: concatenation(mark, classId) })],
      ["sticky", dataMap({ ...named("sticky"), key: classId, data: endpoint })],
      [
        "affinity",
        dataMap({
          ...named("affinity"),
          key: concatenation(classId, address),
          data: classId,
          dynamic: true,
          timeoutMs: 0n,
          size: maxAffinities,
        }),
      ],
      [
        "sources",
        plainSet({
          ...named("sources"),
          key: concatenation(address, inetProtocol, inetService, address),
          interval: true,
        }),
      ],
      ["hairpin", plainSet({ ...named("hairpin"), key: concatenation(address, address) })],
      ["cluster-ips", plainSet({ ...named("cluster-ips"), key: address })],
      ["pods", plainSet({ ...named("pods"), key: address, interval: true })],
      ["connections", counting("connections")],
      ["sent", counting("sent")],
      ["received", counting("received")],
    ]);
  }

  /** Address, protocol and port as a key. */
  frontendKey(address: IpAddress, protocol: Protocol, port: Port): Uint8Array {
    return encodeValue(this.#frontend, [address, protocolNumbers[protocol], port]);
  }

  /** Address and port as data. */
  endpointData(address: IpAddress, port: Port): Uint8Array {
    return encodeValue(this.#endpoint, [address, port]);
  }

  /** An address as a key. */
  addressKey(address: IpAddress): Uint8Array {
    return encodeValue(this.address, address);
  }

  /** Address and port of data; as `address:port`, as endpoints are named. */
  endpointName(data: Uint8Array): string {
    const port = ((data[this.addressBytes] ?? 0) << 8) | (data[this.addressBytes + 1] ?? 0);
    const address = this.address.read(data, 0);
    return this.family === IpFamily.v6 ? `[${address}]:${port}` : `${address}:${port}`;
  }
}
