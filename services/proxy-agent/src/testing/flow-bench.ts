/** A lab with servers on it and a plane on node-1, for the suite of packet flows. */
import { type Lab, type LabHost, labPlan, openLab, type Outcome, outcomeText } from "@fairlead/netlab";
import {
  familyOf,
  type Cidr,
  type IpFamily,
  type NodeName,
  port as portNumber,
  type Protocol,
  type SchedulerName,
  type TrafficPolicy,
} from "@fairlead/types";
import type { Frontend, FrontendKind, PlaneEndpoint, ServicePortEntry } from "../plan/entry.ts";
import type { NodeFacts, Plane, PlaneChange, PlaneObserver, PlaneProblem } from "../plane.ts";
import { endpointAt, entryOf, frontendAt } from "./entries.ts";
import { ForeignObjects, listed } from "./flow-kernel.ts";
import type { FlowPlaneOptions, FlowSubject } from "./flow-options.ts";
import type { EndpointName, Placement } from "./flow-table.ts";

/** Where every server of the lab listens. */
export const endpointPort = 8_080;
/** Where cluster IPs, externalIPs and load balancers of the suite serve. */
export const servicePort = 80;
/** Node ports are counted from here; below the kernel's range for clients. */
const firstNodePort = 30_000;
/** Cluster IPs are counted from here, away from the first ones, which clusters use themselves. */
const firstService = 0x100;

const defaultQuestionsAtATime = 150;

/** How a plane is set up unless a test says otherwise: all pods of the cluster are known by their ranges. */
export const defaultPlaneOptions: FlowPlaneOptions = {
  localTraffic: { kind: "ranges", ranges: [labPlan.ranges.IPv4.pods, labPlan.ranges.IPv6.pods] },
  masqueradeAll: false,
};

/** What a test asks for in a Service port; addresses and names are made. */
export interface ServiceSpec {
  readonly placement: Placement;
  readonly family: IpFamily;
  readonly protocol: Protocol;
  readonly kinds: readonly FrontendKind[];
  /** Cluster unless told. */
  readonly policy?: TrafficPolicy;
  readonly sourceRanges?: readonly Cidr[];
  readonly affinityMs?: number;
  readonly scheduler?: SchedulerName;
  /** Of endpoints by name; 1 unless told. */
  readonly weights?: Partial<Record<EndpointName, number>>;
  /** Where the endpoints listen. */
  readonly targetPort?: number;
}

/** A question at an address, by a client of the lab. */
export interface At {
  readonly address: string;
  readonly port: number;
}

/** See the module. */
export class FlowBench implements PlaneObserver {
  readonly lab: Lab;
  readonly subject: FlowSubject;
  /** What the plane told, by address. */
  readonly problems = new Map<string, PlaneProblem[]>();
  #plane: Plane | undefined;
  #foreign: ForeignObjects | undefined;
  #leave: () => void = () => undefined;
  readonly #addresses = new Set<string>();
  /** The last change, and what `nft` says of what came of it. */
  #applied: Promise<void> = Promise.resolve();
  #listing: Promise<unknown> | undefined;
  #services = 0;
  /** The plane has not yet been told of the node. */
  #isNew = false;
  /** Runs a question when there is room for it. */
  readonly #slots: Slots;

  private constructor(lab: Lab, subject: FlowSubject) {
    this.lab = lab;
    this.subject = subject;
    this.#slots = new Slots(subject.questionsAtATime ?? defaultQuestionsAtATime);
  }

  /** Builds the lab, with a server for TCP and UDP on every pod and node. */
  static async open(subject: FlowSubject): Promise<FlowBench> {
    const lab = await openLab(subject.patienceMs === undefined ? {} : { patienceMs: subject.patienceMs });
    const bench = new FlowBench(lab, subject);
    try {
      for (const protocol of bench.protocols) await bench.serve(endpointPort, protocol);
      if (subject.worksInThread === true) bench.#leave = lab.node(1).namespace.enter();
      if (subject.inKernel === true) bench.#foreign = await ForeignObjects.make(lab.node(1), lab.clock);
      return bench;
    } catch (error) {
      await bench.close();
      throw error;
    }
  }

  /** Protocols that this kernel has sockets for and the plane is asked about. */
  get protocols(): readonly Protocol[] {
    const all: readonly Protocol[] = ["TCP", "UDP", "SCTP"];
    return all.filter((protocol) => protocol !== "SCTP" || this.hasSctp);
  }

  /** SCTP is asked of planes in the kernel, where the kernel has it. */
  get hasSctp(): boolean {
    return this.subject.inKernel === true && this.lab.node(1).hasProtocol("SCTP");
  }

  /** A server for each endpoint that the table names, at one more port. */
  async serve(port: number, protocol: Protocol, names: readonly EndpointName[] = everyEndpoint): Promise<void> {
    for (const name of names) {
      const host = this.host(name);
      const addresses = name.startsWith("node") ? Object.values(host.addresses) : undefined;
      await host.serve({ port, protocol, name, ...(addresses === undefined ? {} : { addresses }) });
    }
  }

  /** Makes and starts a plane; the one before has to have ended. */
  async start(options: FlowPlaneOptions = defaultPlaneOptions): Promise<void> {
    this.#plane = await this.subject.make(this.lab, this, options);
    await this.#plane.start();
    this.#isNew = true;
  }

  /** Ends the plane and removes what it made; tells what it left behind of what `nft` and others can see. */
  async end(): Promise<void> {
    const plane = this.#plane;
    this.#plane = undefined;
    try {
      await this.#listed();
    } finally {
      await plane?.cleanup();
      await plane?.stop();
    }
  }

  async close(): Promise<void> {
    await this.end();
    this.#leave();
    this.#foreign?.close();
    await this.lab.close();
  }

  get plane(): Plane {
    if (this.#plane === undefined) throw new Error("the suite has no plane now");
    return this.#plane;
  }

  /** What others have in the kernel; of planes in the kernel only. */
  get foreign(): ForeignObjects {
    if (this.#foreign === undefined) throw new Error("the plane is not one in the kernel");
    return this.#foreign;
  }

  /**
   * Applies a change, after those that are under way. Where the plane is in the kernel, `nft` has to be able to list what it made of it: if it
   * cannot, the next change fails, or the end.
   */
  async apply(change: Partial<Omit<PlaneChange, "node">>): Promise<void> {
    const applied = this.#applied.then(() => this.#apply(change));
    this.#applied = applied.catch(() => undefined);
    await applied;
  }

  /** A Service port as asked for, with addresses of its own. */
  service(spec: ServiceSpec): ServicePortEntry {
    const { family, protocol, kinds, policy = "Cluster", affinityMs, scheduler, sourceRanges = [] } = spec;
    const number = ++this.#services;
    const frontends = kinds.map((kind) => {
      const ranges = kind === "LoadBalancer" ? sourceRanges : [];
      return frontendAt(placeOf(kind, family, number), { kind, policy, sourceRanges: ranges });
    });
    return entryOf({
      name: `service-${number}`,
      protocol,
      frontends: sorted(frontends),
      ...this.lists(spec),
      ...(affinityMs === undefined ? {} : { affinityMs }),
      ...(scheduler === undefined ? {} : { scheduler }),
    });
  }

  /** The same Service port with other endpoints. */
  withEndpoints(entry: ServicePortEntry, placement: Placement, spec: Partial<ServiceSpec> = {}): ServicePortEntry {
    const { endpoints, local, standby, hasAnyEndpoints } = this.lists({ ...spec, family: entry.family, placement });
    return { ...entry, cluster: endpoints, local, standby, hasAnyEndpoints };
  }

  lists(spec: Pick<ServiceSpec, "placement" | "family" | "weights" | "targetPort">): {
    readonly endpoints: readonly PlaneEndpoint[];
    readonly local: readonly PlaneEndpoint[];
    readonly standby: ServicePortEntry["standby"];
    readonly hasAnyEndpoints: boolean;
  } {
    const { placement, family, weights = {}, targetPort = endpointPort } = spec;
    const made = (name: EndpointName): PlaneEndpoint => ({
      ...endpointAt({ address: this.host(name).addresses[family], port: targetPort }, weights[name] ?? 1),
      node: nodeOf(name),
    });
    const list = (names: readonly EndpointName[]): readonly PlaneEndpoint[] =>
      names.map(made).sort((a, b) => (a.key < b.key ? -1 : 1));
    const standby = (placement.standby ?? []).map(({ name, serving }) => ({ ...made(name), serving }));
    const hasAnyEndpoints = placement.cluster.length + placement.local.length > 0;
    return { endpoints: list(placement.cluster), local: list(placement.local), standby, hasAnyEndpoints };
  }

  /** A client or an endpoint by its name in the table. */
  host(name: string): LabHost {
    const [kind, number] = name.split("-");
    if (kind === "node") return this.lab.node(Number(number));
    return kind === "outside" ? this.lab.outsider(Number(number)) : this.lab.pod(name);
  }

  /** The address of an entry's frontend of this kind. */
  at(entry: ServicePortEntry, kind: FrontendKind): At {
    const frontend = entry.frontends.find((one) => one.kind === kind);
    if (frontend === undefined) throw new Error(`${entry.service.name} has no ${kind}`);
    return frontend;
  }

  /** Asks, when there is room for the question. */
  ask(client: string, at: At, protocol: Protocol): Promise<Outcome> {
    return this.#slots.run(() => this.host(client).ask(at, protocol));
  }

  /** Who answers, or what else happens, in words without the source. */
  async answers(client: string, at: At, protocol: Protocol, times: number): Promise<readonly string[]> {
    const outcomes = Array.from({ length: times }, () => this.ask(client, at, protocol));
    return (await Promise.all(outcomes)).map((one) => (one.kind === "answered" ? one.by : outcomeText(one)));
  }

  serving(): void {
    // Nothing of it is asked here.
  }

  problem(_entry: ServicePortEntry, frontend: Frontend, problem: PlaneProblem): void {
    const place = placeText(frontend);
    this.problems.set(place, [...(this.problems.get(place) ?? []), problem]);
  }

  async #apply({ added = [], updated = [], removed = [] }: Partial<Omit<PlaneChange, "node">>): Promise<void> {
    const node = this.#isNew ? nodeFacts : undefined;
    this.#isNew = false;
    if (this.subject.needsAddresses === true) {
      await this.#addAddresses([...added, ...updated.map(({ after }) => after)]);
    }
    await this.#listed();
    await this.plane.apply({ added, updated, removed, ...(node === undefined ? {} : { node }) });
    if (this.subject.inKernel !== true) return;
    const listing = listed(this.lab.node(1), "ruleset").then(
      () => undefined,
      (error: unknown) => error,
    );
    this.#listing = listing;
  }

  /** Waits for the last listing, and throws what was wrong with it. */
  async #listed(): Promise<void> {
    const error = await this.#listing;
    this.#listing = undefined;
    if (error !== undefined) throw error;
  }

  async #addAddresses(entries: readonly ServicePortEntry[]): Promise<void> {
    const frontends = entries.flatMap((entry) => entry.frontends).filter(({ kind }) => kind !== "NodePort");
    const wanted = new Set(frontends.map(({ address }) => address));
    const fresh = [...wanted].filter((address) => !this.#addresses.has(address));
    for (const address of fresh) this.#addresses.add(address);
    if (fresh.length > 0) await this.lab.addAddresses(1, fresh);
  }
}

/** Node facts of node-1. */
const nodeFacts: NodeFacts = {
  podRanges: [labPlan.ranges.IPv4.podsOf(1), labPlan.ranges.IPv6.podsOf(1)],
};

const everyEndpoint: readonly EndpointName[] = ["a", "c", "d", "f", "node-1", "node-2"];

/** The text by which {@link FlowBench.problems} knows an address. */
export function placeText({ address, port }: At): string {
  return `${address} ${port}`;
}

function nodeOf(name: EndpointName): NodeName {
  return (["a", "c", "node-1"].includes(name) ? "node-1" : "node-2") as NodeName;
}

function placeOf(kind: FrontendKind, family: IpFamily, number: number): At {
  switch (kind) {
    case "ClusterIP":
      return { address: labPlan.service(firstService + number)[family], port: servicePort };
    case "NodePort":
      return { address: labPlan.node(1)[family], port: portNumber(firstNodePort + number) };
    case "ExternalIP":
      return { address: labPlan.external(number)[family], port: servicePort };
    case "LoadBalancer":
      return { address: labPlan.loadBalancer(number)[family], port: servicePort };
  }
}

function sorted(frontends: readonly Frontend[]): readonly Frontend[] {
  const key = (one: Frontend): string => `${familyOf(one.address)} ${one.address} ${String(one.port).padStart(5, "0")}`;
  return [...frontends].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** Lets so many things run at a time. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(action: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await action();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}
