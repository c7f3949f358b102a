/** The plane without privileges: this process listens on the Service addresses itself and relays what comes. */
import type { Logger } from "@fairlead/host";
import type { Clock, Protocol, ServicePortKey } from "@fairlead/types";
import { endpointsFor } from "../plan/entry.ts";
import type { EntryKey, Frontend, ServicePortEntry } from "../plan/entry.ts";
import type { HeldFrontend, Plane, PlaneChange, PlaneObserver } from "../plane.ts";
import { ListenerSlot } from "./listener-slot.ts";
import type { Target } from "./listener.ts";
import { ReadBuffers } from "./read-buffers.ts";
import { ServicePort, ServicePortCounters } from "./service-port.ts";
import type { PickerFactory } from "./service-port.ts";
import { SourceAddress } from "./source-address.ts";
import { TcpListener } from "./tcp-listener.ts";
import type { TcpHost } from "./tcp-listener.ts";
import type { TcpRelay } from "./tcp-relay.ts";
import { UdpListener } from "./udp-listener.ts";
import type { UdpHost } from "./udp-listener.ts";

/** TCP connections at a time, each with two sockets; more are reset. */
export const MAX_CONNECTIONS = 16_384;

/** UDP flows at a time, each with a socket; the longest-standing one of the same address ends for a new one. */
export const MAX_UDP_FLOWS = 8_192;

/** How often connections that have become old enough are set to be kept alive, in milliseconds: short ones never pay for it. */
const KEEP_ALIVE_SWEEP_MS = 15_000;

/** What the plane needs. */
export interface UserspacePlaneOptions {
  readonly makePicker: PickerFactory;
  readonly observer: PlaneObserver;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long an endpoint may take to accept a connection before another one is tried, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Silence after which a UDP flow ends, in milliseconds. */
  readonly udpTimeoutMs: number;
}

/** One entry that wants an address. */
interface Claim {
  readonly service: ServicePort;
  readonly frontend: Frontend;
}

/** An address with everyone who wants it; the first one has it. */
interface Place {
  readonly slot: ListenerSlot;
  claims: readonly Claim[];
}

/** See the module. */
export class UserspacePlane implements Plane, TcpHost, UdpHost {
  readonly name = "userspace plane";
  readonly mode = "userspace";
  readonly clock: Clock;
  readonly buffers = new ReadBuffers();
  readonly source: SourceAddress;
  readonly connectTimeoutMs: number;
  readonly udpTimeoutMs: number;
  readonly #makePicker: PickerFactory;
  readonly #observer: PlaneObserver;
  readonly #log: Logger;
  readonly #services = new Map<EntryKey, ServicePort>();
  readonly #counters = new Map<ServicePortKey, { readonly counters: ServicePortCounters; users: number }>();
  readonly #places = new Map<string, Place>();
  readonly #relays = new Set<TcpRelay>();
  #flows = 0;
  #cancelSweep: (() => void) | undefined;
  #acceptProblem: string | undefined;

  constructor(options: UserspacePlaneOptions) {
    this.clock = options.clock;
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.udpTimeoutMs = options.udpTimeoutMs;
    this.source = new SourceAddress({ log: options.log });
    this.#makePicker = options.makePicker;
    this.#observer = options.observer;
    this.#log = options.log;
  }

  async start(): Promise<void> {
    // Nothing is held before the first change.
  }

  stop(): Promise<void> {
    return this.cleanup();
  }

  async apply(change: PlaneChange): Promise<void> {
    const touched = new Set<string>();
    for (const entry of change.removed) this.#remove(entry, touched);
    for (const { before, after } of change.updated) this.#update(before, after, touched);
    for (const entry of change.added) this.#add(entry, touched);
    await Promise.all([...touched].map((key) => this.#settle(key)));
  }

  async inspect(): Promise<readonly HeldFrontend[]> {
    const held: HeldFrontend[] = [];
    for (const { slot } of this.#places.values()) {
      if (slot.held === undefined) continue;
      const { frontend, service } = slot.held;
      const { servicePort, protocol } = service.entry;
      const endpoints = endpointsFor(service.entry, frontend.policy)
        .filter(({ weight }) => weight > 0)
        .map(({ key }) => key);
      held.push({
        servicePort,
        kind: frontend.kind,
        protocol,
        address: frontend.address,
        port: frontend.port,
        endpoints,
      });
    }
    return held.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  }

  async cleanup(): Promise<void> {
    const places = [...this.#places.values()];
    this.#places.clear();
    this.#services.clear();
    this.#counters.clear();
    await Promise.all(places.map(({ slot }) => slot.want(undefined)));
    for (const relay of this.#relays) relay.destroy();
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  /** The counters of each Service port that is planned, for metrics. */
  *counters(): Iterable<readonly [ServicePortKey, ServicePortCounters]> {
    for (const [key, { counters }] of this.#counters) yield [key, counters];
  }

  admit(relay: TcpRelay): boolean {
    if (this.#relays.size >= MAX_CONNECTIONS) return false;
    this.#relays.add(relay);
    if (this.#cancelSweep === undefined) this.#sweepLater();
    return true;
  }

  ended(relay: TcpRelay): void {
    this.#relays.delete(relay);
  }

  admitFlow(): boolean {
    if (this.#flows >= MAX_UDP_FLOWS) return false;
    this.#flows++;
    return true;
  }

  flowEnded(): void {
    this.#flows--;
  }

  acceptFailed(error: NodeJS.ErrnoException, target: Target): void {
    // Out of file descriptors this happens for every connection: say it once.
    if (this.#acceptProblem === error.code) return;
    this.#acceptProblem = error.code;
    this.#log.error("connections cannot be accepted", { servicePort: target.service.entry.servicePort, error });
  }

  /** A peer that vanished without a word is found out by the kernel, in about a minute; otherwise its connection would stay for ever. */
  #sweepLater(): void {
    this.#cancelSweep = this.clock.setTimer(KEEP_ALIVE_SWEEP_MS, () => {
      this.#cancelSweep = undefined;
      for (const relay of this.#relays) relay.keepAlive();
      if (this.#relays.size > 0) this.#sweepLater();
    });
  }

  #add(entry: ServicePortEntry, touched: Set<string>): void {
    let shared = this.#counters.get(entry.servicePort);
    if (shared === undefined) {
      shared = { counters: new ServicePortCounters(), users: 0 };
      this.#counters.set(entry.servicePort, shared);
    }
    shared.users++;
    const service = new ServicePort({
      entry,
      makePicker: this.#makePicker,
      counters: shared.counters,
      clock: this.clock,
      connectTimeoutMs: this.connectTimeoutMs,
    });
    this.#services.set(entry.key, service);
    this.#claim(service, [], touched);
  }

  #update(before: ServicePortEntry, after: ServicePortEntry, touched: Set<string>): void {
    const service = this.#services.get(before.key);
    if (service === undefined) {
      this.#add(after, touched);
      return;
    }
    service.update(after);
    this.#claim(service, before.frontends, touched);
  }

  #remove(entry: ServicePortEntry, touched: Set<string>): void {
    const service = this.#services.get(entry.key);
    if (service === undefined) return;
    this.#services.delete(entry.key);
    for (const frontend of entry.frontends) this.#unclaim(service, frontend, touched);
    const shared = this.#counters.get(entry.servicePort);
    if (shared !== undefined && --shared.users === 0) this.#counters.delete(entry.servicePort);
  }

  /** Claims the addresses that can be served; the others are given up, so that the kernel refuses there at once. */
  #claim(service: ServicePort, before: readonly Frontend[], touched: Set<string>): void {
    for (const frontend of before) this.#unclaim(service, frontend, touched);
    if (service.entry.protocol === "SCTP") {
      for (const frontend of service.entry.frontends) this.#observer.problem(service.entry, frontend, noSctp);
      return;
    }
    for (const frontend of service.entry.frontends) {
      if (!service.eligible(frontend.policy)) continue;
      const key = placeKey(service.entry.protocol, frontend);
      const place = this.#places.get(key) ?? this.#makePlace(key, service.entry.protocol);
      // The order of the keys decides between two Services, so that every agent and every restart decides alike.
      place.claims = [...place.claims, { service, frontend }].sort((a, b) =>
        a.service.entry.key < b.service.entry.key ? -1 : 1,
      );
      touched.add(key);
    }
  }

  #unclaim(service: ServicePort, frontend: Frontend, touched: Set<string>): void {
    const key = placeKey(service.entry.protocol, frontend);
    const place = this.#places.get(key);
    if (place === undefined) return;
    place.claims = place.claims.filter((claim) => claim.service !== service);
    touched.add(key);
  }

  #makePlace(key: string, protocol: Protocol): Place {
    const make = (target: Target): TcpListener | UdpListener =>
      protocol === "UDP" ? new UdpListener({ host: this, target }) : new TcpListener({ host: this, target });
    const place: Place = { claims: [], slot: new ListenerSlot({ make, clock: this.clock, observer: this.#observer }) };
    this.#places.set(key, place);
    return place;
  }

  async #settle(key: string): Promise<void> {
    const place = this.#places.get(key);
    if (place === undefined) return;
    const [first, ...others] = place.claims;
    for (const { service, frontend } of others) {
      this.#observer.problem(service.entry, frontend, {
        reason: "AddressConflict",
        message: `${frontend.address}:${frontend.port}/${service.entry.protocol} is served for ${first?.service.entry.servicePort}, which names it as well.`,
      });
    }
    await place.slot.want(first);
    if (place.claims.length === 0 && this.#places.get(key) === place) this.#places.delete(key);
  }
}

const noSctp = {
  reason: "ProtocolNotSupported",
  message: "The userspace plane serves TCP and UDP; SCTP needs the nftables or ipvs plane.",
};

function placeKey(protocol: Protocol, frontend: Frontend): string {
  return `${protocol} ${frontend.address} ${frontend.port}`;
}

function sortKey(held: HeldFrontend): string {
  return `${held.address} ${String(held.port).padStart(5, "0")} ${held.protocol}`;
}
