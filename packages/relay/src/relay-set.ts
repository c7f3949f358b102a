/** Every address that this process listens at, and who has it: the relay without privileges. */
import type { Logger } from "@fairlead/host";
import type { Clock, Protocol, ServicePortKey } from "@fairlead/types";
import type { RelayChange, RelayEntry, RelayFrontend, RelayObserver } from "./entry.ts";
import { ListenerSlot } from "./listener-slot.ts";
import type { Target } from "./listener.ts";
import { ReadBuffers } from "./read-buffers.ts";
import { ServicePort, ServicePortCounters } from "./service-port.ts";
import type { PickerFactory } from "./service-port.ts";
import { SourceAddress } from "./source-address.ts";
import type { KeepsSource } from "./source-address.ts";
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

/** What a set needs. */
export interface RelaySetOptions<E extends RelayEntry> {
  readonly makePicker: PickerFactory;
  readonly observer: RelayObserver<E>;
  /** Frontends whose endpoints should see the client's own address, where that can be had. */
  readonly keepsSource: KeepsSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long an endpoint may take to accept a connection before another one is tried, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** Silence after which a UDP flow ends, in milliseconds. */
  readonly udpTimeoutMs: number;
}

/** An address that is really listened at. */
export interface HeldAddress<E extends RelayEntry> {
  readonly entry: E;
  readonly frontend: E["frontends"][number];
}

/** An address with everyone who wants it; the first one has it. */
interface Place<E extends RelayEntry> {
  readonly slot: ListenerSlot<E>;
  claims: readonly Target<E>[];
}

/** See the module. An address whose Service port has no eligible endpoint is not listened at, so that the kernel refuses at once. */
export class RelaySet<E extends RelayEntry> implements TcpHost, UdpHost {
  readonly clock: Clock;
  readonly buffers = new ReadBuffers();
  readonly source: SourceAddress;
  readonly connectTimeoutMs: number;
  readonly udpTimeoutMs: number;
  readonly #makePicker: PickerFactory;
  readonly #observer: RelayObserver<E>;
  readonly #log: Logger;
  readonly #services = new Map<string, ServicePort<E>>();
  readonly #counters = new Map<ServicePortKey, { readonly counters: ServicePortCounters; users: number }>();
  readonly #places = new Map<string, Place<E>>();
  readonly #relays = new Set<TcpRelay>();
  #whenEmpty: (() => void) | undefined;
  #flows = 0;
  #cancelSweep: (() => void) | undefined;
  #acceptProblem: string | undefined;

  constructor(options: RelaySetOptions<E>) {
    this.clock = options.clock;
    this.connectTimeoutMs = options.connectTimeoutMs;
    this.udpTimeoutMs = options.udpTimeoutMs;
    this.source = new SourceAddress({ keeps: options.keepsSource, log: options.log });
    this.#makePicker = options.makePicker;
    this.#observer = options.observer;
    this.#log = options.log;
  }

  /**
   * Goes from one set of entries to the next; settles when that is so, except for addresses that cannot be had: those go to the
   * observer and are tried again. Open connections stay open. Calls must not overlap.
   */
  async apply(change: RelayChange<E>): Promise<void> {
    const touched = new Set<string>();
    for (const entry of change.removed) this.#remove(entry, touched);
    for (const { before, after } of change.updated) this.#update(before, after, touched);
    for (const entry of change.added) this.#add(entry, touched);
    await Promise.all([...touched].map((key) => this.#settle(key)));
  }

  /** What is listened at in truth, in no order. */
  *held(): Iterable<HeldAddress<E>> {
    for (const { slot } of this.#places.values()) {
      if (slot.held !== undefined) yield { entry: slot.held.service.entry, frontend: slot.held.frontend };
    }
  }

  /** Settles when the last open connection has ended, or after `ms`. Listeners are left as they are. */
  async drained(ms: number): Promise<void> {
    if (this.#relays.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#whenEmpty = resolve;
    const cancel = this.clock.setTimer(ms, resolve);
    await promise;
    cancel();
    this.#whenEmpty = undefined;
  }

  /** Listens nowhere any more and breaks off what is open. */
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
    if (this.#relays.size === 0) this.#whenEmpty?.();
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

  #add(entry: E, touched: Set<string>): void {
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

  #update(before: E, after: E, touched: Set<string>): void {
    const service = this.#services.get(before.key);
    if (service === undefined) {
      this.#add(after, touched);
      return;
    }
    service.update(after);
    this.#claim(service, before.frontends, touched);
  }

  #remove(entry: E, touched: Set<string>): void {
    const service = this.#services.get(entry.key);
    if (service === undefined) return;
    this.#services.delete(entry.key);
    for (const frontend of entry.frontends) this.#unclaim(service, frontend, touched);
    const shared = this.#counters.get(entry.servicePort);
    if (shared !== undefined && --shared.users === 0) this.#counters.delete(entry.servicePort);
  }

  /** Claims the addresses that can be served; the others are given up, so that the kernel refuses there at once. */
  #claim(service: ServicePort<E>, before: E["frontends"], touched: Set<string>): void {
    for (const frontend of before) this.#unclaim(service, frontend, touched);
    if (service.entry.protocol === "SCTP") {
      for (const frontend of service.entry.frontends)
        this.#observer.problem(service.entry, frontend, { kind: "protocol" });
      return;
    }
    for (const frontend of service.entry.frontends) {
      if (!service.eligible(frontend.policy)) continue;
      const key = placeKey(service.entry.protocol, frontend);
      const place = this.#places.get(key) ?? this.#makePlace(key, service.entry.protocol);
      // The order of the keys decides between two, so that every process and every restart decides alike.
      place.claims = [...place.claims, { service, frontend }].sort((a, b) =>
        a.service.entry.key < b.service.entry.key ? -1 : 1,
      );
      touched.add(key);
    }
  }

  #unclaim(service: ServicePort<E>, frontend: E["frontends"][number], touched: Set<string>): void {
    const key = placeKey(service.entry.protocol, frontend);
    const place = this.#places.get(key);
    if (place === undefined) return;
    place.claims = place.claims.filter((claim) => claim.service !== service);
    touched.add(key);
  }

  #makePlace(key: string, protocol: Protocol): Place<E> {
    const make = (target: Target): TcpListener | UdpListener =>
      protocol === "UDP" ? new UdpListener({ host: this, target }) : new TcpListener({ host: this, target });
    const place: Place<E> = {
      claims: [],
      slot: new ListenerSlot({ make, clock: this.clock, observer: this.#observer }),
    };
    this.#places.set(key, place);
    return place;
  }

  async #settle(key: string): Promise<void> {
    const place = this.#places.get(key);
    if (place === undefined) return;
    const [first, ...others] = place.claims;
    for (const { service, frontend } of others) {
      this.#observer.problem(service.entry, frontend, { kind: "taken", by: first?.service.entry });
    }
    await place.slot.want(first);
    if (place.claims.length === 0 && this.#places.get(key) === place) this.#places.delete(key);
  }
}

function placeKey(protocol: Protocol, frontend: RelayFrontend): string {
  return `${protocol} ${frontend.address} ${frontend.port}`;
}
