/**
 * A data plane: what makes a node lead connections to Service addresses on to endpoints. The planner decides what should be; a
 * plane only makes it so. `planeCompliance` (./testing.ts) asks every plane the same questions with real traffic.
 */
import type { Cidr, IpAddress, Port, Protocol, ServicePortKey } from "@fairlead/types";
import type { Startable } from "@fairlead/host";
import type { Frontend, FrontendKind, ServicePortEntry } from "./plan/entry.ts";

/**
 * The difference between two desired states. Entries are compared as wholes: an entry that differs in anything is in `updated`
 * with both versions, so a plane can find out which endpoint or address changed and touch only that.
 */
export interface PlaneChange {
  readonly added: readonly ServicePortEntry[];
  readonly updated: readonly { readonly before: ServicePortEntry; readonly after: ServicePortEntry }[];
  readonly removed: readonly ServicePortEntry[];
  /** This node, where it is not as it was in the change before. */
  readonly node?: NodeFacts;
}

/** What a plane may have to know of its own node. */
export interface NodeFacts {
  /** Ranges of the node's own pods. */
  readonly podRanges: readonly Cidr[];
}

/** What went to and from the endpoints of a Service port since the plane began to count. A plane gives what it knows. */
export interface TrafficCounters {
  /** New connections and UDP flows; a plane in the kernel also counts those that it refuses for want of endpoints. */
  readonly connections: number;
  /** From clients to endpoints, and back. */
  readonly sentPackets: number;
  readonly sentBytes: number;
  readonly receivedPackets: number;
  readonly receivedBytes: number;
}

/** One address that the plane really serves, as read back from the kernel or the process. */
export interface HeldFrontend {
  readonly servicePort: ServicePortKey;
  readonly kind: FrontendKind;
  readonly protocol: Protocol;
  readonly address: IpAddress;
  readonly port: Port;
  /** Keys of the endpoints that new connections may go to, sorted. */
  readonly endpoints: readonly string[];
}

/** Something that a plane cannot do as asked. The reason is in CamelCase, as Events have it; the message says what to do. */
export interface PlaneProblem {
  readonly reason: string;
  readonly message: string;
}

/** Told what happens at single addresses. Calls return at once and never throw. */
export interface PlaneObserver {
  /** The address began to be served (or takes traffic again). */
  serving(entry: ServicePortEntry, frontend: Frontend): void;
  /** The address cannot be served as asked. May be told again while it lasts, when the entry changes. */
  problem(entry: ServicePortEntry, frontend: Frontend, problem: PlaneProblem): void;
}

/**
 * See the module. A plane in the kernel leaves what it programmed there when it stops, and takes it over when it starts again: its first
 * {@link Plane.apply} brings the kernel from whatever it holds to the state that the change adds.
 */
export interface Plane extends Startable {
  /** How it works: `userspace`, `nftables`, `ipvs`. Also what `/proxyMode` says. */
  readonly mode: string;
  /**
   * Brings what is held from one desired state to the next. Settles when the change is in force, except where it cannot be:
   * that goes to the observer and is tried again by the plane itself, and never keeps the rest of the change from
   * being applied. Calls do not overlap. A rejection means that what is held is unknown: the caller stops
   * and starts the plane, and comes with a change that adds everything.
   *
   * - A new connection after it settles goes only to endpoints of the new state.
   * - Connections that are open stay open, also when their endpoint, address or Service is gone.
   * - UDP flows to an endpoint that is gone end at once: their next datagram goes to another one.
   * - An address without an eligible endpoint refuses at once.
   */
  apply(change: PlaneChange): Promise<void>;
  /** What is held in truth, sorted by address, port and protocol. */
  inspect(): Promise<readonly HeldFrontend[]>;
  /**
   * Another plane has taken over: takes no new connection any more, and lets those that are open go on, for which it may keep
   * something behind. It may be taken again: with `start`, and a change that adds everything.
   */
  retire(): Promise<void>;
  /** Removes everything that this plane made, also in an earlier run, and nothing else. Open connections may break. */
  cleanup(): Promise<void>;
}
