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
  /** What each Service has entered into the table above. */
  readonly #entered = new Map<ServiceKey, readonly IpAddress[]>();
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
    for (const address of this.#entered.get(key) ?? []) {
      tags.add(addressTag(address));
      this.#disown(address, key);
    }
    this.#compiled.delete(key);
    const records = this.#records(key);
    this.#count(key, namespace, records !== undefined, tags);
    const owned = records ? ownedAddresses(records) : [];
    if (records === undefined) this.#entered.delete(key);
    else this.#entered.set(key, owned);
    for (const address of owned) {
      this.#own(address, key);
      tags.add(addressTag(address));
    }
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

  #count(key: ServiceKey, namespace: string, exists: boolean, tags: Set<Tag>): void {
    const existed = this.#entered.has(key);
    if (existed === exists) return;
    const count = (this.#namespaces.get(namespace) ?? 0) + (exists ? 1 : -1);
    if (count === 0) this.#namespaces.delete(namespace);
    else this.#namespaces.set(namespace, count);
    if (count === 0 || (exists && count === 1)) tags.add(namespaceTag(namespace));
  }

  #noteNameServer(key: ServiceKey, records: ServiceRecords | undefined, tags: Set<Tag>): void {
    const addresses = records ? [records.own, ...records.hosts.values()].flatMap(({ v4, v6 }) => [...v4, ...v6]) : [];
    const leadsHere = addresses.some((address) => this.#servers.has(address));
    if (leadsHere === this.#nameServers.has(key)) return;
    if (leadsHere) this.#nameServers.add(key);
    else this.#nameServers.delete(key);
    tags.add(apexTag);
  }
}

/** Which addresses a Service gives names to: its cluster IPs and its ready endpoints, as CoreDNS does; each once. */
function ownedAddresses(records: ServiceRecords): readonly IpAddress[] {
  const endpoints = [...records.hosts.values()].flatMap(({ v4, v6 }) => [...v4, ...v6]);
  return [...new Set([...records.own.v4, ...records.own.v6, ...endpoints])];
}

function holds({ v4, v6 }: AddressSet, address: IpAddress): boolean {
  return v4.includes(address) || v6.includes(address);
}
