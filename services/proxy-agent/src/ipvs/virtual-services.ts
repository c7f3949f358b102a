/** What IPVS should hold for a Service port: one virtual service for each of its addresses. Pure. */
import type { IpvsForwarding } from "@fairlead/netlink";
import type { IpAddress, Port, SchedulerName } from "@fairlead/types";
import { endpointsFor, type Frontend, type PlaneEndpoint, type ServicePortEntry } from "../plan/entry.ts";
import { type Place, placeAt } from "./place.ts";

/** A server of a virtual service, what the kernel calls a destination. */
export interface Server {
  readonly address: IpAddress;
  readonly port: number;
  /** 0: no new connection. */
  readonly weight: number;
  /** Default: masquerade. */
  readonly forwarding?: IpvsForwarding;
}

/** A virtual service as it should be. */
export interface VirtualService {
  readonly place: Place;
  readonly scheduler: SchedulerName;
  /** Seconds for which a client stays with its server. */
  readonly persistenceSeconds?: number;
  /** By endpoint key. */
  readonly servers: ReadonlyMap<string, Server>;
  /** Keys of endpoints that get no new connection, and whose pods are still there. */
  readonly standby: ReadonlySet<string>;
}

/** For Services that do not say which scheduler they want, as in kube-proxy. */
export const defaultScheduler: SchedulerName = "rr";

/** The virtual service of one of the entry's addresses. */
export function virtualServiceFor(
  entry: ServicePortEntry,
  { address, port, policy }: Pick<Frontend, "address" | "port" | "policy">,
  scheduler: SchedulerName | undefined,
): VirtualService {
  const endpoints = endpointsFor(entry, policy);
  return {
    place: placeAt(entry.protocol, address, port),
    scheduler: entry.scheduler ?? scheduler ?? defaultScheduler,
    ...(entry.affinityMs === undefined ? {} : { persistenceSeconds: Math.max(1, Math.ceil(entry.affinityMs / 1000)) }),
    servers: new Map(endpoints.map((endpoint) => [endpoint.key, serverOf(endpoint)])),
    standby: standbyOf(entry, policy),
  };
}

/** The highest port of the address that nobody wants, for a virtual service of which only the rules know. */
export function freePort(isTaken: (port: Port) => boolean): Port | undefined {
  for (let port = highestPort; port > 0; port--) if (!isTaken(port as Port)) return port as Port;
  return undefined;
}

const highestPort = 65_535;

function serverOf({ address, port, weight }: PlaneEndpoint): Server {
  return { address, port, weight };
}

/** For policy Local also the endpoints of other nodes, to which this address may have led while it was of policy Cluster. */
function standbyOf(entry: ServicePortEntry, policy: Frontend["policy"]): ReadonlySet<string> {
  const others = policy === "Local" ? entry.cluster : entry.local;
  if (entry.standby.length === 0 && others.length === 0) return noStandby;
  return new Set([...entry.standby, ...others].map(({ key }) => key));
}

const noStandby: ReadonlySet<string> = new Set();
