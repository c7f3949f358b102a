/** Every layout of the package by a name, and which one a message of a family has. */
import { conntrackLayout } from "../../src/conntrack/layouts.ts";
import { controllerLayout } from "../../src/generic-netlink.ts";
import { IpvsCommand, ipvsInfoLayout, ipvsLayout } from "../../src/ipvs/layouts.ts";
import * as nft from "../../src/nftables/layouts.ts";
import { addressLayout, linkLayout, neighbourLayout, routeLayout } from "../../src/route/layouts.ts";
import type { MessageLayout, MessageView } from "../../src/wire/message.ts";

/** A layout whose types no longer matter. */
export type AnyLayout = MessageLayout<unknown, unknown>;

export const layouts = {
  batch: nft.batchLayout,
  generation: nft.generationLayout,
  table: nft.tableLayout,
  chain: nft.chainLayout,
  rule: nft.ruleLayout,
  set: nft.setLayout,
  elements: nft.elementsLayout,
  object: nft.objectLayout,
  conntrack: conntrackLayout,
  controller: controllerLayout,
  ipvs: ipvsLayout,
  ipvsInfo: ipvsInfoLayout,
  link: linkLayout,
  address: addressLayout,
  route: routeLayout,
  neighbour: neighbourLayout,
} as const satisfies Record<string, AnyLayout>;

const nftables: readonly (AnyLayout | undefined)[] = [
  layouts.table,
  layouts.table,
  layouts.table,
  layouts.chain,
  layouts.chain,
  layouts.chain,
  layouts.rule,
  layouts.rule,
  layouts.rule,
  layouts.set,
  layouts.set,
  layouts.set,
  layouts.elements,
  layouts.elements,
  layouts.elements,
  layouts.generation,
  layouts.generation,
  undefined,
  layouts.object,
  layouts.object,
  layouts.object,
  layouts.object,
];

const route: readonly AnyLayout[] = [layouts.link, layouts.address, layouts.route, layouts.neighbour];

/** Commands of IPVS under which it tells about itself, with a layout of their own. */
const infoCommands: ReadonlySet<number> = new Set([IpvsCommand.SET_INFO, IpvsCommand.GET_INFO]);

/** Type of messages to and from the controller of generic netlink. */
export const controllerType = 16;

/** The layout of a message; undefined for control messages and for kinds that the package has no use for. */
export function layoutOf(family: string, { type, source, start, end }: MessageView): AnyLayout | undefined {
  switch (family) {
    case "nftables":
      return type === 0x10 || type === 0x11 ? layouts.batch : type >> 8 === 10 ? nftables[type & 0xff] : undefined;
    case "route":
      return type < 16 ? undefined : route[(type - 16) >> 2];
    case "conntrack":
      return type >> 8 === 1 ? layouts.conntrack : undefined;
    case "ipvs":
      if (type <= controllerType) return type < controllerType ? undefined : layouts.controller;
      return start < end && infoCommands.has(source[start] ?? 0) ? layouts.ipvsInfo : layouts.ipvs;
    default:
      return undefined;
  }
}
