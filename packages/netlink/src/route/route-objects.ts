/** Links, addresses, routes and neighbours as their users see them, and the way to and from the wire. */
import { type IpAddress, IpFamily } from "@fairlead/types";
import type { Request } from "../request.ts";
import { NetlinkDecodeError, NetlinkEncodeError } from "../errors.ts";
import { AddressFamily, addressBytes, addressOf, familyNumber } from "../wire/address-bytes.ts";
import { MessageFlag, type MessageLayout, type MessageView, readMessage } from "../wire/message.ts";
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
export const vethPeer = 1;

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
export const permanent = 0x80;

/** Flag of an IPv6 address that nobody else is asked about, so that it is there at once: without it, some time after it was given. */
const withoutDuplicateDetection = 0x02;

/** Flags of a message that makes something new. */
export const create = MessageFlag.CREATE | MessageFlag.EXCLUSIVE;
/** Headers that name nothing. */
export const noLink = { family: 0, padding: 0, type: 0, index: 0, flags: 0, change: 0 };
export const noNeighbour = { family: 0, padding: 0, padding2: 0, index: 0, state: 0, flags: 0, type: 0 };

type HeaderOf<L> = L extends MessageLayout<infer H, unknown> ? H : never;

/** A message about a link, with what is to be set of its flags. */
export function linkRequest(
  operation: string,
  type: number,
  attributes: LinkAttributes,
  options: { readonly flags?: number; readonly index?: number; readonly up?: boolean | undefined } = {},
): Request<HeaderOf<typeof linkLayout>, LinkAttributes> {
  const { flags = 0, index = 0, up } = options;
  const header = { ...noLink, index, flags: up === true ? LinkFlag.UP : 0, change: up === undefined ? 0 : LinkFlag.UP };
  return { operation, layout: linkLayout, type, flags, content: { header, attributes } };
}

/** A message about an address of a link. */
export function addressRequest(
  verb: string,
  type: number,
  flags: number,
  { index, address, prefix }: LinkAddress,
): Request<HeaderOf<typeof addressLayout>, AddressAttributes> {
  const bytes = addressBytes(address);
  const family = familyNumber(address);
  const isNew = type === RouteMessage.NEW_ADDRESS && family === AddressFamily.inet6;
  return {
    operation: `${verb} the address ${address}/${prefix}`,
    layout: addressLayout,
    type,
    flags,
    content: {
      header: { family, prefix, flags: isNew ? withoutDuplicateDetection : 0, scope: Scope.universe, index },
      attributes: { local: bytes, address: bytes },
    },
  };
}

/** A message about a route; throws {@link NetlinkEncodeError} where nothing tells its family. */
export function routeRequest(
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

/** The header of a route, with 0 for what is not given. */
export function routeHeader(header: Partial<HeaderOf<typeof routeLayout>>): HeaderOf<typeof routeLayout> {
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

/** The link that a message tells of. */
export function linkOf(message: MessageView): Link {
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

/** The address that a message tells of; undefined where it has none that we know. */
export function linkAddressOf(message: MessageView): LinkAddress | undefined {
  const { header, attributes } = readMessage(addressLayout, message);
  // On a link with two ends ADDRESS is the other one's.
  const bytes = attributes.local ?? attributes.address;
  if (bytes === undefined) return undefined;
  return { index: header.index, address: addressOf(bytes), prefix: header.prefix };
}

/** The route that a message tells of. */
export function routeOf(message: MessageView): Route {
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

/** The neighbour that a message tells of, if it is one with an IP address. */
export function neighbourOf(message: MessageView): Neighbour[] {
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

/** The kernel's number of a family. */
export function numberOf(family: IpFamily): number {
  return family === IpFamily.v4 ? AddressFamily.inet : AddressFamily.inet6;
}

/** Checks the name of a link; throws {@link NetlinkEncodeError}. */
export function linkName(name: string): string {
  if (name === "" || Buffer.byteLength(name) > maxNameLength || /[\s/\0]/.test(name) || name === "." || name === "..") {
    throw new NetlinkEncodeError(`no name of a link: ${JSON.stringify(name)}`);
  }
  return name;
}

function hardwareText(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** The bytes of a hardware address; throws {@link NetlinkEncodeError}. */
export function hardwareBytes(text: string): Uint8Array {
  if (!/^[\da-f]{2}(?::[\da-f]{2})*$/i.test(text)) throw new NetlinkEncodeError(`no hardware address: ${text}`);
  return new Uint8Array(Buffer.from(text.replaceAll(":", ""), "hex"));
}
