/** Messages of rtnetlink (linux/rtnetlink.h, if_link.h, if_addr.h, neighbour.h). Integers are the host's. */
import { bytes, text, u16, u32, u8, type ValueOf, zeroTerminated } from "../wire/attribute-codec.ts";
import { attributes } from "../wire/attribute-table.ts";
import { struct } from "../wire/struct.ts";

/** Types of messages. */
export const RouteMessage = {
  NEW_LINK: 16,
  DELETE_LINK: 17,
  GET_LINK: 18,
  SET_LINK: 19,
  NEW_ADDRESS: 20,
  DELETE_ADDRESS: 21,
  GET_ADDRESS: 22,
  NEW_ROUTE: 24,
  DELETE_ROUTE: 25,
  GET_ROUTE: 26,
  NEW_NEIGHBOUR: 28,
  DELETE_NEIGHBOUR: 29,
  GET_NEIGHBOUR: 30,
} as const;

/** Multicast groups. */
export const RouteGroup = {
  link: 1,
  neighbour: 3,
  ipv4Address: 5,
  ipv4Route: 7,
  ipv6Address: 9,
  ipv6Route: 11,
} as const;

/** Flags of a link. */
export const LinkFlag = {
  UP: 0x1,
  BROADCAST: 0x2,
  LOOPBACK: 0x8,
  NOARP: 0x80,
  RUNNING: 0x40,
  LOWER_UP: 0x1_0000,
} as const;

// Old families neither set nor want the bit that says that an attribute is nested.
const old = { nested: false } as const;

/** Header of a link: its index is 0 where a name or the kernel gives it. */
export const linkHeader = struct({
  family: "u8",
  padding: "u8",
  type: "u16",
  index: "i32",
  flags: "u32",
  change: "u32",
});

export const linkLayout = {
  header: linkHeader,
  attributes: attributes({
    address: [1, bytes(0, 32)],
    broadcast: [2, bytes(0, 32)],
    name: [3, zeroTerminated],
    mtu: [4, u32],
    link: [5, u32],
    discipline: [6, zeroTerminated],
    master: [10, u32],
    queueLength: [13, u32],
    operationalState: [16, u8],
    mode: [17, u8],
    // What `data` means depends on the kind.
    info: [
      18,
      attributes({ kind: [1, text], data: [2, bytes()], masterKind: [4, text], masterData: [5, bytes()] }, old),
    ],
    namespaceProcess: [19, u32],
    alias: [20, zeroTerminated],
    group: [27, u32],
    namespaceDescriptor: [28, u32],
    carrier: [33, u8],
  }),
} as const;

export const addressLayout = {
  header: struct({ family: "u8", prefix: "u8", flags: "u8", scope: "u8", index: "u32" }),
  attributes: attributes({
    address: [1, bytes(4, 16)],
    local: [2, bytes(4, 16)],
    label: [3, zeroTerminated],
    broadcast: [4, bytes(4, 4)],
    flags: [8, u32],
    priority: [9, u32],
    protocol: [11, u8],
  }),
} as const;

export const routeLayout = {
  header: struct({
    family: "u8",
    destinationPrefix: "u8",
    sourcePrefix: "u8",
    service: "u8",
    table: "u8",
    protocol: "u8",
    scope: "u8",
    type: "u8",
    flags: "u32",
  }),
  attributes: attributes({
    destination: [1, bytes(4, 16)],
    source: [2, bytes(4, 16)],
    input: [3, u32],
    output: [4, u32],
    gateway: [5, bytes(4, 16)],
    priority: [6, u32],
    preferredSource: [7, bytes(4, 16)],
    table: [15, u32],
    mark: [16, u32],
    preference: [20, u8],
  }),
} as const;

export const neighbourLayout = {
  header: struct({ family: "u8", padding: "u8", padding2: "u16", index: "i32", state: "u16", flags: "u8", type: "u8" }),
  attributes: attributes({
    destination: [1, bytes(4, 16)],
    linkAddress: [2, bytes(0, 32)],
    probes: [4, u32],
    vlan: [5, u16],
    master: [9, u32],
    protocol: [12, u8],
  }),
} as const;

export type LinkAttributes = ValueOf<typeof linkLayout.attributes>;
export type AddressAttributes = ValueOf<typeof addressLayout.attributes>;
export type RouteAttributes = ValueOf<typeof routeLayout.attributes>;
export type NeighbourAttributes = ValueOf<typeof neighbourLayout.attributes>;
