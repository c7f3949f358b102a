/**
 * Pods with a network of their own: a network namespace each, joined to its node's by a pair of interfaces. Everything goes through the
 * node, which forwards it (no bridge: what passes between two pods of a node passes the node's rules as well).
 *
 * A node's namespace is made by whoever starts this process. A pod's is a file beside it, named by the pod's address, so that it is
 * found again after a crash, and by people (`ip netns exec`).
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import { basename, dirname } from "node:path";
import { isIP } from "node:net";
import { NetlinkError, openRouteClient } from "@fairlead/netlink";
import type { Link, OpenRouteClient, RouteClient } from "@fairlead/netlink";
import { makeNetworkNamespace, networkNamespaceAt, removeNetworkNamespace } from "@fairlead/sockets";
import type { NetworkNamespace } from "@fairlead/sockets";
import { CodedError, ipAddress } from "@fairlead/types";
import type { Clock, IpAddress } from "@fairlead/types";
import type { Turnstile } from "../process/turnstile.ts";
import { findEtcTools, withOwnEtc } from "./own-etc.ts";
import type { EtcTools } from "./own-etc.ts";
import type { PodAttachment, PodNetwork, PodNetworks } from "./pod-network.ts";

/** The pod's end of the pair, as every container runtime names it. */
const podLink = "eth0";

/** How the node's end begins; the last number of the pod's address follows. */
const nodeLinkPrefix = "pod-";

/** Length of an IPv4 address, in bits. */
const hostPrefix = 32;

/** A node's place. */
export interface NetworkedNode {
  readonly name: string;
  readonly address: string;
}

/** Thrown where a node has no network namespace. */
export class NoNodeNetworkError extends CodedError {
  readonly code = "NO_NODE_NETWORK";

  constructor(node: string, path: string, options?: ErrorOptions) {
    super(`${node} has no network namespace at ${path}: whoever gives --network-namespaces makes them first`, options);
    this.name = "NoNodeNetworkError";
  }
}

interface OpenNode {
  readonly address: IpAddress;
  readonly path: string;
  readonly client: OpenRouteClient;
}

/** See the module. */
export class NamespaceNetworks implements PodNetworks {
  readonly #prefix: string;
  readonly #places: readonly NetworkedNode[];
  readonly #clock: Clock;
  readonly #turnstile: Turnstile;
  readonly #nodes = new Map<string, OpenNode>();
  #tools: EtcTools | undefined;

  /** `prefix` is how the path of every namespace begins; a node's name or a pod's address follows. */
  constructor(options: {
    prefix: string;
    nodes: readonly NetworkedNode[];
    clock: Clock;
    /** Lets one pod through in each turn: what the kernel does for it holds the event loop up for some milliseconds. */
    turnstile: Turnstile;
  }) {
    this.#prefix = options.prefix;
    this.#places = options.nodes;
    this.#clock = options.clock;
    this.#turnstile = options.turnstile;
  }

  /** See {@link PodNetworks}; throws {@link NoNodeNetworkError}, or MissingToolError. */
  async open(): Promise<void> {
    this.#tools = findEtcTools();
    for (const { name, address } of this.#places) {
      const path = `${this.#prefix}${name}`;
      if (!existsSync(path)) throw new NoNodeNetworkError(name, path);
      const client = openRouteClient({ clock: this.#clock, namespace: networkNamespaceAt(path) });
      this.#nodes.set(name, { address: ipAddress(address), path, client });
    }
    this.#removeNamespaces();
    // They go by themselves with the namespaces, but only in a while: the names may be wanted at once.
    for (const { client } of this.#nodes.values()) {
      const links = await client.routes.links();
      for (const { index, name } of links.filter((link) => link.name.startsWith(nodeLinkPrefix))) {
        await deleteLink(client.routes, index, name);
      }
    }
  }

  async attach({ node, address, hostNetwork }: PodAttachment): Promise<PodNetwork> {
    const home = this.#nodes.get(node);
    if (home === undefined) throw new Error(`${node} is not open`);
    if (hostNetwork) return this.#network(networkNamespaceAt(home.path), async () => undefined);
    await this.#turnstile.next();
    const path = `${this.#prefix}${address}`;
    // Should a try before have left it.
    removeNetworkNamespace(path);
    makeNetworkNamespace(path);
    try {
      await this.#join(home, path, ipAddress(address));
    } catch (error) {
      removeNetworkNamespace(path);
      throw error;
    }
    return this.#network(networkNamespaceAt(path), async () => removeNetworkNamespace(path));
  }

  async close(): Promise<void> {
    this.#removeNamespaces();
    for (const { client } of this.#nodes.values()) client.close();
    this.#nodes.clear();
  }

  /** Leads the pod to its node, and the node to the pod. */
  async #join(node: OpenNode, path: string, address: IpAddress): Promise<void> {
    const inside = openRouteClient({ clock: this.#clock, namespace: networkNamespaceAt(path) });
    try {
      const [pod, home] = [inside.routes, node.client.routes];
      const name = `${nodeLinkPrefix}${address.slice(address.lastIndexOf(".") + 1)}`;
      await addPair(home, name, path);
      const [own, loopback, near] = [await linkOf(pod, podLink), await linkOf(pod, "lo"), await linkOf(home, name)];
      await pod.setLink(loopback.index, { up: true });
      await pod.setLink(own.index, { up: true });
      await home.setLink(near.index, { up: true });
      await pod.addAddress({ index: own.index, address, prefix: hostPrefix });
      await pod.addRoute({ destination: only(node.address), output: own.index });
      await pod.addRoute({ gateway: node.address, output: own.index });
      await home.addRoute({ destination: only(address), output: near.index, preferredSource: node.address });
      // Said once and for all, neither has to ask for the other; nor has it to answer (strict ARP).
      await pod.setNeighbour({ index: own.index, address: node.address, linkAddress: near.address ?? "" });
      await home.setNeighbour({ index: near.index, address, linkAddress: own.address ?? "" });
    } finally {
      inside.close();
    }
  }

  #network(namespace: NetworkNamespace, detach: () => Promise<void>): PodNetwork {
    const tools = this.#tools;
    if (tools === undefined) throw new Error("the networks are not open");
    return {
      ownResolvConf: true,
      spawn(program, options) {
        const [file, ...args] = withOwnEtc(program, tools);
        const { env, cwd } = program;
        return namespace.run(() => spawn(file, args, { ...options, env: { ...env }, cwd }));
      },
      detach,
    };
  }

  /** The files of pods: addresses after the prefix. A node's is not one. */
  #removeNamespaces(): void {
    const folder = dirname(this.#prefix);
    const begin = basename(this.#prefix);
    if (!existsSync(folder)) return;
    const names = readdirSync(folder).filter((name) => name.startsWith(begin) && isIP(name.slice(begin.length)) !== 0);
    for (const name of names) removeNetworkNamespace(`${folder}/${name}`);
  }
}

/** Makes the pair; one of that name is of a pod that is gone, whose namespace the kernel has not got round to. */
async function addPair(home: RouteClient, name: string, podNamespace: string): Promise<void> {
  const descriptor = openSync(podNamespace, "r");
  try {
    const add = (): Promise<void> => home.addVeth({ name, peer: podLink, peerDescriptor: descriptor });
    try {
      await add();
    } catch (error) {
      const old = error instanceof NetlinkError && error.code === "EEXIST" ? await home.link(name) : undefined;
      if (old === undefined) throw error;
      await deleteLink(home, old.index, name);
      await add();
    }
  } finally {
    closeSync(descriptor);
  }
}

async function deleteLink(routes: RouteClient, index: number, name: string): Promise<void> {
  try {
    await routes.deleteLink(index);
  } catch (error) {
    // The kernel was faster.
    if ((await routes.link(name)) !== undefined) throw error;
  }
}

async function linkOf(routes: RouteClient, name: string): Promise<Link> {
  const link = await routes.link(name);
  if (link === undefined) throw new Error(`the interface ${name} is not there`);
  return link;
}

function only(address: IpAddress): { address: IpAddress; prefix: number } {
  return { address, prefix: hostPrefix };
}
