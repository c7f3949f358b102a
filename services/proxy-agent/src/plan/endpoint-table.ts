/** Which endpoints of a Service port take new connections, by Kubernetes' rules (`CategorizeEndpoints` in pkg/proxy/topology.go). */
import type { Endpoint, EndpointSlice, IpFamily, NodeName, ServicePort } from "@fairlead/types";
import type { PlaneEndpoint, StandbyEndpoint } from "./entry.ts";

/** From where the choice is made. */
export interface Viewpoint {
  readonly node: NodeName;
  /** Label `topology.kubernetes.io/zone` of the node; zone hints are ignored without it. */
  readonly zone?: string;
}

/** The lists of one Service port in one family; each sorted by key. */
export interface EndpointChoice {
  readonly cluster: readonly PlaneEndpoint[];
  readonly local: readonly PlaneEndpoint[];
  /** The rest: there, but in neither list. */
  readonly standby: readonly StandbyEndpoint[];
  /** Endpoints of any node that some traffic policy would use. */
  readonly hasAnyEndpoints: boolean;
  /** Nodes whose own local list would hold an endpoint of weight above 0; sorted. */
  readonly nodesWithLocal: readonly NodeName[];
  /** Addresses of the local endpoints that are Ready: what the health check of a load balancer counts. */
  readonly localReady: readonly string[];
}

interface Resolved {
  readonly plane: PlaneEndpoint;
  readonly endpoint: Endpoint;
}

/**
 * Cluster list: ready endpoints that the topology hints allow, else those that still serve while terminating (KEP-1669).
 * Local list: the same of this node, hints aside. An endpoint that two slices list counts once, in its better state.
 */
export function chooseEndpoints(
  slices: Iterable<EndpointSlice>,
  port: Pick<ServicePort, "name" | "protocol">,
  family: IpFamily,
  from: Viewpoint,
): EndpointChoice {
  const all = resolve(slices, port, family);
  const ready = all.filter(({ endpoint }) => endpoint.ready);
  const draining = all.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
  const allowed = allowedByHints(ready, from);
  const byNode = localLists(ready, draining);
  const cluster = planes(allowed.length > 0 ? allowed : draining);
  const local = byNode.get(from.node) ?? [];
  const chosen = new Set([...cluster, ...local]);
  return {
    cluster,
    local,
    standby: all
      .filter(({ plane }) => !chosen.has(plane))
      .map(({ plane, endpoint }) => ({ ...plane, serving: endpoint.ready || endpoint.serving })),
    hasAnyEndpoints: ready.length > 0 || draining.length > 0,
    nodesWithLocal: [...byNode]
      .filter(([, list]) => list.some((endpoint) => endpoint.weight > 0))
      .map(([node]) => node)
      .sort(),
    localReady: ready.filter(({ plane }) => plane.node === from.node).map(({ plane }) => plane.address),
  };
}

function resolve(
  slices: Iterable<EndpointSlice>,
  port: Pick<ServicePort, "name" | "protocol">,
  family: IpFamily,
): readonly Resolved[] {
  const found = new Map<string, Resolved>();
  for (const slice of slices) {
    if (slice.headless || slice.family !== family) continue;
    for (const slicePort of slice.ports) {
      if (slicePort.port === undefined || slicePort.name !== port.name || slicePort.protocol !== port.protocol)
        continue;
      for (const endpoint of slice.endpoints) {
        const address = endpoint.addresses[0];
        if (address === undefined) continue;
        const key = family === "IPv6" ? `[${address}]:${slicePort.port}` : `${address}:${slicePort.port}`;
        const before = found.get(key);
        // While the controller moves an endpoint to another slice both list it, and one of the two may be old.
        if (before !== undefined && standing(before.endpoint) >= standing(endpoint)) continue;
        const plane: PlaneEndpoint = {
          key,
          address,
          port: slicePort.port,
          weight: endpoint.weight,
          ...(endpoint.nodeName === undefined ? {} : { node: endpoint.nodeName }),
        };
        found.set(key, { plane, endpoint });
      }
    }
  }
  return [...found.values()].sort((a, b) => (a.plane.key < b.plane.key ? -1 : 1));
}

function standing(endpoint: Endpoint): number {
  if (endpoint.ready) return 2;
  return endpoint.serving ? 1 : 0;
}

/** Node hints if every ready endpoint has one and one names this node; else zone hints by the same rule; else all (KEP-3015). */
function allowedByHints(ready: readonly Resolved[], from: Viewpoint): readonly Resolved[] {
  const forNode = named(ready, ({ endpoint }) => endpoint.hints?.nodes ?? [], from.node);
  if (forNode.length > 0) return forNode;
  const forZone = from.zone === undefined ? [] : named(ready, ({ endpoint }) => endpoint.hints?.zones ?? [], from.zone);
  return forZone.length > 0 ? forZone : ready;
}

function named<T extends string>(
  ready: readonly Resolved[],
  hints: (one: Resolved) => readonly T[],
  wanted: T,
): readonly Resolved[] {
  if (ready.some((one) => hints(one).length === 0)) return [];
  return ready.filter((one) => hints(one).includes(wanted));
}

function localLists(
  ready: readonly Resolved[],
  draining: readonly Resolved[],
): ReadonlyMap<NodeName, readonly PlaneEndpoint[]> {
  const lists = groupByNode(ready);
  for (const [node, list] of groupByNode(draining)) if (!lists.has(node)) lists.set(node, list);
  return lists;
}

function groupByNode(endpoints: readonly Resolved[]): Map<NodeName, PlaneEndpoint[]> {
  const lists = new Map<NodeName, PlaneEndpoint[]>();
  for (const { plane } of endpoints) {
    if (plane.node === undefined) continue;
    const list = lists.get(plane.node);
    if (list === undefined) lists.set(plane.node, [plane]);
    else list.push(plane);
  }
  return lists;
}

function planes(endpoints: readonly Resolved[]): readonly PlaneEndpoint[] {
  return endpoints.map(({ plane }) => plane);
}
