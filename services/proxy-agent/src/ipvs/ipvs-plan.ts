/** Which virtual services and which elements of the plane's table the entries want: pure, and changed entry by entry. */
import type { IpAddress, IpFamily, NodeName, Port, SchedulerName } from "@fairlead/types";
import { Claims } from "../kernel/claims.ts";
import type { EntryKey, Frontend, ServicePortEntry } from "../plan/entry.ts";
import { type Inward, isExternalLocal } from "./packet-elements.ts";
import { type Place, placeAt } from "./place.ts";
import { freePort, type VirtualService, virtualServiceFor } from "./virtual-services.ts";

/** What the plan depends on beside the entries. */
export interface IpvsPlanOptions {
  readonly node: NodeName;
  readonly scheduler: SchedulerName | undefined;
  /** Addresses whose virtual services are somebody else's. */
  readonly isExcluded: (address: IpAddress) => boolean;
}

/** An entry, and what became of it. */
export interface Placed {
  readonly entry: ServicePortEntry;
  /** Those of its addresses that are its own. */
  readonly frontends: readonly Frontend[];
  readonly services: readonly VirtualService[];
  /** Where pods are led from addresses of external policy Local. */
  readonly inward?: Inward;
}

/** What may have changed. */
export interface Touched {
  readonly entries: ReadonlyMap<EntryKey, IpFamily>;
  readonly places: ReadonlySet<Place>;
}

interface Wanted {
  readonly service: VirtualService;
  readonly owner: EntryKey;
  /** The interface bears the address. */
  readonly isBound: boolean;
}

/** See the module. */
export class IpvsPlan {
  readonly #options: IpvsPlanOptions;
  readonly #entries = new Map<EntryKey, ServicePortEntry>();
  readonly #claims = new Claims();
  readonly #placed = new Map<EntryKey, Placed>();
  readonly #wanted = new Map<Place, Wanted>();
  /** Places of virtual services of which only the rules know. */
  readonly #hidden = new Map<Place, EntryKey>();

  constructor(options: IpvsPlanOptions) {
    this.#options = options;
  }

  /** Goes on to the next state. Entries of `changed` are new ones or other versions of old ones. */
  change(removed: readonly EntryKey[], changed: readonly ServicePortEntry[]): Touched {
    const entries = new Map<EntryKey, IpFamily>();
    const touch = (entry: ServicePortEntry): void => {
      entries.set(entry.key, entry.family);
      // An address is of one family, and so are those who want it.
      for (const rival of this.#claims.rivals(entry)) entries.set(rival.key, entry.family);
      // Whoever has hidden something there has to look for another place.
      for (const { address, port } of entry.frontends) {
        const hider = this.#hidden.get(placeAt(entry.protocol, address, port));
        if (hider !== undefined) entries.set(hider, entry.family);
      }
    };
    const release = (key: EntryKey): void => {
      const entry = this.#entries.get(key);
      if (entry === undefined) return;
      touch(entry);
      this.#claims.release(entry);
      this.#entries.delete(key);
    };
    for (const key of removed) release(key);
    for (const entry of changed) {
      release(entry.key);
      this.#entries.set(entry.key, entry);
      this.#claims.claim(entry);
      touch(entry);
    }
    const places = new Set<Place>();
    // First everything is let go, so that what goes from one entry to another is not taken away last.
    for (const key of entries.keys()) {
      for (const { place } of this.#placed.get(key)?.services ?? []) this.#drop(place, key, places);
    }
    for (const key of entries.keys()) this.#place(key, places);
    return { entries, places };
  }

  /** The entry in force and what became of it. */
  placed(key: EntryKey): Placed | undefined {
    return this.#placed.get(key);
  }

  /** Every entry in force. */
  all(): Iterable<Placed> {
    return this.#placed.values();
  }

  /** What is wanted at a place. */
  want(place: Place): VirtualService | undefined {
    return this.#wanted.get(place)?.service;
  }

  /** Every place at which something is wanted. */
  places(): Iterable<Place> {
    return this.#wanted.keys();
  }

  /** The entry that wants something there. */
  entryAt(place: Place): ServicePortEntry | undefined {
    const owner = this.#wanted.get(place)?.owner;
    return owner === undefined ? undefined : this.#entries.get(owner);
  }

  /** Whether the interface should bear the place's address for it. */
  isBound(place: Place): boolean {
    return this.#wanted.get(place)?.isBound === true;
  }

  /** Who has an address that the entry wants; undefined if it is the entry itself. */
  ownerOf(entry: ServicePortEntry, frontend: Frontend): ServicePortEntry | undefined {
    const owner = this.#claims.owner(entry, frontend);
    return owner.key === entry.key ? undefined : owner;
  }

  #drop(place: Place, key: EntryKey, places: Set<Place>): void {
    places.add(place);
    if (this.#wanted.get(place)?.owner === key) this.#wanted.delete(place);
    if (this.#hidden.get(place) === key) this.#hidden.delete(place);
  }

  #place(key: EntryKey, places: Set<Place>): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#placed.delete(key);
      return;
    }
    const { scheduler, isExcluded } = this.#options;
    const frontends = entry.frontends.filter(
      (frontend) => this.#claims.owner(entry, frontend).key === key && !isExcluded(frontend.address),
    );
    const services: VirtualService[] = [];
    const want = (service: VirtualService, isBound: boolean): void => {
      services.push(service);
      places.add(service.place);
      this.#wanted.set(service.place, { service, owner: key, isBound });
    };
    for (const frontend of frontends) want(virtualServiceFor(entry, frontend, scheduler), frontend.kind !== "NodePort");
    const inward = this.#inwardFor(entry, frontends);
    if (inward?.isHidden === true) {
      const service = virtualServiceFor(entry, { ...inward, policy: "Cluster" }, scheduler);
      want(service, inward.isBound);
      this.#hidden.set(service.place, key);
    }
    this.#placed.set(key, { entry, frontends, services, ...(inward === undefined ? {} : { inward }) });
  }

  /**
   * The virtual service that has the endpoints of all nodes: the one of a cluster IP, or, where there is none of policy Cluster, one at a port
   * that nobody wants, of an address that only Services have if possible. Undefined where no address needs it.
   */
  #inwardFor(
    entry: ServicePortEntry,
    frontends: readonly Frontend[],
  ): (Inward & { readonly isBound: boolean }) | undefined {
    if (!frontends.some(isExternalLocal)) return undefined;
    const internal = frontends.filter(({ kind }) => kind === "ClusterIP");
    const open = internal.find(({ policy }) => policy === "Cluster");
    if (open !== undefined) return { address: open.address, port: open.port, isHidden: false, isBound: true };
    const [first] = [...internal, ...frontends.filter(({ kind }) => kind !== "NodePort"), ...frontends];
    if (first === undefined) return undefined;
    const { protocol } = entry;
    const { address } = first;
    // Somebody who wants nothing is answered by itself where nobody does.
    const nobody = { ...entry, key: "" as EntryKey, frontends: [] };
    const isTaken = (port: Port): boolean =>
      this.#claims.owner(nobody, { ...first, port }) !== nobody || this.#hidden.has(placeAt(protocol, address, port));
    const port = freePort(isTaken);
    return port === undefined ? undefined : { address, port, isHidden: true, isBound: first.kind !== "NodePort" };
  }
}
