/** Links, addresses, routes and neighbours of the network namespace that the socket belongs to. */
import type { IpAddress, IpFamily } from "@fairlead/types";
import type { Conversation } from "../conversation.ts";
import { NetlinkError, type Refusal } from "../errors.ts";
import { type AnyRequest, anyRequest } from "../request.ts";
import { addressBytes, familyNumber } from "../wire/address-bytes.ts";
import { MessageFlag, type MessageView } from "../wire/message.ts";
import { NetlinkWriter } from "../wire/netlink-writer.ts";
import { addressLayout, linkLayout, neighbourLayout, routeLayout, RouteMessage } from "./layouts.ts";
import {
  addressRequest,
  create,
  hardwareBytes,
  type Link,
  type LinkAddress,
  linkAddressOf,
  linkName,
  linkOf,
  linkRequest,
  type Neighbour,
  neighbourOf,
  noLink,
  noNeighbour,
  numberOf,
  permanent,
  type Route,
  routeHeader,
  routeOf,
  routeRequest,
  vethPeer,
} from "./route-objects.ts";

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

  /**
   * Makes two links that are joined; the other end may begin in another namespace, given by a process in it or by a descriptor of its
   * file, which stays open until this settles.
   */
  async addVeth(options: {
    readonly name: string;
    readonly peer: string;
    readonly peerProcess?: number;
    readonly peerDescriptor?: number;
  }): Promise<void> {
    const { name, peer, peerProcess, peerDescriptor } = options;
    const writer = new NetlinkWriter();
    const begin = writer.beginAttribute(vethPeer);
    linkLayout.header.write(writer, noLink);
    linkLayout.attributes.write(writer, {
      name: linkName(peer),
      ...(peerProcess === undefined ? {} : { namespaceProcess: peerProcess }),
      ...(peerDescriptor === undefined ? {} : { namespaceDescriptor: peerDescriptor }),
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

  /**
   * Gives a link an address; EEXIST if it has it. Nobody else is asked whether they have it, so it can be bound at once. The kernel adds the
   * local route of an IPv6 address, by which packets are for this machine, a little later: wait for that where it matters.
   */
  async addAddress(address: LinkAddress): Promise<void> {
    const flags = MessageFlag.CREATE | MessageFlag.EXCLUSIVE;
    return this.#conversation.request(addressRequest("add", RouteMessage.NEW_ADDRESS, flags, address));
  }

  /** Takes an address from a link; EADDRNOTAVAIL if it has it not. */
  async deleteAddress(address: LinkAddress): Promise<void> {
    return this.#conversation.request(addressRequest("delete", RouteMessage.DELETE_ADDRESS, 0, address));
  }

  /** Gives and takes many addresses in few writes. A refusal does not keep the others; refusals come back with the change's index. */
  changeAddresses(
    changes: readonly { readonly kind: "add" | "delete"; readonly address: LinkAddress }[],
  ): Promise<readonly Refusal[]> {
    return this.#conversation.batch(
      "change addresses",
      changes.map(({ kind, address }): AnyRequest =>
        anyRequest(
          kind === "add"
            ? addressRequest(kind, RouteMessage.NEW_ADDRESS, create, address)
            : addressRequest(kind, RouteMessage.DELETE_ADDRESS, 0, address),
        ),
      ),
    );
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
