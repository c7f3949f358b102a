/**
 * The network of a stack whose plane works in the kernel: a network namespace for each node, joined to this machine by a bridge. Here, as
 * on the hosts of a cluster, each node reaches the pods of the others through them; this machine reaches pods through their nodes, and
 * Services through node-1, as anybody outside the cluster would.
 */
import { closeSync, existsSync, openSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { nodeSubnet } from "@fairlead/devcluster/config";
import { openRouteClient } from "@fairlead/netlink";
import type { Link, OpenRouteClient, RouteClient } from "@fairlead/netlink";
import { makeNetworkNamespace, networkNamespaceAt, removeNetworkNamespace, whyNoSystemCalls } from "@fairlead/sockets";
import { cidr, cidrParts, CodedError, ipAddress, IpFamily } from "@fairlead/types";
import type { Cidr, Clock, IpAddress } from "@fairlead/types";
import { dnsAddress, machineAddress, nodePlaces } from "../options/address-plan.ts";
import type { NodePlace } from "../options/address-plan.ts";
import type { DevOptions } from "../options/dev-options.ts";
import { addressConflicts, AddressesTakenError } from "./address-conflicts.ts";
import type { TakenRange } from "./address-conflicts.ts";
import { networkNames } from "./network-names.ts";
import type { NetworkNames } from "./network-names.ts";

/** A node's end of its link. */
const nodeLink = "eth0";

/** What a node's kernel has to do that a machine's does not: forward, by the way it is told, and tell nobody of a shorter one. */
const nodeSettings: Readonly<Record<string, string>> = {
  ip_forward: "1",
  "conf/all/send_redirects": "0",
  "conf/default/send_redirects": "0",
  "conf/all/rp_filter": "0",
  "conf/default/rp_filter": "0",
};

/** Tables of routes to look for conflicts in: the main one, and that of this machine's own addresses. */
const lookedAtTables = new Set([254, 255]);

/** Where the parts of a stack find its network. */
export interface NetworkPlace {
  /** How the path of every network namespace begins; the name of a node, or the address of a pod, follows. */
  readonly namespacePrefix: string;
  /** Where nodes and pods reach this machine. */
  readonly machineAddress: IpAddress;
  readonly bridge: string;
}

/** Thrown where this machine or this user cannot have such a network. */
export class NoNodeNetworksError extends CodedError {
  readonly code = "NO_NODE_NETWORKS";

  constructor(plane: string, reason: string) {
    super(`--plane ${plane} ${reason}`);
    this.name = "NoNodeNetworksError";
  }
}

type Plan = Pick<DevOptions, "plane" | "stateDir" | "nodes" | "serviceCidr" | "podCidr" | "nodeCidr" | "lbPool">;

/** See the module. Nothing is made before {@link make}. */
export class NodeNetwork {
  readonly place: NetworkPlace;
  readonly #plan: Plan;
  readonly #names: NetworkNames;
  readonly #clock: Clock;

  /** Throws {@link NoNodeNetworksError} at once, where it would be of no use to try. The state folder is there. */
  constructor(options: { plan: Plan; clock: Clock }) {
    const { plan, clock } = options;
    const whyNot = whyNoNetworks();
    if (whyNot !== undefined) throw new NoNodeNetworksError(plan.plane, whyNot);
    this.#plan = plan;
    this.#clock = clock;
    this.#names = networkNames(plan.stateDir);
    const { bridge, namespacePrefix } = this.#names;
    this.place = { namespacePrefix, bridge, machineAddress: machineAddress(plan) };
  }

  /** Makes all of it, in place of what an earlier run may have left; throws {@link AddressesTakenError}. What fails leaves nothing. */
  async make(): Promise<void> {
    const here = openRouteClient({ clock: this.#clock });
    try {
      await removeAll(this.#names, here.routes);
      const conflicts = addressConflicts(this.#plan, await takenRanges(here.routes));
      if (conflicts.length > 0) throw new AddressesTakenError(conflicts);
      await this.#makeAll(here.routes);
    } catch (error) {
      // What is left in spite of it the next start removes; why it failed is what matters now.
      await removeAll(this.#names, here.routes).catch(() => undefined);
      throw error;
    } finally {
      here.close();
    }
  }

  /** Removes all of it; whoever is in one of the namespaces stays there, cut off. */
  async remove(): Promise<void> {
    await removeNetwork(this.#plan.stateDir, this.#clock);
  }

  async #makeAll(here: RouteClient): Promise<void> {
    const { nodeCidr, serviceCidr, lbPool } = this.#plan;
    const nodes = nodePlaces(this.#plan);
    const bridge = await this.#makeBridge(here);
    for (const [index, node] of nodes.entries()) await this.#makeNode(here, bridge, node, index + 1);
    const [first] = nodes;
    if (first === undefined) throw new Error(`${nodeCidr} has no node`);
    // This machine is a client outside the cluster, whose router knows of one node for all that is no pod.
    for (const range of [serviceCidr, lbPool]) {
      await here.addRoute({ destination: network(range), gateway: first.address, output: bridge });
    }
    for (const [index, { address }] of nodes.entries()) {
      await here.addRoute({ destination: network(this.#pods(index + 1)), gateway: address, output: bridge });
    }
  }

  async #makeBridge(here: RouteClient): Promise<number> {
    const { bridge: name } = this.#names;
    const { prefix } = cidrParts(this.#plan.nodeCidr);
    await here.addLink({ name, kind: "bridge", up: true });
    const { index } = await linkOf(here, name);
    for (const address of [machineAddress(this.#plan), dnsAddress(this.#plan)]) {
      await here.addAddress({ index, address, prefix });
    }
    return index;
  }

  async #makeNode(here: RouteClient, bridge: number, node: NodePlace, number: number): Promise<void> {
    const path = `${this.#names.namespacePrefix}${node.name}`;
    makeNetworkNamespace(path);
    const namespace = networkNamespaceAt(path);
    // Before the link: it begins with what is set by default.
    namespace.run(() => {
      for (const [name, value] of Object.entries(nodeSettings)) writeFileSync(join("/proc/sys/net/ipv4", name), value);
    });
    const name = `${this.#names.linkPrefix}${number}`;
    await addLinkInto(here, name, path);
    await here.setLink((await linkOf(here, name)).index, { master: bridge, up: true });
    const there = openRouteClient({ clock: this.#clock, namespace });
    try {
      await this.#setUpNode(there, node, number);
    } finally {
      there.close();
    }
  }

  async #setUpNode({ routes }: OpenRouteClient, node: NodePlace, number: number): Promise<void> {
    const { nodeCidr, serviceCidr, lbPool } = this.#plan;
    await routes.setLink((await linkOf(routes, "lo")).index, { up: true });
    const { index } = await linkOf(routes, nodeLink);
    await routes.addAddress({ index, address: node.address, prefix: cidrParts(nodeCidr).prefix });
    await routes.setLink(index, { up: true });
    for (const [at, other] of nodePlaces(this.#plan).entries()) {
      if (at + 1 === number) continue;
      await routes.addRoute({ destination: network(this.#pods(at + 1)), gateway: other.address, output: index });
    }
    // A node's own processes call Services as well: the plane turns them elsewhere, but only what has somewhere to go.
    for (const range of [serviceCidr, lbPool]) {
      await routes.addRoute({ destination: network(range), output: index, preferredSource: node.address });
    }
  }

  #pods(node: number): Cidr {
    return nodeSubnet(this.#plan.podCidr, node, this.#plan.nodes);
  }
}

/** Removes what a run on this state folder made; nothing happens where it made nothing. */
export async function removeNetwork(stateDir: string, clock: Clock): Promise<void> {
  const here = openRouteClient({ clock });
  try {
    await removeAll(networkNames(stateDir), here.routes);
  } finally {
    here.close();
  }
}

async function removeAll(names: NetworkNames, here: RouteClient): Promise<void> {
  const { bridge, linkPrefix, namespacePrefix } = names;
  // Links first: while the kernel takes namespaces apart it lets nobody else change links.
  for (const { index, name } of await here.links()) {
    if (name !== bridge && !name.startsWith(linkPrefix)) continue;
    // It may be ahead of us: the link of a namespace that is gone goes by itself.
    await here.deleteLink(index).catch(async (error: unknown) => {
      if ((await here.link(name)) !== undefined) throw error;
    });
  }
  const folder = dirname(namespacePrefix);
  const namespaces = existsSync(folder) ? readdirSync(folder) : [];
  for (const name of namespaces.filter((each) => each.startsWith(basename(namespacePrefix)))) {
    removeNetworkNamespace(join(folder, name));
  }
}

/** Why this user on this machine cannot make networks, in words that follow `--plane NAME`; undefined if it is worth a try. */
export function whyNoNetworks(user: number | undefined = process.geteuid?.()): string | undefined {
  if (user !== 0) {
    return "needs root, as it gives each node a network of its own: start it with sudo, or leave --plane out";
  }
  const whyNot = whyNoSystemCalls();
  return whyNot === undefined ? undefined : `needs system calls: ${whyNot}`;
}

/** Where this machine's packets go by now. */
async function takenRanges(routes: RouteClient): Promise<readonly TakenRange[]> {
  const names = new Map((await routes.links()).map(({ index, name }) => [index, name]));
  return (await routes.routes(IpFamily.v4)).flatMap(({ destination, output, table = 0 }) => {
    if (destination === undefined || !lookedAtTables.has(table)) return [];
    const range = cidr(`${destination.address}/${destination.prefix}`);
    return [{ range, by: names.get(output ?? 0) ?? "a route" }];
  });
}

/** Makes a link between this network and another, in which its end is called {@link nodeLink}. */
async function addLinkInto(here: RouteClient, name: string, path: string): Promise<void> {
  const descriptor = openSync(path, "r");
  try {
    await here.addVeth({ name, peer: nodeLink, peerDescriptor: descriptor });
  } finally {
    closeSync(descriptor);
  }
}

async function linkOf(routes: RouteClient, name: string): Promise<Link> {
  const link = await routes.link(name);
  if (link === undefined) throw new Error(`the interface ${name} is not there`);
  return link;
}

function network(range: Cidr): { address: IpAddress; prefix: number } {
  return { address: ipAddress(range.slice(0, range.indexOf("/"))), prefix: cidrParts(range).prefix };
}
