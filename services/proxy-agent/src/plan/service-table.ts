/** The planner: one Service, its slices and the nodes in; what this node should serve for it out. Pure. */
import { cidrContains, familyOf, serviceKey, servicePortKey } from "@fairlead/types";
import type {
  Cidr,
  EndpointSlice,
  IpAddress,
  IpFamily,
  Node,
  NodeName,
  Port,
  Service,
  ServicePort,
  TrafficPolicy,
} from "@fairlead/types";
import { chooseEndpoints } from "./endpoint-table.ts";
import type { EndpointChoice, Viewpoint } from "./endpoint-table.ts";
import { entryKey } from "./entry.ts";
import type { EntryKey, Frontend, FrontendKind, ServicePortEntry, ServiceRef } from "./entry.ts";
import { holderOf } from "./holder.ts";

/** What the planner knows beside the Service. */
export interface PlanContext {
  readonly node: NodeName;
  readonly nodes: ReadonlyMap<NodeName, Node>;
  /** Those of {@link nodes} that are on this host. */
  readonly hostNodes: ReadonlyMap<NodeName, Node>;
  /** Only Services of this `service-proxy-name` are served; empty means those without one. */
  readonly proxyName: string;
  /** Several nodes on one host: cluster-wide addresses are served by their holder only. */
  readonly sharedHost: boolean;
  /** Addresses at which this node serves NodePorts. */
  readonly nodePortAddresses: readonly IpAddress[];
}

/** What a load balancer asks this node about a Service (`healthCheckNodePort`). */
export interface HealthCheckPlan {
  readonly service: ServiceRef;
  readonly port: Port;
  readonly addresses: readonly IpAddress[];
  /** Ready endpoints on this node, each address once. */
  readonly localEndpoints: number;
}

/** All of one Service on this node. */
export interface ServicePlan {
  readonly entries: ReadonlyMap<EntryKey, ServicePortEntry>;
  readonly healthCheck?: HealthCheckPlan;
}

const nothing: ServicePlan = { entries: new Map() };

/** Plans one Service; headless, ExternalName and other proxies' Services give an empty plan. */
export function planService(service: Service, slices: Iterable<EndpointSlice>, context: PlanContext): ServicePlan {
  if (!isServed(service, context.proxyName)) return nothing;
  const ofService = [...slices];
  const ref: ServiceRef = { namespace: service.namespace, name: service.name, uid: service.uid };
  const from = viewpoint(context);
  const entries = new Map<EntryKey, ServicePortEntry>();
  const localReady = new Set<string>();
  for (const port of service.ports) {
    const portKey = servicePortKey(serviceKey(service.namespace, service.name), port.name, port.protocol);
    for (const family of familiesOf(service)) {
      const choice = chooseEndpoints(ofService, port, family, from);
      for (const address of choice.localReady) localReady.add(address);
      const key = entryKey(portKey, family);
      entries.set(key, {
        key,
        servicePort: portKey,
        service: ref,
        portName: port.name,
        protocol: port.protocol,
        family,
        frontends: frontendsOf(service, port, family, choice, context),
        cluster: choice.cluster,
        local: choice.local,
        standby: choice.standby,
        hasAnyEndpoints: choice.hasAnyEndpoints,
        ...(service.sessionAffinity.kind === "ClientIP"
          ? { affinityMs: service.sessionAffinity.timeoutSeconds * 1000 }
          : {}),
        ...(service.scheduler === undefined ? {} : { scheduler: service.scheduler }),
      });
    }
  }
  const checked = service.type === "LoadBalancer" && service.externalTrafficPolicy === "Local";
  if (!checked || service.healthCheckNodePort === undefined) return { entries };
  return {
    entries,
    healthCheck: {
      service: ref,
      port: service.healthCheckNodePort,
      addresses: context.nodePortAddresses,
      localEndpoints: localReady.size,
    },
  };
}

function isServed(service: Service, proxyName: string): boolean {
  if (service.headless || service.type === "ExternalName") return false;
  return (service.proxyName ?? "") === proxyName;
}

function viewpoint(context: PlanContext): Viewpoint {
  const zone = context.nodes.get(context.node)?.zone;
  return { node: context.node, ...(zone === undefined ? {} : { zone }) };
}

function familiesOf(service: Service): readonly IpFamily[] {
  // A Service of an old API server may say nothing of families: its addresses do.
  const families = service.ipFamilies.length > 0 ? service.ipFamilies : service.clusterIPs.map(familyOf);
  return [...new Set(families)];
}

function frontendsOf(
  service: Service,
  port: ServicePort,
  family: IpFamily,
  choice: EndpointChoice,
  context: PlanContext,
): readonly Frontend[] {
  const found = new Map<string, Frontend>();
  const add = (
    kind: FrontendKind,
    address: IpAddress,
    number: Port,
    policy: TrafficPolicy,
    ranges: readonly Cidr[],
  ) => {
    const key = `${address} ${number}`;
    // The first kind wins where one address has two: ClusterIP before external ones, as in kube-proxy.
    if (familyOf(address) !== family || found.has(key)) return;
    found.set(key, { kind, address, port: number, policy, sourceRanges: ranges });
  };
  const addOnce = (kind: FrontendKind, address: IpAddress, policy: TrafficPolicy, ranges: readonly Cidr[] = []) => {
    if (holds(context, policy, choice)) add(kind, address, port.port, policy, ranges);
  };
  const external = service.externalTrafficPolicy;
  for (const address of service.clusterIPs) addOnce("ClusterIP", address, service.internalTrafficPolicy);
  for (const address of service.externalIPs) addOnce("ExternalIP", address, external);
  if (service.type === "LoadBalancer") {
    for (const { ip, mode } of service.loadBalancerAddresses) {
      // Mode Proxy: the load balancer wants to see this traffic itself (KEP-1860).
      if (mode === "VIP") addOnce("LoadBalancer", ip, external, rangesFor(service, ip, context));
    }
  }
  if (port.nodePort !== undefined && service.type !== "ClusterIP") {
    for (const address of context.nodePortAddresses) add("NodePort", address, port.nodePort, external, []);
  }
  return [...found.values()].sort((a, b) =>
    a.address === b.address ? a.port - b.port : a.address < b.address ? -1 : 1,
  );
}

function holds(context: PlanContext, policy: TrafficPolicy, choice: EndpointChoice): boolean {
  if (!context.sharedHost) return true;
  const holder = policy === "Local" ? holderOf(context.hostNodes, choice.nodesWithLocal) : holderOf(context.hostNodes);
  if (holder !== undefined) return holder === context.node;
  // No Node object at all: this agent is alone as far as it can tell. No local endpoint anywhere: nobody serves it.
  return policy === "Cluster";
}

/** The ranges of the address's family. A node that is let in may also come back through the address itself (kube-proxy's rule). */
function rangesFor(service: Service, ip: IpAddress, context: PlanContext): readonly Cidr[] {
  const family = familyOf(ip);
  const ranges = service.loadBalancerSourceRanges.filter((range) => range.includes(":") === (family === "IPv6"));
  const own = context.nodes.get(context.node)?.addresses ?? [];
  const nodeIsLetIn = own.some(({ address }) => ranges.some((range) => cidrContains(range, address)));
  if (!nodeIsLetIn) return ranges;
  return [...ranges, `${ip}/${family === "IPv4" ? 32 : 128}` as Cidr];
}
