/** From the feed to the difference that a plane should apply: pure, and without knowing what a plane is made of. */
import { FeedView } from "@fairlead/bus";
import type { FeedBatch } from "@fairlead/bus";
import { diffByKey } from "@fairlead/reconcile";
import type { Cidr, IpAddress, Node, NodeName, ServiceKey } from "@fairlead/types";
import { countChanges, triggersOf } from "./feed-changes.ts";
import type { ChangeCounts, Trigger } from "./feed-changes.ts";
import { nodePortAddresses } from "./node-port-addresses.ts";
import type { NodePortRange } from "./option-kinds.ts";
import { sameEntry } from "./plan/entry.ts";
import type { EntryKey, ServicePortEntry } from "./plan/entry.ts";
import { nodesOfHost } from "./plan/holder.ts";
import { planService } from "./plan/service-table.ts";
import type { HealthCheckPlan, PlanContext, ServicePlan } from "./plan/service-table.ts";
import type { NodeFacts, PlaneChange } from "./plane.ts";

/** How this agent sees the cluster. */
export interface DesiredStateOptions {
  readonly node: NodeName;
  readonly proxyName: string;
  readonly sharedHost: boolean;
  /** Where NodePorts are served; empty means the node's own addresses, all of them. */
  readonly nodePortRanges: readonly NodePortRange[];
  /** Further addresses of this machine that NodePorts may be served at, if they lie in the ranges. */
  readonly machineAddresses: () => readonly IpAddress[];
}

/** What is to be done to get from the last state taken to the present one. */
export interface DesiredDifference {
  readonly change: PlaneChange;
  /** Services whose health check is to be set, or ended (`undefined`). */
  readonly healthChecks: ReadonlyMap<ServiceKey, HealthCheckPlan | undefined>;
  /** Causes of changes that are in this difference for the first time. */
  readonly triggers: readonly Trigger[];
}

const nothing: ServicePlan = { entries: new Map() };

/** Holds the feed's view, the Services that changed since the last time, and what was planned for each then. */
export class DesiredState {
  readonly #options: DesiredStateOptions;
  readonly #view = new FeedView();
  readonly #dirty = new Set<ServiceKey>();
  readonly #plans = new Map<ServiceKey, ServicePlan>();
  #triggers: Trigger[] = [];
  #podRanges: readonly Cidr[] = [];
  #nodeSeen = false;
  #nodePortAddressesBefore: readonly IpAddress[] = [];

  constructor(options: DesiredStateOptions) {
    this.#options = options;
  }

  /** Takes a batch of the feed; returns how much of it is about what. */
  feed(batch: FeedBatch): ChangeCounts {
    const counts = countChanges(batch.changes, this.#view.values);
    // A snapshot tells of causes that are long past: they say nothing about how fast this agent is.
    if (batch.source === "live")
      for (const one of triggersOf(batch.changes, this.#view.values)) this.#triggers.push(one);
    const touched = this.#view.apply(batch);
    for (const service of touched.services) this.#dirty.add(service);
    // Zones, addresses and holders depend on nodes: every Service may come out otherwise.
    if (touched.nodes.size > 0) this.#reconsider();
    this.#nodeSeen ||= this.node !== undefined;
    return counts;
  }

  /** This agent's Node object, if the feed has it. */
  get node(): Node | undefined {
    return this.#view.nodes.get(this.#options.node);
  }

  /** Whether load balancers may count on the node: it is not about to leave, and has not gone. True before the feed has told of it. */
  get nodeEligible(): boolean {
    return this.node === undefined ? !this.#nodeSeen : !this.node.leaving;
  }

  /** Every entry as last taken. */
  *entries(): Iterable<ServicePortEntry> {
    for (const { entries } of this.#plans.values()) yield* entries.values();
  }

  /** Plans what is dirty and gives the difference; the next call starts from here. */
  take(): DesiredDifference {
    const context = this.#context();
    // The machine may have got or lost one meanwhile, which the feed does not tell.
    if (context.nodePortAddresses.join() !== this.#nodePortAddressesBefore.join()) this.#reconsider();
    this.#nodePortAddressesBefore = context.nodePortAddresses;
    const added: ServicePortEntry[] = [];
    const updated: { before: ServicePortEntry; after: ServicePortEntry }[] = [];
    const removed: ServicePortEntry[] = [];
    const healthChecks = new Map<ServiceKey, HealthCheckPlan | undefined>();
    for (const key of this.#dirty) {
      const service = this.#view.services.get(key);
      const before = this.#plans.get(key) ?? nothing;
      const after = service === undefined ? nothing : planService(service, this.#view.slicesOf(key), context);
      const diff = diffByKey<EntryKey, ServicePortEntry>(before.entries, after.entries, sameEntry);
      for (const [, entry] of diff.added) added.push(entry);
      for (const [, old, entry] of diff.updated) updated.push({ before: old, after: entry });
      for (const [, entry] of diff.removed) removed.push(entry);
      if (before.healthCheck !== undefined || after.healthCheck !== undefined) healthChecks.set(key, after.healthCheck);
      if (after.entries.size === 0) this.#plans.delete(key);
      else this.#plans.set(key, after);
    }
    this.#dirty.clear();
    const triggers = this.#triggers;
    this.#triggers = [];
    return { change: { added, updated, removed, ...this.#nodeFacts() }, healthChecks, triggers };
  }

  /** Forgets what was planned: the next difference adds everything. For a plane that lost track of what it holds. */
  restart(): void {
    this.#plans.clear();
    this.#podRanges = [];
    this.#reconsider();
  }

  #reconsider(): void {
    for (const service of this.#view.services.keys()) this.#dirty.add(service);
  }

  #nodeFacts(): { readonly node?: NodeFacts } {
    const podRanges = this.node?.podCIDRs ?? [];
    if (podRanges.join() === this.#podRanges.join()) return {};
    this.#podRanges = podRanges;
    return { node: { podRanges } };
  }

  #context(): PlanContext {
    const { node, proxyName, sharedHost, machineAddresses } = this.#options;
    const { nodes } = this.#view;
    return {
      node,
      proxyName,
      sharedHost,
      nodes,
      hostNodes: sharedHost ? nodesOfHost(nodes, machineAddresses()) : nodes,
      nodePortAddresses: this.#nodePortAddresses(),
    };
  }

  #nodePortAddresses(): readonly IpAddress[] {
    const { nodePortRanges, sharedHost, machineAddresses } = this.#options;
    // On a shared host the machine's other addresses are not this node's alone.
    const others = sharedHost || nodePortRanges.length === 0 ? [] : machineAddresses();
    return nodePortAddresses(this.node?.addresses ?? [], others, nodePortRanges);
  }
}
