/** Entries for tests, with everything that a test does not care about filled in. */
import { serviceKey, servicePortKey } from "@fairlead/types";
import type { Cidr, Protocol, SchedulerName, TrafficPolicy } from "@fairlead/types";
import type { RelayChange, RelayEndpoint, RelayEntry, RelayFrontend } from "../entry.ts";

/** An address and port. */
export interface At {
  readonly address: string;
  readonly port: number;
}

/** An endpoint at this place; weight 1 unless told. */
export function endpointAt({ address, port }: At, weight = 1): RelayEndpoint {
  return { key: `${address} ${port}`, address, port, weight };
}

/** A frontend at this place, of policy Cluster unless told. */
export function frontendAt(
  { address, port }: At,
  options: {
    policy?: TrafficPolicy;
    sourceRanges?: readonly Cidr[];
    readsProxyHeader?: boolean;
    writesProxyHeader?: boolean;
  } = {},
): RelayFrontend {
  return { address, port, policy: "Cluster", sourceRanges: [], ...options };
}

/** An entry of the Service `default/<name>`. The local list is the cluster list. */
export function entryOf(options: {
  readonly name: string;
  readonly frontends: readonly RelayFrontend[];
  readonly endpoints: readonly RelayEndpoint[];
  readonly protocol?: Protocol;
  readonly affinityMs?: number;
  readonly scheduler?: SchedulerName;
}): RelayEntry {
  const { name, frontends, endpoints, protocol = "TCP", affinityMs, scheduler } = options;
  const servicePort = servicePortKey(serviceKey("default", name), "", protocol);
  return {
    key: servicePort,
    servicePort,
    protocol,
    frontends,
    cluster: endpoints,
    local: endpoints,
    ...(affinityMs === undefined ? {} : { affinityMs }),
    ...(scheduler === undefined ? {} : { scheduler }),
  };
}

/** A change that adds these entries. */
export function adding(...added: readonly RelayEntry[]): RelayChange<RelayEntry> {
  return { added, updated: [], removed: [] };
}

/** A change from one version of an entry to the next. */
export function updating(before: RelayEntry, after: RelayEntry): RelayChange<RelayEntry> {
  return { added: [], updated: [{ before, after }], removed: [] };
}
