/** One Service port as the userspace plane runs it: its endpoints with their live counts, its picker, its counters. */
import type { PickContext, Picker } from "@fairlead/balancing";
import type { SchedulerName, TrafficPolicy } from "@fairlead/types";
import { anyEligible, endpointsFor, sameEndpoints } from "../plan/entry.ts";
import type { PlaneEndpoint, ServicePortEntry } from "../plan/entry.ts";
import { EndpointState } from "./endpoint-state.ts";

/** Makes the picker for a Service port; `scheduler` absent means the agent's default. */
export type PickerFactory = (scheduler: SchedulerName | undefined, affinityMs: number | undefined) => Picker;

/** What is counted for a Service port. Plain numbers, because the relay adds to them for every chunk. */
export class ServicePortCounters {
  /** Accepted connections. */
  connections = 0;
  /** Open connections and flows right now. */
  active = 0;
  bytesToEndpoints = 0;
  bytesToClients = 0;
  /** Connects to an endpoint that failed. */
  connectFailures = 0;
  /** Connects that were made because an earlier one failed. */
  retries = 0;
  /** Clients that were reset because no endpoint took them. */
  unserved = 0;
  refusedBySource = 0;
  /** Connections and flows turned away because the plane was full. */
  refusedByLimit = 0;
  udpFlows = 0;
  datagramsToEndpoints = 0;
  datagramsToClients = 0;
}

/** See the module. */
export class ServicePort {
  readonly counters: ServicePortCounters;
  entry: ServicePortEntry;
  readonly #makePicker: PickerFactory;
  readonly #states = new Map<string, EndpointState>();
  #picker: Picker;
  #cluster: readonly EndpointState[] = [];
  #local: readonly EndpointState[] = [];

  constructor(options: { entry: ServicePortEntry; makePicker: PickerFactory; counters: ServicePortCounters }) {
    this.entry = options.entry;
    this.counters = options.counters;
    this.#makePicker = options.makePicker;
    this.#picker = options.makePicker(options.entry.scheduler, options.entry.affinityMs);
    this.#setEndpoints(undefined, options.entry);
  }

  /** Takes the next version of the entry. Endpoints keep their counts; pickers keep what they know of an unchanged list. */
  update(entry: ServicePortEntry): void {
    const before = this.entry;
    this.entry = entry;
    if (before.scheduler !== entry.scheduler || before.affinityMs !== entry.affinityMs) {
      this.#picker = this.#makePicker(entry.scheduler, entry.affinityMs);
    }
    this.#setEndpoints(before, entry);
  }

  /** Chooses the endpoint of one new connection; undefined where none may take it. */
  pick(policy: TrafficPolicy, context: PickContext): EndpointState | undefined {
    return this.#picker.pick(policy === "Local" ? this.#local : this.#cluster, context);
  }

  /** Whether new traffic of this policy may go to the endpoint. */
  lists(policy: TrafficPolicy, endpoint: EndpointState): boolean {
    return endpoint.weight > 0 && (policy === "Local" ? this.#local : this.#cluster).includes(endpoint);
  }

  /** Whether traffic of this policy can go anywhere. */
  eligible(policy: TrafficPolicy): boolean {
    return anyEligible(endpointsFor(this.entry, policy));
  }

  /** Counts a connection or flow in; its end is told by {@link release}. */
  acquire(endpoint: EndpointState): void {
    endpoint.active++;
  }

  release(endpoint: EndpointState): void {
    endpoint.active--;
    // A removed endpoint is remembered while it is in use, so that its count is right should it come back meanwhile.
    if (endpoint.active === 0 && !endpoint.listed && this.#states.get(endpoint.key) === endpoint) {
      this.#states.delete(endpoint.key);
    }
  }

  #setEndpoints(before: ServicePortEntry | undefined, entry: ServicePortEntry): void {
    const sameCluster = before !== undefined && sameEndpoints(before.cluster, entry.cluster);
    const sameLocal = before !== undefined && sameEndpoints(before.local, entry.local);
    if (sameCluster && sameLocal) return;
    for (const state of this.#states.values()) state.listed = false;
    const cluster = entry.cluster.map((endpoint) => this.#stateOf(endpoint));
    const local = entry.local.map((endpoint) => this.#stateOf(endpoint));
    // The same array as long as it says the same: pickers keep their place in it.
    if (!sameCluster) this.#cluster = cluster;
    if (!sameLocal) this.#local = local;
    for (const [key, state] of this.#states) if (!state.listed && state.active === 0) this.#states.delete(key);
  }

  #stateOf(endpoint: PlaneEndpoint): EndpointState {
    let state = this.#states.get(endpoint.key);
    if (state === undefined) {
      state = new EndpointState(endpoint);
      this.#states.set(endpoint.key, state);
    }
    state.listed = true;
    state.weight = endpoint.weight;
    return state;
  }
}
