/** One Service port while it is relayed: its endpoints with their live counts, its picker, its counters. */
import type { PickContext, Picker } from "@fairlead/balancing";
import type { Clock, SchedulerName, TrafficPolicy } from "@fairlead/types";
import { anyEligible, endpointsFor, sameEndpoints } from "./entry.ts";
import type { RelayEndpoint, RelayEntry } from "./entry.ts";
import { EndpointState } from "./endpoint-state.ts";
import { Suspects } from "./suspects.ts";

/** Makes the picker for a Service port; `scheduler` absent means a default of its own. */
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
  /** Clients that were reset because they did not begin with a PROXY header where one must be. */
  refusedByHeader = 0;
  /** Connections and flows turned away because there were too many. */
  refusedByLimit = 0;
  udpFlows = 0;
  datagramsToEndpoints = 0;
  datagramsToClients = 0;
}

/** Someone who wants to be led to an endpoint. Reading `address` may cost a system call, so it is read only where it counts. */
export interface ConnectingClient {
  readonly address: string;
  readonly destination: string;
  /** Endpoints that this client found closed: not to be picked again. */
  readonly tried: ReadonlySet<string>;
}

/** What a picker is told of a client. */
class Context implements PickContext {
  readonly exclude: ReadonlySet<string>;
  readonly #of: ConnectingClient;

  constructor(of: ConnectingClient, exclude: ReadonlySet<string>) {
    this.#of = of;
    this.exclude = exclude;
  }

  get client(): string {
    return this.#of.address;
  }

  get destination(): string {
    return this.#of.destination;
  }
}

/** See the module. */
export class ServicePort<E extends RelayEntry = RelayEntry> {
  readonly counters: ServicePortCounters;
  entry: E;
  readonly #makePicker: PickerFactory;
  readonly #states = new Map<string, EndpointState>();
  readonly #suspects: Suspects;
  #picker: Picker;
  #cluster: readonly EndpointState[] = [];
  #local: readonly EndpointState[] = [];

  constructor(options: {
    entry: E;
    makePicker: PickerFactory;
    counters: ServicePortCounters;
    clock: Clock;
    connectTimeoutMs: number;
  }) {
    this.entry = options.entry;
    this.counters = options.counters;
    this.#makePicker = options.makePicker;
    this.#suspects = new Suspects({ clock: options.clock, trialMs: options.connectTimeoutMs });
    this.#picker = options.makePicker(options.entry.scheduler, options.entry.affinityMs);
    this.#setEndpoints(undefined, options.entry);
  }

  /** Takes the next version of the entry. Endpoints keep their counts; pickers keep what they know of an unchanged list. */
  update(entry: E): void {
    const before = this.entry;
    this.entry = entry;
    if (before.scheduler !== entry.scheduler || before.affinityMs !== entry.affinityMs) {
      this.#picker = this.#makePicker(entry.scheduler, entry.affinityMs);
    }
    this.#setEndpoints(before, entry);
  }

  /**
   * Chooses the endpoint of one new connection; undefined where none may take it. Endpoints that have just failed others are
   * taken only when there is nothing else.
   */
  pick(policy: TrafficPolicy, client: ConnectingClient): EndpointState | undefined {
    const list = policy === "Local" ? this.#local : this.#cluster;
    const context = new Context(client, this.#suspects.excludedBeside(client.tried));
    let endpoint = this.#picker.pick(list, context);
    if (endpoint === undefined && context.exclude !== client.tried) {
      endpoint = this.#picker.pick(list, new Context(client, client.tried));
    }
    if (endpoint !== undefined) this.#suspects.picked(endpoint.key);
    return endpoint;
  }

  /** The endpoint took a connection. */
  connected(endpoint: EndpointState): void {
    this.#suspects.clear(endpoint.key);
  }

  /** The endpoint did not take a connection. */
  failed(endpoint: EndpointState): void {
    this.counters.connectFailures++;
    if (endpoint.listed) this.#suspects.failed(endpoint.key);
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

  #setEndpoints(before: E | undefined, entry: E): void {
    const sameCluster = before !== undefined && sameEndpoints(before.cluster, entry.cluster);
    const sameLocal = before !== undefined && sameEndpoints(before.local, entry.local);
    if (sameCluster && sameLocal) return;
    for (const state of this.#states.values()) state.listed = false;
    const cluster = entry.cluster.map((endpoint) => this.#stateOf(endpoint));
    const local = entry.local.map((endpoint) => this.#stateOf(endpoint));
    // The same array as long as it says the same: pickers keep their place in it.
    if (!sameCluster) this.#cluster = cluster;
    if (!sameLocal) this.#local = local;
    for (const [key, state] of this.#states) {
      if (state.listed) continue;
      this.#suspects.clear(key);
      if (state.active === 0) this.#states.delete(key);
    }
  }

  #stateOf(endpoint: RelayEndpoint): EndpointState {
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
