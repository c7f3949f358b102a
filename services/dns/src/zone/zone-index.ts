/** The feed's state as a zone needs it: Services by name, namespaces, and names by address. Kept up change by change. */
import { FeedView } from "@fairlead/bus";
import type { FeedBatch } from "@fairlead/bus";
import { serviceKey, splitServiceKey } from "@fairlead/types";
import type { IpAddress, ServiceKey } from "@fairlead/types";
import type { AddressSet } from "./address-set.ts";
import { serviceRecords } from "./service-records.ts";
import type { ServiceRecords } from "./service-records.ts";

/** What an answer was made from; a change names the tags whose answers no longer hold. */
export type Tag = string;

/** Answers that say something of this Service or of names below it. */
export function serviceTag(namespace: string, name: string): Tag {
  return `service ${namespace}/${name}`;
}
/** Answers that rest on whether a namespace exists. */
export function namespaceTag(namespace: string): Tag {
  return `namespace ${namespace}`;
}
/** Answers to the question whose this address is. */
export function addressTag(address: IpAddress): Tag {
  return `address ${address}`;
}
/** Answers that rest on where the name server itself is. */
export const apexTag: Tag = "apex";

/** A name for an address: `host` is the endpoint's label, absent for the Service's own name. */
export interface AddressOwner {
  readonly namespace: string;
  readonly service: string;
  readonly host?: string;
}

/** See the module. Services are compiled when first asked for, and again after a change. */
export class ZoneIndex {
  readonly #podNames: boolean;
  readonly #servers: ReadonlySet<IpAddress>;
  readonly #view = new FeedView();
  readonly #compiled = new Map<ServiceKey, ServiceRecords>();
  /** How many Services each namespace has. */
  readonly #namespaces = new Map<string, number>();
  /** Which Services give names to an address. Keys alone, as there are as many addresses as endpoints: names are made when asked for. */
  readonly #owners = new Map<IpAddress, ServiceKey | Set<ServiceKey>>();
  /** Services behind which one of the servers' own addresses stands. */
  readonly #nameServers = new Set<ServiceKey>();
  #synced = false;

  /** `servers`: addresses that this name server listens on. */
  constructor(options: { readonly podNames: boolean; readonly servers: readonly IpAddress[] }) {
    this.#podNames = options.podNames;
    this.#servers = new Set(options.servers);
  }

  /** Whether a state has arrived: until then nobody knows what does not exist. */
  get synced(): boolean {
    return this.#synced;
  }

  /** How many Services there are. */
  get size(): number {
    return this.#view.services.size;
  }

  /** Takes a batch over; returns the tags whose answers no longer hold. */
  apply(batch: Pick<FeedBatch, "changes">): ReadonlySet<Tag> {
    const tags = new Set<Tag>();
    const { services, namespaces } = this.#view.apply(batch);
    for (const key of services) this.#enter(key, tags);
    for (const name of namespaces) tags.add(namespaceTag(name));
    this.#synced = true;
    return tags;
  }

  /** The records of a Service, or undefined if there is none of this name. */
  service(namespace: string, name: string): ServiceRecords | undefined {
    return this.#records(serviceKey(namespace, name));
  }

  /** Whether the feed names the namespace, or a Service in it: the one may come a moment before the other. */
  hasNamespace(namespace: string): boolean {
    return this.#view.namespaces.has(namespace) || this.#namespaces.has(namespace);
  }

  /** Names for an address: Services by their cluster IP, else ready endpoints of any. */
  ownersOf(address: IpAddress): readonly AddressOwner[] {
    const found = this.#owners.get(address) ?? new Set<ServiceKey>();
    const keys = typeof found === "string" ? [found] : [...found];
    const all = keys.flatMap((key) => this.#namesIn(key, address));
    const own = all.filter(({ host }) => host === undefined);
    return own.length > 0 ? own : all;
  }

  /** Services that lead to this name server. */
  nameServers(): readonly AddressOwner[] {
    return [...this.#nameServers].map((key) => {
      const { namespace, name } = splitServiceKey(key);
      return { namespace, service: name };
    });
  }

  #records(key: ServiceKey): ServiceRecords | undefined {
    const compiled = this.#compiled.get(key);
    if (compiled) return compiled;
    const service = this.#view.services.get(key);
    if (!service) return undefined;
    const made = serviceRecords(service, this.#view.slicesOf(key), { podNames: this.#podNames });
    this.#compiled.set(key, made);
    return made;
  }

  #namesIn(key: ServiceKey, address: IpAddress): AddressOwner[] {
    const records = this.#records(key);
    if (records === undefined) return [];
    const { namespace, name: service } = splitServiceKey(key);
    if (records.kind === "cluster" && holds(records.own, address)) return [{ namespace, service }];
    const hosts = [...records.hosts].filter(([, addresses]) => holds(addresses, address));
    return hosts.map(([host]) => ({ namespace, service, host }));
  }

  #enter(key: ServiceKey, tags: Set<Tag>): void {
    const { namespace, name } = splitServiceKey(key);
    tags.add(serviceTag(namespace, name));
    const before = this.#compiled.get(key);
    this.#compiled.delete(key);
    const records = this.#records(key);
    this.#count(namespace, { before: before !== undefined, after: records !== undefined }, tags);
    // Only what differs: of thousands of endpoints a change mostly concerns a few.
    const gone = namedDifferently(before, records);
    const come = namedDifferently(records, before);
    for (const address of gone) if (!come.has(address) && !names(records, address)) this.#disown(address, key);
    for (const address of come) this.#own(address, key);
    for (const address of [...gone, ...come]) tags.add(addressTag(address));
    this.#noteNameServer(key, records, tags);
  }

  #own(address: IpAddress, key: ServiceKey): void {
    const owners = this.#owners.get(address);
    if (owners === undefined || owners === key) this.#owners.set(address, key);
    else if (typeof owners === "string") this.#owners.set(address, new Set([owners, key]));
    else owners.add(key);
  }

  #disown(address: IpAddress, key: ServiceKey): void {
    const owners = this.#owners.get(address);
    if (owners === key) this.#owners.delete(address);
    if (typeof owners !== "object") return;
    owners.delete(key);
    if (owners.size === 0) this.#owners.delete(address);
  }

  #count(namespace: string, exists: { readonly before: boolean; readonly after: boolean }, tags: Set<Tag>): void {
    if (exists.before === exists.after) return;
    const count = (this.#namespaces.get(namespace) ?? 0) + (exists.after ? 1 : -1);
    if (count === 0) this.#namespaces.delete(namespace);
    else this.#namespaces.set(namespace, count);
    if (count === 0 || (exists.after && count === 1)) tags.add(namespaceTag(namespace));
  }

  #noteNameServer(key: ServiceKey, records: ServiceRecords | undefined, tags: Set<Tag>): void {
    const leadsHere = records !== undefined && [...this.#servers].some((address) => names(records, address));
    if (leadsHere === this.#nameServers.has(key)) return;
    if (leadsHere) this.#nameServers.add(key);
    else this.#nameServers.delete(key);
    tags.add(apexTag);
  }
}

/** Addresses to which `one` gives a name that `other` does not: by cluster IP, or by a ready endpoint. */
function namedDifferently(one: ServiceRecords | undefined, other: ServiceRecords | undefined): ReadonlySet<IpAddress> {
  const found = new Set<IpAddress>();
  if (one === undefined) return found;
  const add = (mine: AddressSet, theirs: AddressSet | undefined): void => {
    if (theirs !== undefined && same(mine.v4, theirs.v4) && same(mine.v6, theirs.v6)) return;
    for (const address of [...mine.v4, ...mine.v6]) found.add(address);
  };
  // Those of a headless Service are its endpoints', which have names of their own.
  if (one.kind === "cluster") add(one.own, other?.kind === "cluster" ? other.own : undefined);
  for (const [host, addresses] of one.hosts) add(addresses, other?.hosts.get(host));
  return found;
}

/** Whether the Service gives the address a name. */
function names(records: ServiceRecords | undefined, address: IpAddress): boolean {
  if (records === undefined) return false;
  return holds(records.own, address) || [...records.hosts.values()].some((addresses) => holds(addresses, address));
}

function same(one: readonly IpAddress[], other: readonly IpAddress[]): boolean {
  return one.length === other.length && one.every((address, index) => address === other[index]);
}

function holds({ v4, v6 }: AddressSet, address: IpAddress): boolean {
  return v4.includes(address) || v6.includes(address);
}
