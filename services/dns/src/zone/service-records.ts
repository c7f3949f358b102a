/** What the names of one Service lead to. Pure: a Service and its slices in, tables to look up out. */
import { isIP } from "node:net";
import { familyOf, IpFamily } from "@fairlead/types";
import type { Endpoint, EndpointSlice, IpAddress, Protocol, Service } from "@fairlead/types";
import { isDnsLabel } from "@fairlead/types";
import type { AddressSet } from "./address-set.ts";

/** A port that SRV records name. `host` is the endpoint's label; absent where the Service's own name is the target. */
export interface SrvPort {
  /** Empty for an unnamed port: found by the Service's name only, never by `_port._proto`. */
  readonly name: string;
  readonly protocol: Lowercase<Protocol>;
  readonly port: number;
  readonly host?: string;
}

/** See the module. */
export interface ServiceRecords {
  readonly kind: "cluster" | "headless" | "external";
  /** Of the Service's own name. */
  readonly own: AddressSet;
  /** Ready endpoints by their label below the Service's name. */
  readonly hosts: ReadonlyMap<string, AddressSet>;
  readonly ports: readonly SrvPort[];
  /** Absent where it is an address: Kubernetes takes one, and says that name servers do not resolve it. */
  readonly externalName?: string;
}

/** Compiles a Service. `podNames`: endpoints without a host name go by their pod's name (CoreDNS: endpoint_pod_names). */
export function serviceRecords(
  service: Service,
  slices: readonly EndpointSlice[],
  options: { readonly podNames: boolean },
): ServiceRecords {
  if (service.type === "ExternalName") {
    const { externalName = "" } = service;
    const none = { kind: "external", own: { v4: [], v6: [] }, hosts: new Map(), ports: [] } as const;
    return isIP(externalName) === 0 ? { ...none, externalName } : none;
  }
  const hosts = new Map<string, { v4: IpAddress[]; v6: IpAddress[] }>();
  const all = { v4: new Set<IpAddress>(), v6: new Set<IpAddress>() };
  const endpointPorts = new Map<string, SrvPort>();
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      if (!endpoint.ready && !service.publishNotReadyAddresses) continue;
      for (const address of endpoint.addresses) {
        const host = endpointHost(endpoint, address, options.podNames);
        const family = familyOf(address) === IpFamily.v4 ? "v4" : "v6";
        const known = hosts.get(host);
        if (known === undefined) hosts.set(host, { v4: [], v6: [], [family]: [address] });
        // Nearly always one, or one of each family: no need for sets.
        else if (!known[family].includes(address)) known[family].push(address);
        all[family].add(address);
        for (const { name, protocol, port } of slice.ports) {
          if (port === undefined || !service.headless) continue;
          const lower = protocol.toLowerCase() as Lowercase<Protocol>;
          endpointPorts.set(`${name}/${lower}/${port}/${host}`, { name, protocol: lower, port, host });
        }
      }
    }
  }
  if (service.headless) {
    return {
      kind: "headless",
      own: { v4: [...all.v4], v6: [...all.v6] },
      hosts,
      ports: [...endpointPorts.values()],
    };
  }
  return {
    kind: "cluster",
    own: {
      v4: service.clusterIPs.filter((address) => familyOf(address) === IpFamily.v4),
      v6: service.clusterIPs.filter((address) => familyOf(address) === IpFamily.v6),
    },
    hosts,
    ports: service.ports.map(({ name, protocol, port }) => ({
      name,
      protocol: protocol.toLowerCase() as Lowercase<Protocol>,
      port,
    })),
  };
}

/** Addresses of those that have one of these ports. */
export function addressesBehind(records: ServiceRecords, ports: readonly SrvPort[]): AddressSet {
  if (records.kind !== "headless") return records.own;
  const hosts = new Set(ports.map(({ host = "" }) => host));
  const sets = [...hosts].flatMap((host) => records.hosts.get(host) ?? []);
  return { v4: [...new Set(sets.flatMap(({ v4 }) => v4))], v6: [...new Set(sets.flatMap(({ v6 }) => v6))] };
}

/** The label of an endpoint: its host name, its pod's name if wanted and fit, or its address with dashes. */
export function endpointHost(endpoint: Endpoint, address: IpAddress, podNames: boolean): string {
  if (endpoint.hostname !== undefined && isDnsLabel(endpoint.hostname)) return endpoint.hostname;
  const pod = endpoint.target?.kind === "Pod" ? endpoint.target.name : "";
  if (podNames && isDnsLabel(pod)) return pod;
  return dashed(address);
}

/** `10-0-0-1`, `fd00--1`. */
export function dashed(address: IpAddress): string {
  return address.replaceAll(/[.:]/g, "-");
}
