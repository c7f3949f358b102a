/** Links, addresses, routes and neighbours of the network namespace that the socket belongs to. */
import { type IpAddress, IpFamily } from "@fairlead/types";
import type { Conversation, Request } from "../conversation.ts";
import { NetlinkDecodeError, NetlinkEncodeError, NetlinkError } from "../errors.ts";
import { AddressFamily, addressBytes, addressOf, familyNumber } from "../wire/address-bytes.ts";
import { MessageFlag, type MessageLayout, type MessageView, readMessage } from "../wire/message.ts";
import { NetlinkWriter } from "../wire/netlink-writer.ts";
import {
  type AddressAttributes,
  addressLayout,
  type LinkAttributes,
  LinkFlag,
  linkLayout,
  type NeighbourAttributes,
  neighbourLayout,
  type RouteAttributes,
  routeLayout,
  RouteMessage,
} from "./layouts.ts";

/** Longest name of a link, in bytes. */
const maxNameLength = 15;

/** Number of the attribute of a veth's kind data that describes the other end. */
const vethPeer = 1;

/** A network interface. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`, `dummy`…; absent for hardware and the loopback. */
  readonly kind?: string;
  readonly up: boolean;
  readonly loopback: boolean;
  /** Bits of `LinkFlag` and others. */
  readonly flags: number;
  readonly mtu?: number;
  /** Index of the bridge that it is a port of. */
  readonly master?: number;
  /** Index of the other end of a veth, in its own namespace. */
  readonly peer?: number;
  /** Hardware address, as `02:00:00:00:00:01`. */
  readonly address?: string;
}

/** An address of a link. */
export interface LinkAddress {
  readonly index: number;
  readonly address: IpAddress;
  readonly prefix: number;
}

/** A route to a unicast destination. */
export interface Route {
  /** Absent: the default route of the family. */
  readonly destination?: { readonly address: IpAddress; readonly prefix: number };
  readonly gateway?: IpAddress;
  /** Index of the link that packets leave by. */
  readonly output?: number;
  /** Source address of packets of this machine. */
  readonly preferredSource?: IpAddress;
  /** Lower comes first. */
  readonly priority?: number;
  /** Number of the routing table; 254 (main). */
  readonly table?: number;
  /** Needed where nothing else tells it. */
  readonly family?: IpFamily;
  /** `local`: packets are for this machine. Default: `unicast`. */
  readonly type?: keyof typeof routeTypes;
}

/** A neighbour: who has an address on a link. */
export interface Neighbour {
  readonly index: number;
  readonly address: IpAddress;
  /** Hardware address; absent while it is being looked for. */
  readonly linkAddress?: string;
  /** Bits of the kernel: 0x02 reachable, 0x04 stale, 0x20 failed, 0x80 permanent. */
  readonly state: number;
}

/** Kinds of routes. */
const routeTypes = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
} as const;

/** Numbers of routes of this table, made by an administrator, reached through a gateway (universe) or on the link itself. */
const mainTable = 254;
const madeByHand = 4;
const Scope = { universe: 0, link: 253, host: 254 } as const;

/** State of a neighbour that stays. */
const permanent = 0x80;

/** See the module. */
export class RouteClient {
  readonly #conversation: Conversation;

  /** On a socket of the family ROUTE. */
  constructor(options: { readonly conversation: Conversation }) {
    this.#conversation = options.conversation;
  }

  /** Every link. */
  links(): Promise<readonly Link[]> {
    return this.#conversation.dump(linkRequest("list links", RouteMessage.GET_LINK, {}), (message) =>
      message.type === RouteMessage.NEW_LINK ? [linkOf(message)] : [],
    );
  }

  /** The link of that name, or undefined. */
  async link(name: string): Promise<Link | undefined> {
    try {
      const request = linkRequest(`read the link ${name}`, RouteMessage.GET_LINK, { name: linkName(name) });
      const [link] = await this.#conversation.ask(request, (message) => [linkOf(message)]);
      return link;
    } catch (error) {
      if (error instanceof NetlinkError && error.code === "ENODEV") return undefined;
      throw error;
    }
  }

  /** Makes a link of a kind that needs nothing more, such as `bridge` or `dummy`. EEXIST if there is one, ENOTSUP for an unknown kind. */
  async addLink(options: { readonly name: string; readonly kind: string; readonly up?: boolean }): Promise<void> {
    const { name, kind, up = false } = options;
    const attributes = { name: linkName(name), info: { kind } };
    return this.#conversation.request(
      linkRequest(`add the ${kind} ${name}`, RouteMessage.NEW_LINK, attributes, {
        flags: create,
        up: up ? true : undefined,
      }),
    );
  }

  /** Makes two links that are joined; the other end may begin in another namespace, given by a process in it. */
  async addVeth(options: {
    readonly name: string;
    readonly peer: string;
    readonly peerProcess?: number;
  }): Promise<void> {
    const { name, peer, peerProcess } = options;
    const writer = new NetlinkWriter();
    const begin = writer.beginAttribute(vethPeer);
    linkLayout.header.write(writer, noLink);
    linkLayout.attributes.write(writer, {
      name: linkName(peer),
      ...(peerProcess === undefined ? {} : { namespaceProcess: peerProcess }),
    });
    writer.endAttribute(begin);
    const attributes = { name: linkName(name), info: { kind: "veth", data: new Uint8Array(writer.bytes()) } };
    const operation = `add the veth ${name} with ${peer}`;
    return this.#conversation.request(linkRequest(operation, RouteMessage.NEW_LINK, attributes, { flags: create }));
  }

  /** Changes a link: up or down, its master (0: none), its MTU, its name, or its namespace, given by a process in it. */
  async setLink(
    index: number,
    change: {
      readonly up?: boolean;
      readonly master?: number;
      readonly mtu?: number;
      readonly name?: string;
      readonly namespaceProcess?: number;
    },
  ): Promise<void> {
    const { up, name, ...attributes } = change;
    return this.#conversation.request(
      linkRequest(
        `change the link ${index}`,
        RouteMessage.SET_LINK,
        { ...attributes, ...(name === undefined ? {} : { name: linkName(name) }) },
        { index, up },
      ),
    );
  }

  /** Deletes a link. */
  deleteLink(index: number): Promise<void> {
    return this.#conversation.request(linkRequest(`delete the link ${index}`, RouteMessage.DELETE_LINK, {}, { index }));
  }

  /** Addresses of every link, or of one. */
  addresses(index?: number): Promise<readonly LinkAddress[]> {
    const request = {
      operation: "list addresses",
      layout: addressLayout,
      type: RouteMessage.GET_ADDRESS,
      content: { header: { family: 0, prefix: 0, flags: 0, scope: 0, index: 0 }, attributes: {} },
    };
    return this.#conversation.dump(request, (message) => {
      const address = message.type === RouteMessage.NEW_ADDRESS ? linkAddressOf(message) : undefined;
      return address !== undefined && (index === undefined || address.index === index) ? [address] : [];
    });
  }

  /** Gives a link an address; EEXIST if it has it. */
  async addAddress(address: LinkAddress): Promise<void> {
    const flags = MessageFlag.CREATE | MessageFlag.EXCLUSIVE;
    return this.#conversation.request(addressRequest("add", RouteMessage.NEW_ADDRESS, flags, address));
  }

  /** Takes an address from a link; EADDRNOTAVAIL if it has it not. */
  async deleteAddress(address: LinkAddress): Promise<void> {
    return this.#conversation.request(addressRequest("delete", RouteMessage.DELETE_ADDRESS, 0, address));
  }

  /** Routes of a family. */
  routes(family: IpFamily): Promise<readonly Route[]> {
    const request = {
      operation: "list routes",
      layout: routeLayout,
      type: RouteMessage.GET_ROUTE,
      content: { header: routeHeader({ family: numberOf(family) }), attributes: {} },
    };
    return this.#conversation.dump(request, (message) =>
      message.type === RouteMessage.NEW_ROUTE ? [routeOf(message)] : [],
    );
  }

  /** Adds a route; EEXIST if there is one like it. With `replace` it takes its place. */
  async addRoute(route: Route, options: { readonly replace?: boolean } = {}): Promise<void> {
    const how = options.replace === true ? MessageFlag.REPLACE : MessageFlag.EXCLUSIVE;
    return this.#conversation.request(routeRequest("add", RouteMessage.NEW_ROUTE, MessageFlag.CREATE | how, route));
  }

  /** Deletes a route; ESRCH if there is none like it. */
  async deleteRoute(route: Route): Promise<void> {
    return this.#conversation.request(routeRequest("delete", RouteMessage.DELETE_ROUTE, 0, route));
  }

  /** Neighbours of a family. */
  neighbours(family: IpFamily): Promise<readonly Neighbour[]> {
    const request = {
      operation: "list neighbours",
      layout: neighbourLayout,
      type: RouteMessage.GET_NEIGHBOUR,
      content: { header: { ...noNeighbour, family: numberOf(family) }, attributes: {} },
    };
    return this.#conversation.dump(request, (message) =>
      message.type === RouteMessage.NEW_NEIGHBOUR ? neighbourOf(message) : [],
    );
  }

  /** Says once and for all who has an address on a link. */
  async setNeighbour(neighbour: {
    readonly index: number;
    readonly address: IpAddress;
    readonly linkAddress: string;
  }): Promise<void> {
    const { index, address, linkAddress } = neighbour;
    return this.#conversation.request({
      operation: `set the neighbour ${address}`,
      layout: neighbourLayout,
      type: RouteMessage.NEW_NEIGHBOUR,
      flags: MessageFlag.CREATE | MessageFlag.REPLACE,
      content: {
        header: { ...noNeighbour, family: familyNumber(address), index, state: permanent },
        attributes: { destination: addressBytes(address), linkAddress: hardwareBytes(linkAddress) },
      },
    });
  }

  /** Forgets a neighbour; ENOENT if there is none. */
  deleteNeighbour(neighbour: { readonly index: number; readonly address: IpAddress }): Promise<void> {
    const { index, address } = neighbour;
    return this.#conversation.request({
      operation: `delete the neighbour ${address}`,
      layout: neighbourLayout,
      type: RouteMessage.DELETE_NEIGHBOUR,
      content: {
        header: { ...noNeighbour, family: familyNumber(address), index },
        attributes: { destination: addressBytes(address) },
      },
    });
  }
}

/** A change to links, addresses, routes or neighbours, as a monitor of `RouteGroup` hears of it. */
export type RouteEvent =
  | { readonly kind: "link"; readonly deleted: boolean; readonly link: Link }
  | { readonly kind: "address"; readonly deleted: boolean; readonly address: LinkAddress }
  | { readonly kind: "route"; readonly deleted: boolean; readonly route: Route }
  | { readonly kind: "neighbour"; readonly deleted: boolean; readonly neighbour: Neighbour };

/** Reads a message that a monitor got; undefined for kinds that are of no concern. Throws NetlinkDecodeError. */
export function readRouteEvent(message: MessageView): RouteEvent | undefined {
  switch (message.type) {
    case RouteMessage.NEW_LINK:
    case RouteMessage.DELETE_LINK:
      return { kind: "link", deleted: message.type === RouteMessage.DELETE_LINK, link: linkOf(message) };
    case RouteMessage.NEW_ADDRESS:
    case RouteMessage.DELETE_ADDRESS: {
      const address = linkAddressOf(message);
      const deleted = message.type === RouteMessage.DELETE_ADDRESS;
      return address === undefined ? undefined : { kind: "address", deleted, address };
    }
    case RouteMessage.NEW_ROUTE:
    case RouteMessage.DELETE_ROUTE:
      return { kind: "route", deleted: message.type === RouteMessage.DELETE_ROUTE, route: routeOf(message) };
    case RouteMessage.NEW_NEIGHBOUR:
    case RouteMessage.DELETE_NEIGHBOUR: {
      const [neighbour] = neighbourOf(message);
      const deleted = message.type === RouteMessage.DELETE_NEIGHBOUR;
      return neighbour === undefined ? undefined : { kind: "neighbour", deleted, neighbour };
    }
    default:
      return undefined;
  }
}

const create = MessageFlag.CREATE | MessageFlag.EXCLUSIVE;
const noLink = { family: 0, padding: 0, type: 0, index: 0, flags: 0, change: 0 };
const noNeighbour = { family: 0, padding: 0, padding2: 0, index: 0, state: 0, flags: 0, type: 0 };

type HeaderOf<L> = L extends MessageLayout<infer H, unknown> ? H : never;

function linkRequest(
  operation: string,
  type: number,
  attributes: LinkAttributes,
  options: { readonly flags?: number; readonly index?: number; readonly up?: boolean | undefined } = {},
): Request<HeaderOf<typeof linkLayout>, LinkAttributes> {
  const { flags = 0, index = 0, up } = options;
  const header = { ...noLink, index, flags: up === true ? LinkFlag.UP : 0, change: up === undefined ? 0 : LinkFlag.UP };
  return { operation, layout: linkLayout, type, flags, content: { header, attributes } };
}

function addressRequest(
  verb: string,
  type: number,
  flags: number,
  { index, address, prefix }: LinkAddress,
): Request<HeaderOf<typeof addressLayout>, AddressAttributes> {
  const bytes = addressBytes(address);
  return {
    operation: `${verb} the address ${address}/${prefix}`,
    layout: addressLayout,
    type,
    flags,
    content: {
      header: { family: familyNumber(address), prefix, flags: 0, scope: Scope.universe, index },
      attributes: { local: bytes, address: bytes },
    },
  };
}

function routeRequest(
  verb: string,
  type: number,
  flags: number,
  route: Route,
): Request<HeaderOf<typeof routeLayout>, RouteAttributes> {
  const { destination, gateway, output, preferredSource, priority, table = mainTable } = route;
  const known = destination?.address ?? gateway ?? preferredSource;
  const family = known === undefined ? route.family && numberOf(route.family) : familyNumber(known);
  if (family === undefined) throw new NetlinkEncodeError("a route without addresses names its family");
  const kind = routeTypes[route.type ?? "unicast"];
  const scope = kind === routeTypes.local ? Scope.host : gateway === undefined ? Scope.link : Scope.universe;
  return {
    operation: `${verb} the route to ${destination === undefined ? "anywhere" : `${destination.address}/${destination.prefix}`}`,
    layout: routeLayout,
    type,
    flags,
    content: {
      header: routeHeader({
        family,
        destinationPrefix: destination?.prefix ?? 0,
        // Numbers that do not fit here stand in an attribute.
        table: table > 0xff ? 0 : table,
        protocol: madeByHand,
        // To delete, any scope will do.
        scope: type === RouteMessage.DELETE_ROUTE ? 255 : scope,
        type: kind,
      }),
      attributes: {
        ...(destination === undefined ? {} : { destination: addressBytes(destination.address) }),
        ...(gateway === undefined ? {} : { gateway: addressBytes(gateway) }),
        ...(preferredSource === undefined ? {} : { preferredSource: addressBytes(preferredSource) }),
        ...(output === undefined ? {} : { output }),
        ...(priority === undefined ? {} : { priority }),
        ...(table > 0xff ? { table } : {}),
      },
    },
  };
}

function routeHeader(header: Partial<HeaderOf<typeof routeLayout>>): HeaderOf<typeof routeLayout> {
  return {
    family: 0,
    destinationPrefix: 0,
    sourcePrefix: 0,
    service: 0,
    table: 0,
    protocol: 0,
    scope: 0,
    type: 0,
    flags: 0,
    ...header,
  };
}

function linkOf(message: MessageView): Link {
  const { header, attributes } = readMessage(linkLayout, message);
  const { name, mtu, master, link, address, info } = attributes;
  if (name === undefined) throw new NetlinkDecodeError(message.start, "a link without a name");
  return {
    index: header.index,
    name,
    up: (header.flags & LinkFlag.UP) !== 0,
    loopback: (header.flags & LinkFlag.LOOPBACK) !== 0,
    flags: header.flags,
    ...(info?.kind === undefined ? {} : { kind: info.kind }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(master === undefined ? {} : { master }),
    ...(link === undefined || info?.kind !== "veth" ? {} : { peer: link }),
    ...(address === undefined || address.length === 0 ? {} : { address: hardwareText(address) }),
  };
}

function linkAddressOf(message: MessageView): LinkAddress | undefined {
  const { header, attributes } = readMessage(addressLayout, message);
  // On a link with two ends ADDRESS is the other one's.
  const bytes = attributes.local ?? attributes.address;
  if (bytes === undefined) return undefined;
  return { index: header.index, address: addressOf(bytes), prefix: header.prefix };
}

function routeOf(message: MessageView): Route {
  const { header, attributes } = readMessage(routeLayout, message);
  const { destination, gateway, output, preferredSource, priority } = attributes;
  const name = Object.entries(routeTypes).find(([, number]) => number === header.type)?.[0];
  return {
    family: header.family === AddressFamily.inet6 ? IpFamily.v6 : IpFamily.v4,
    table: attributes.table ?? header.table,
    ...(name === undefined ? {} : { type: name as keyof typeof routeTypes }),
    ...(destination === undefined
      ? {}
      : { destination: { address: addressOf(destination), prefix: header.destinationPrefix } }),
    ...(gateway === undefined ? {} : { gateway: addressOf(gateway) }),
    ...(output === undefined ? {} : { output }),
    ...(preferredSource === undefined ? {} : { preferredSource: addressOf(preferredSource) }),
    ...(priority === undefined ? {} : { priority }),
  };
}

function neighbourOf(message: MessageView): Neighbour[] {
  const { header, attributes } = readMessage(neighbourLayout, message);
  const { destination, linkAddress }: NeighbourAttributes = attributes;
  // Entries of a bridge's table of hardware addresses have no IP address.
  if (destination === undefined) return [];
  return [
    {
      index: header.index,
      address: addressOf(destination),
      state: header.state,
      ...(linkAddress === undefined ? {} : { linkAddress: hardwareText(linkAddress) }),
    },
  ];
}

function numberOf(family: IpFamily): number {
  return family === IpFamily.v4 ? AddressFamily.inet : AddressFamily.inet6;
}

function linkName(name: string): string {
  if (name === "" || Buffer.byteLength(name) > maxNameLength || /[\s/\0]/.test(name) || name === "." || name === "..") {
    throw new NetlinkEncodeError(`no name of a link: ${JSON.stringify(name)}`);
  }
  return name;
}

function hardwareText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function hardwareBytes(text: string): Uint8Array {
  if (!/^[\da-f]{2}(?::[\da-f]{2})*$/i.test(text)) throw new NetlinkEncodeError(`no hardware address: ${text}`);
  return new Uint8Array(Buffer.from(text.replaceAll(":", ""), "hex"));
}
