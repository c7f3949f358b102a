/** From the ports of the ConfigMaps and the feed to what the relay is to do. Pure. */
import { isIPv4 } from "node:net";
import type { FeedView } from "@fairlead/bus";
import type { RelayEntry, RelayFrontend } from "@fairlead/relay";
import { serviceKey, servicePortKey } from "@fairlead/types";
import type { ServicePortKey } from "@fairlead/types";
import { portOf, resolveBackend } from "../plan/backend-endpoints.ts";
import type { MappingProblem, PortMapping } from "./port-map.ts";

/** A relay entry and where it comes from. */
export interface PortEntry extends RelayEntry {
  readonly mapping: PortMapping;
}

/** An address that the ingress itself listens at. */
export interface OwnDoor {
  /** For people: "HTTP". */
  readonly what: string;
  readonly host: string;
  readonly port: number;
}

/** What is to be relayed, and what cannot be; reasons are those of Events. */
export interface PortPlan {
  readonly entries: ReadonlyMap<string, PortEntry>;
  readonly problems: readonly (MappingProblem & { readonly reason: "Rejected" | "BackendMissing" })[];
}

/** Plans the ports of one protocol. A Service or port that is not there is told; one without endpoints is just not listened for. */
export function planPorts(options: {
  readonly mappings: readonly PortMapping[];
  readonly view: Pick<FeedView, "services" | "slicesOf">;
  /** Address to listen at. */
  readonly address: string;
  /** Doors whose ports no TCP entry may take. */
  readonly doors: readonly OwnDoor[];
}): PortPlan {
  const entries = new Map<string, PortEntry>();
  const problems: PortPlan["problems"][number][] = [];
  for (const mapping of options.mappings) {
    const key = `${mapping.port}`;
    const door = doorAt(mapping, options);
    if (door !== undefined) {
      problems.push({ key, reason: "Rejected", message: `port ${key} is the ingress' own, for ${door.what}` });
      continue;
    }
    const missing = whatIsMissing(mapping, options.view);
    if (missing !== undefined) {
      problems.push({ key, reason: "BackendMissing", message: missing });
      continue;
    }
    const planned = entryFor(mapping, options);
    entries.set(planned.key, planned);
  }
  return { entries, problems };
}

/** Names a mapped port among the counters of the relay. */
export function countersKey({ namespace, service, port, protocol }: PortMapping): ServicePortKey {
  return servicePortKey(serviceKey(namespace, service), `${port}`, protocol);
}

function doorAt(
  { port, protocol }: PortMapping,
  { address, doors }: { readonly address: string; readonly doors: readonly OwnDoor[] },
): OwnDoor | undefined {
  if (protocol !== "TCP") return undefined;
  const everywhere = (host: string): boolean => host === "0.0.0.0" || host === "::";
  return doors.find(
    (door) => door.port === port && (door.host === address || everywhere(door.host) || everywhere(address)),
  );
}

function whatIsMissing(
  { namespace, service, servicePort, protocol }: PortMapping,
  view: Pick<FeedView, "services">,
): string | undefined {
  const found = view.services.get(serviceKey(namespace, service));
  if (found === undefined) return `there is no Service ${namespace}/${service}`;
  if (found.type === "ExternalName") {
    if (protocol === "UDP")
      return `Service ${namespace}/${service} is of type ExternalName, which is not served over UDP`;
    if (typeof servicePort === "number") return undefined;
  }
  if (portOf(found, servicePort, protocol) !== undefined) return undefined;
  return `Service ${namespace}/${service} has no ${protocol} port ${servicePort}`;
}

function entryFor(
  mapping: PortMapping,
  { view, address }: { readonly view: Pick<FeedView, "services" | "slicesOf">; readonly address: string },
): PortEntry {
  const { namespace, service, servicePort, protocol, port, readsProxyHeader, writesProxyHeader } = mapping;
  const value = view.services.get(serviceKey(namespace, service));
  const frontend: RelayFrontend = {
    address,
    port,
    policy: "Cluster",
    sourceRanges: [],
    ...(readsProxyHeader ? { readsProxyHeader } : {}),
    ...(writesProxyHeader ? { writesProxyHeader } : {}),
  };
  const endpoints = resolveBackend({ namespace, service, port: servicePort }, view, protocol)
    // A datagram does not change families on its way.
    .filter((endpoint) => protocol === "TCP" || isIPv4(endpoint.address) === isIPv4(address))
    .map((endpoint) => ({ key: `${endpoint.address} ${endpoint.port}`, ...endpoint }));
  const affinity = value?.sessionAffinity;
  const counted = countersKey(mapping);
  return {
    key: counted,
    servicePort: counted,
    mapping,
    protocol,
    frontends: [frontend],
    cluster: endpoints,
    local: [],
    ...(affinity?.kind === "ClientIP" ? { affinityMs: affinity.timeoutSeconds * 1000 } : {}),
    ...(value?.scheduler === undefined ? {} : { scheduler: value.scheduler }),
  };
}
