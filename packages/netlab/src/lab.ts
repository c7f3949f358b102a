/**
 * A cluster's network in miniature: nodes and clients on one bridge, pods behind their nodes. Every host is a network namespace that this
 * process holds by a descriptor; nothing leads out of them, and all of it is gone with the process.
 */
import { systemClock } from "@fairlead/host";
import type { Clock, IpAddress } from "@fairlead/types";
import {
  addBlackHole,
  addLocalAddresses,
  addUplinkAddresses,
  families,
  hangOnBridge,
  hangOnNode,
  makeBridge,
  prepare,
  setDefaultRoute,
  setRoute,
} from "./cabling.ts";
import { LabHost } from "./lab-host.ts";
import { type DualAddress, labPlan } from "./lab-plan.ts";
import { Patience } from "./patience.ts";

/**
 * Silence after which a client takes its packets for dropped, unless told, in ms. More than a second: here an ICMP message may be back
 * while the client is still in its call of connect, where the kernel lets it go by; its next SYN comes a second later.
 */
export const defaultPatienceMs = 1_500;
/** Times that a new lab is asked whether its hosts hear each other. */
const maxReadinessRounds = 10;

/** A port at which nobody is. */
const discardPort = 9;

/** How large a lab is. */
export interface LabOptions {
  /** 2 unless told. */
  readonly nodes?: number;
  /** 3 unless told. */
  readonly podsPerNode?: number;
  /** Clients that are of no node; 2 unless told. */
  readonly outsiders?: number;
  /** Silence after which a client takes its packets for dropped, in ms: longer where the machine is slow. */
  readonly patienceMs?: number;
  readonly clock?: Clock;
}

/** Builds a lab; needs root. Throws what the kernel refuses, and leaves nothing behind then. */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const { nodes = 2, podsPerNode = 3, outsiders = 2 } = options;
  const lab = new Lab({ patienceMs: options.patienceMs ?? defaultPatienceMs, clock: options.clock ?? systemClock });
  try {
    await lab.build({ nodes, podsPerNode, outsiders });
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** See the module; made by {@link openLab}. Nodes, pods and outsiders count from 1. */
export class Lab implements AsyncDisposable {
  readonly clock: Clock;
  readonly patienceMs: number;
  readonly #patience: Patience;
  readonly #hosts: LabHost[] = [];
  readonly #nodes: LabHost[] = [];
  readonly #pods = new Map<string, { readonly host: LabHost; readonly node: number }>();
  readonly #outsiders: LabHost[] = [];

  constructor(options: { readonly patienceMs: number; readonly clock: Clock }) {
    this.patienceMs = options.patienceMs;
    this.clock = options.clock;
    this.#patience = new Patience({ clock: options.clock });
  }

  /** Node `node-<number>`: forwards between its pods, the other nodes and the clients outside. */
  node(number: number): LabHost {
    return known(this.#nodes[number - 1], `node ${number}`);
  }

  /** A pod by its letter: `a`, `b`, … are those of node-1, then come those of node-2. */
  pod(name: string): LabHost {
    return known(this.#pods.get(name)?.host, `pod ${name}`);
  }

  /** The number of a pod's node. */
  nodeOf(pod: string): number {
    return known(this.#pods.get(pod)?.node, `pod ${pod}`);
  }

  /** A client that is of no node, on the same bridge as the nodes. */
  outsider(number = 1): LabHost {
    return known(this.#outsiders[number - 1], `outsider ${number}`);
  }

  /** What a server sees of clients that a node masquerades on their way to it. */
  masqueraded(node: number, pod: string): DualAddress {
    return this.nodeOf(pod) === node ? labPlan.podGateway(node) : labPlan.node(node);
  }

  /**
   * Sends what is for Services (from outside, and from the other nodes) to this node, and what the other nodes answer to clients outside
   * back by way of it, as if it were the only one that the world knew. It is node-1 to begin with.
   */
  async routeServicesBy(number: number): Promise<void> {
    const by = labPlan.node(number);
    for (const family of families) {
      const ranges = labPlan.ranges[family];
      const virtual = [ranges.services, ranges.loadBalancers, ranges.externals];
      for (const outsider of this.#outsiders) {
        for (const range of virtual) await setRoute(outsider, range, by);
      }
      for (const [index, node] of this.#nodes.entries()) {
        const itself = index + 1 === number;
        await setRoute(node, ranges.outsiders, itself ? "uplink" : by);
        for (const range of virtual) await setRoute(node, range, itself ? labPlan.router : by);
      }
    }
  }

  /** Gives a node further addresses, as a plane in user space needs them for Services; throws if it has one of them. */
  addAddresses(node: number, addresses: readonly IpAddress[]): Promise<void> {
    return addLocalAddresses(this.node(node), addresses);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await Promise.all(this.#hosts.splice(0).map((host) => host.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Builds it; for {@link openLab}. */
  async build(size: {
    readonly nodes: number;
    readonly podsPerNode: number;
    readonly outsiders: number;
  }): Promise<void> {
    const underlay = await this.#host("underlay", labPlan.router, { forwards: false });
    await makeBridge(underlay, labPlan.router);
    await addBlackHole(underlay);
    for (let number = 1; number <= size.nodes; number++) {
      const node = await this.#host(`node-${number}`, labPlan.node(number), { forwards: true });
      this.#nodes.push(node);
      await hangOnBridge(node, underlay);
      await addUplinkAddresses(node);
      await setDefaultRoute(node, labPlan.router);
      for (let pod = 1; pod <= size.podsPerNode; pod++) await this.#addPod(number, pod);
    }
    for (let number = 1; number <= size.outsiders; number++) {
      const outsider = await this.#host(`outside-${number}`, labPlan.outsider(number), { forwards: false });
      this.#outsiders.push(outsider);
      await hangOnBridge(outsider, underlay);
      await addUplinkAddresses(outsider);
    }
    await this.#addRoutes(underlay);
    await this.routeServicesBy(1);
    await this.#ready();
  }

  async #host(name: string, addresses: DualAddress, options: { readonly forwards: boolean }): Promise<LabHost> {
    const host = new LabHost({
      name,
      addresses,
      clock: this.clock,
      patience: this.#patience,
      patienceMs: this.patienceMs,
    });
    this.#hosts.push(host);
    await prepare(host, options);
    return host;
  }

  async #addPod(node: number, number: number): Promise<void> {
    const name = String.fromCodePoint("a".codePointAt(0)! + this.#pods.size);
    const host = await this.#host(name, labPlan.pod(node, number), { forwards: false });
    this.#pods.set(name, { host, node });
    await hangOnNode(host, this.node(node), labPlan.podGateway(node));
  }

  /** From everybody to every node's pods, and from outside to the nodes. */
  async #addRoutes(underlay: LabHost): Promise<void> {
    for (const family of families) {
      const { podsOf, nodes, outsiders } = labPlan.ranges[family];
      await setRoute(underlay, outsiders, "uplink");
      for (const outsider of this.#outsiders) await setRoute(outsider, nodes, "uplink");
      for (const [index] of this.#nodes.entries()) {
        const number = index + 1;
        const others = [...this.#outsiders, ...this.#nodes.filter((node) => node !== this.#nodes[index])];
        for (const host of others) await setRoute(host, podsOf(number), labPlan.node(number));
      }
    }
  }

  /** Waits until every host hears its next hop, by a datagram that is refused there. */
  async #ready(): Promise<void> {
    const hops = [
      ...[...this.#outsiders, ...this.#nodes].map((host) => [host, labPlan.router] as const),
      ...[...this.#pods.values()].map(({ host, node }) => [host, labPlan.podGateway(node)] as const),
    ];
    await Promise.all(
      hops.flatMap(([host, hop]) =>
        families.map(async (family) => {
          const at = { address: hop[family], port: discardPort };
          for (let round = 1; (await host.ask(at, "UDP")).kind !== "refused"; round++) {
            if (round === maxReadinessRounds) throw new Error(`${host.name} does not hear ${at.address}`);
          }
        }),
      ),
    );
  }
}

function known<T>(thing: T | undefined, name: string): T {
  if (thing === undefined) throw new RangeError(`the lab has no ${name}`);
  return thing;
}
