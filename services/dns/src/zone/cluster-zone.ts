/**
 * The rules of names: what exists, what it says, and how it says no. From the Kubernetes DNS specification 1.1.0; where that is
 * silent, as CoreDNS' kubernetes plugin answers.
 */
import type { IpAddress } from "@fairlead/types";
import { classIn, Rcode, RecordType } from "../wire/constants.ts";
import { lowerCase, nameText, parseName, within } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { addressData } from "../wire/records.ts";
import type { RecordData, ResourceRecord } from "../wire/records.ts";
import { WireError } from "../wire/wire-error.ts";
import { addressesOf, isAddressType, isEmpty, ofType } from "./address-set.ts";
import type { AddressSet } from "./address-set.ts";
import { podsTag, podTag } from "./pod-index.ts";
import type { PodIndex } from "./pod-index.ts";
import { podAddress } from "./pods.ts";
import type { PodRecordMode } from "./pods.ts";
import { readReverse } from "./reverse.ts";
import { addressesBehind } from "./service-records.ts";
import type { ServiceRecords, SrvPort } from "./service-records.ts";
import type { ZoneAnswer } from "./zone-answer.ts";
import { addressTag, apexTag, namespaceTag, serviceTag } from "./zone-index.ts";
import type { AddressOwner, Tag, ZoneIndex } from "./zone-index.ts";

/** TTL of the version record, in seconds: what CoreDNS answers. */
const VERSION_TTL_SECONDS = 28_800;

/** Version of the specification that is followed. */
const SPECIFICATION = "1.1.0";

/** Aliases that are followed within the zone before it is given up. */
export const MAX_ALIASES = 10;

/** Refresh, retry and expire of the SOA, in seconds: CoreDNS' own. Nobody transfers the zone, so nobody goes by them. */
const soaTimes = { refresh: 7_200, retry: 1_800, expire: 86_400 } as const;

/** What a zone needs. */
export interface ClusterZoneOptions {
  readonly index: ZoneIndex;
  /** For example cluster.local. */
  readonly clusterDomain: string;
  readonly podRecords: PodRecordMode;
  /** Which pods there are, where `podRecords` is verified. */
  readonly pods: PodIndex;
  /** A Service with a cluster IP but without a ready endpoint does not exist (CoreDNS: ignore empty_service). */
  readonly ignoreEmptyServices: boolean;
  /** Of every record but the version's, in seconds. */
  readonly ttl: number;
  /** Addresses of `ns.dns.<zone>`: where this server can be reached. */
  readonly servers: readonly IpAddress[];
}

/** The records at one name. */
type Found =
  | { readonly kind: "missing" }
  /** Nobody can say yet. */
  | { readonly kind: "unknown" }
  | { readonly kind: "alias"; readonly target: string }
  /** May be without any record: the name exists all the same. */
  | { readonly kind: "records"; readonly data: readonly Timed[]; readonly additional?: readonly ResourceRecord[] };

type Timed = RecordData | { readonly ttl: number; readonly data: RecordData };

const missing: Found = { kind: "missing" };
const nothing: Found = { kind: "records", data: [] };

/** See the module. Names come in lower case. */
export class ClusterZone {
  readonly #index: ZoneIndex;
  readonly #podRecords: PodRecordMode;
  readonly #pods: PodIndex;
  readonly #ignoreEmptyServices: boolean;
  readonly #ttl: number;
  readonly #servers: readonly IpAddress[];
  readonly #zone: Name;
  /** Unix time of the last change, in seconds. */
  serial = 0;

  constructor(options: ClusterZoneOptions) {
    this.#index = options.index;
    this.#podRecords = options.podRecords;
    this.#pods = options.pods;
    this.#ignoreEmptyServices = options.ignoreEmptyServices;
    this.#ttl = options.ttl;
    this.#servers = options.servers;
    this.#zone = parseName(lowerCase(options.clusterDomain));
  }

  /** Whether a name is the cluster's own, so that no other server is ever asked for it. */
  holds(name: Name): boolean {
    return within(name, this.#zone) !== undefined;
  }

  /** The answer to a question of class IN within the zone. */
  answer(name: Name, type: number): ZoneAnswer {
    const tags: Tag[] = [];
    const answers: ResourceRecord[] = [];
    let at = name;
    const seen = new Set<string>();
    for (;;) {
      const rest = within(at, this.#zone);
      if (rest === undefined) return this.#done({ answers, tags, chase: at });
      const found = this.#find(rest, type, tags);
      if (found.kind === "records") {
        answers.push(...found.data.map((data) => this.#record(at, data)));
        return this.#done({ answers, tags, additional: found.additional ?? [] });
      }
      if (found.kind === "unknown") return this.#done({ answers: [], tags, rcode: Rcode.SERVFAIL });
      // An alias that leads nowhere is still there.
      if (found.kind === "missing")
        return this.#done({ answers, tags, rcode: answers.length > 0 ? Rcode.NOERROR : Rcode.NXDOMAIN });
      const target = readTarget(found.target);
      seen.add(nameText(at));
      if (target === undefined || seen.has(nameText(target)) || seen.size > MAX_ALIASES)
        return this.#done({ answers, tags });
      if (type === RecordType.CNAME || isAddressType(type)) {
        answers.push(this.#record(at, { kind: "CNAME", target }));
      }
      if (!isAddressType(type)) return this.#done({ answers, tags });
      at = target;
    }
  }

  /** The answer to a question below in-addr.arpa or ip6.arpa; undefined if nothing here has that address. */
  reverse(name: Name, type: number): ZoneAnswer | undefined {
    const read = readReverse(name);
    if (read?.address === undefined) return undefined;
    const owners = this.#index.ownersOf(read.address);
    if (owners.length === 0) return undefined;
    const tags = [addressTag(read.address)];
    const answers =
      type === RecordType.PTR
        ? owners.map((owner) => this.#record(name, { kind: "PTR", target: this.#ownerName(owner) }))
        : [];
    return this.#done({ answers, tags, zone: read.zone });
  }

  /** NXDOMAIN for a reverse name that nobody knows and nobody can be asked for. */
  noReverse(name: Name): ZoneAnswer {
    const read = readReverse(name);
    const tags = read?.address === undefined ? [] : [addressTag(read.address)];
    return this.#done({ answers: [], tags, rcode: Rcode.NXDOMAIN, zone: read?.zone ?? this.#zone });
  }

  #done(options: {
    answers: readonly ResourceRecord[];
    tags: readonly Tag[];
    additional?: readonly ResourceRecord[];
    rcode?: number;
    zone?: Name;
    chase?: Name;
  }): ZoneAnswer {
    const { answers, tags, additional = [], rcode = Rcode.NOERROR, zone = this.#zone, chase } = options;
    const denies = answers.length === 0 && rcode !== Rcode.SERVFAIL;
    const authority = denies ? [this.#record(zone, this.#soa())] : [];
    return { rcode, answers, authority, additional, tags, ...(chase === undefined ? {} : { chase }) };
  }

  #find(rest: Name, type: number, tags: Tag[]): Found {
    const top = rest.at(-1);
    if (top === undefined) return this.#apex(type, tags);
    const below = rest.slice(0, -1);
    if (top === "svc") return this.#findService(below, type, tags);
    if (top === "pod") return this.#findPod(below, type, tags);
    if (top === "dns-version" && below.length === 0) {
      const data: RecordData = { kind: "TXT", texts: [SPECIFICATION] };
      return type === RecordType.TXT ? { kind: "records", data: [{ ttl: VERSION_TTL_SECONDS, data }] } : nothing;
    }
    if (top !== "dns" || below.length > 1) return missing;
    if (below.length === 0) return nothing;
    return below[0] === "ns" ? { kind: "records", data: ofType(addressesOf(this.#servers), type) } : missing;
  }

  #apex(type: number, tags: Tag[]): Found {
    tags.push(apexTag);
    if (type === RecordType.SOA) return { kind: "records", data: [this.#soa()] };
    if (type !== RecordType.NS) return nothing;
    const services = this.#index.nameServers();
    const targets = services.length > 0 ? services.map((owner) => this.#ownerName(owner)) : [this.#nsName()];
    const data = targets.map((target): RecordData => ({ kind: "NS", target }));
    const additional = targets.flatMap((target) =>
      [RecordType.A, RecordType.AAAA].flatMap((addressType) => this.#addresses(target, addressType)),
    );
    return { kind: "records", data, additional };
  }

  /** Address records of a name of this zone; for the additional section. */
  #addresses(name: Name, type: number): ResourceRecord[] {
    const rest = within(name, this.#zone);
    const found = rest && this.#find(rest, type, []);
    return found?.kind === "records" ? found.data.map((data) => this.#record(name, data)) : [];
  }

  #findService(below: Name, type: number, tags: Tag[]): Found {
    const [name, namespace] = [below.at(-2), below.at(-1)];
    if (namespace === undefined) return nothing;
    if (name === undefined) {
      tags.push(namespaceTag(namespace));
      return this.#index.hasNamespace(namespace) ? nothing : missing;
    }
    tags.push(serviceTag(namespace, name));
    const records = this.#index.service(namespace, name);
    if (records === undefined) return missing;
    const labels = below.slice(0, -2);
    if (records.kind === "external") {
      const { externalName: target } = records;
      return labels.length === 0 && target !== undefined ? { kind: "alias", target } : missing;
    }
    if (this.#ignoreEmptyServices && records.kind === "cluster" && records.hosts.size === 0) return missing;
    const owner = { namespace, service: name };
    switch (labels.length) {
      case 0:
        // A headless Service without a ready endpoint does not exist, says the specification.
        if (isEmpty(records.own)) return missing;
        return this.#serve(records, owner, type, records.own, records.ports);
      case 1: {
        const host = labels[0] ?? "";
        const addresses = records.hosts.get(host);
        if (!addresses) return missing;
        const ports = records.ports.filter((port) => port.host === host);
        return this.#serve(records, owner, type, addresses, ports);
      }
      case 2: {
        const [port = "", protocol = ""] = labels;
        if (!port.startsWith("_") || !protocol.startsWith("_")) return missing;
        const wanted = records.ports.filter(
          (one) => one.name !== "" && `_${one.name}` === port && `_${one.protocol}` === protocol,
        );
        if (wanted.length === 0) return missing;
        return this.#serve(records, owner, type, addressesBehind(records, wanted), wanted);
      }
      default:
        return missing;
    }
  }

  #serve(
    records: ServiceRecords,
    owner: AddressOwner,
    type: number,
    addresses: AddressSet,
    ports: readonly SrvPort[],
  ): Found {
    if (type !== RecordType.SRV) return { kind: "records", data: ofType(addresses, type) };
    // CoreDNS' weights: the share of each in a hundred. All 0 says the same as all 1: any of them.
    const weight = Math.floor(100 / Math.max(1, ports.length));
    const targets = new Map<string, { name: Name; addresses: AddressSet }>();
    const data = ports.map(({ port, host }): RecordData => {
      const target = this.#ownerName(host === undefined ? owner : { ...owner, host });
      const own = host === undefined ? records.own : (records.hosts.get(host) ?? addresses);
      targets.set(nameText(target), { name: target, addresses: own });
      return { kind: "SRV", priority: 0, weight, port, target };
    });
    const additional = [...targets.values()].flatMap((target) =>
      [...target.addresses.v4, ...target.addresses.v6].map((address) =>
        this.#record(target.name, addressData(address)),
      ),
    );
    return { kind: "records", data, additional };
  }

  #findPod(below: Name, type: number, tags: Tag[]): Found {
    const [label, namespace] = [below.at(-2), below.at(-1)];
    if (namespace === undefined) return nothing;
    tags.push(namespaceTag(namespace));
    if (!this.#index.hasNamespace(namespace) || below.length > 2) return missing;
    if (label === undefined) return nothing;
    const address = this.#podRecords === "disabled" ? undefined : podAddress(label);
    if (address === undefined) return missing;
    if (this.#podRecords === "verified") {
      tags.push(podTag(namespace, address));
      if (!this.#pods.synced) {
        tags.push(podsTag);
        return { kind: "unknown" };
      }
      if (!this.#pods.has(namespace, address)) return missing;
    }
    return { kind: "records", data: ofType(addressesOf([address]), type) };
  }

  #ownerName({ namespace, service, host }: AddressOwner): Name {
    const name = [...service.split("."), namespace, "svc", ...this.#zone];
    return host === undefined ? name : [host, ...name];
  }

  #nsName(): Name {
    return ["ns", "dns", ...this.#zone];
  }

  #soa(): RecordData {
    const rname = ["hostmaster", ...this.#zone];
    return { kind: "SOA", mname: this.#nsName(), rname, serial: this.serial, ...soaTimes, minimum: this.#ttl };
  }

  #record(name: Name, timed: Timed): ResourceRecord {
    const { ttl, data } = "kind" in timed ? { ttl: this.#ttl, data: timed } : timed;
    return { name, class: classIn, ttl, data };
  }
}

/** The name that an ExternalName stands for; undefined if it cannot be one. */
function readTarget(text: string): Name | undefined {
  try {
    return parseName(lowerCase(text));
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
