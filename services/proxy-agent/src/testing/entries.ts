/** Entries for tests, with everything that a test does not care about filled in. */
import type { At } from "@fairlead/relay/testing";
import { familyOf, ipAddress, port as portNumber, serviceKey, servicePortKey } from "@fairlead/types";
import type { Cidr, NodeName, Protocol, SchedulerName, TrafficPolicy } from "@fairlead/types";
import { entryKey } from "../plan/entry.ts";
import type { Frontend, FrontendKind, PlaneEndpoint, ServicePortEntry, StandbyEndpoint } from "../plan/entry.ts";
import type { PlaneChange } from "../plane.ts";

/** An endpoint at this place; weight 1 unless told. */
export function endpointAt(at: At, weight = 1): PlaneEndpoint {
  const host = at.address.includes(":") ? `[${at.address}]` : at.address;
  return {
    key: `${host}:${at.port}`,
    address: ipAddress(at.address),
    port: portNumber(at.port),
    weight,
    node: "node-1" as NodeName,
  };
}

/** A frontend at this place; a cluster IP of policy Cluster unless told. */
export function frontendAt(
  at: At,
  options: { kind?: FrontendKind; policy?: TrafficPolicy; sourceRanges?: readonly Cidr[] } = {},
): Frontend {
  return {
    kind: options.kind ?? "ClusterIP",
    address: ipAddress(at.address),
    port: portNumber(at.port),
    policy: options.policy ?? "Cluster",
    sourceRanges: options.sourceRanges ?? [],
  };
}

/** An entry of the Service `default/<name>`. The local list is the cluster list unless told. */
export function entryOf(options: {
  readonly name: string;
  readonly frontends: readonly Frontend[];
  readonly endpoints: readonly PlaneEndpoint[];
  readonly local?: readonly PlaneEndpoint[];
  readonly standby?: readonly StandbyEndpoint[];
  readonly hasAnyEndpoints?: boolean;
  readonly portName?: string;
  readonly protocol?: Protocol;
  readonly affinityMs?: number;
  readonly scheduler?: SchedulerName;
}): ServicePortEntry {
  const { name, frontends, endpoints, local = endpoints, portName = "", protocol = "TCP" } = options;
  const servicePort = servicePortKey(serviceKey("default", name), portName, protocol);
  const [first] = frontends;
  const family = first === undefined ? "IPv4" : familyOf(first.address);
  const byKey = (list: readonly PlaneEndpoint[]): readonly PlaneEndpoint[] =>
    [...list].sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    key: entryKey(servicePort, family),
    servicePort,
    service: { namespace: "default", name, uid: `uid-of-${name}` },
    portName,
    protocol,
    family,
    frontends,
    cluster: byKey(endpoints),
    local: byKey(local),
    standby: options.standby ?? [],
    hasAnyEndpoints: options.hasAnyEndpoints ?? endpoints.length + local.length > 0,
    ...(options.affinityMs === undefined ? {} : { affinityMs: options.affinityMs }),
    ...(options.scheduler === undefined ? {} : { scheduler: options.scheduler }),
  };
}

/** A change that adds these entries. */
export function adding(...added: readonly ServicePortEntry[]): PlaneChange {
  return { added, updated: [], removed: [] };
}

/** A change from one version of an entry to the next. */
export function updating(before: ServicePortEntry, after: ServicePortEntry): PlaneChange {
  return { added: [], updated: [{ before, after }], removed: [] };
}

/** A change that removes these entries. */
export function removing(...removed: readonly ServicePortEntry[]): PlaneChange {
  return { added: [], updated: [], removed };
}
