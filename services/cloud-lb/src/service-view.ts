/** What a load balancer controller reads from a Service and its Nodes. Pure. The rules are those of the cloud providers' service controller. */
import type { Node, Service } from "@fairlead/kube/objects";
import { cidr, IpFamily } from "@fairlead/types";
import type { Cidr } from "@fairlead/types";
import type { HealthCheckTarget } from "./provider.ts";

/** Keeps a Service from going before its load balancer is gone. */
export const cleanupFinalizer = "service.kubernetes.io/load-balancer-cleanup";
/** Class of this controller by name, whatever else it is told to serve. */
export const ownClass = "fairlead.dev/cloud-lb";
const sourceRangesAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";
const excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";
const leavingTaint = "ToBeDeletedByClusterAutoscaler";
/** Where the node proxy tells whether its node takes traffic. */
const proxyHealthCheck: HealthCheckTarget = { port: 10_256, path: "/healthz" };

/** Whether a Service is of type LoadBalancer at all. */
export function wantsLoadBalancerType({ spec }: Service): boolean {
  return spec?.type === "LoadBalancer";
}

/**
 * Whether this controller should give the Service a load balancer. Told a class, it serves that one only; not told, it serves
 * Services without a class and those of {@link ownClass}.
 */
export function wantsLoadBalancer(service: Service, configuredClass: string | undefined): boolean {
  return wantsLoadBalancerType(service) && isOurs(service, configuredClass);
}

/** Whether there is something of ours to take away: the Service is going, or is of another type, and still has the finalizer. */
export function needsCleanup(service: Service, configuredClass: string | undefined): boolean {
  if (!hasFinalizer(service)) return false;
  if (!wantsLoadBalancerType(service)) return true;
  return service.metadata?.deletionTimestamp !== undefined && isOurs(service, configuredClass);
}

/** Whether the Service has the finalizer. */
export function hasFinalizer({ metadata }: Service): boolean {
  return metadata?.finalizers?.includes(cleanupFinalizer) ?? false;
}

function isOurs({ spec }: Service, configuredClass: string | undefined): boolean {
  const wanted = spec?.loadBalancerClass;
  return configuredClass === undefined ? wanted === undefined || wanted === ownClass : wanted === configuredClass;
}

/** Everything about a Service that its load balancer may depend on, as text: other text means that it must be looked at again. */
export function fingerprint({ metadata, spec }: Service): string {
  return JSON.stringify([
    metadata?.uid,
    metadata?.deletionTimestamp,
    entries(metadata?.annotations),
    entries(metadata?.labels),
    spec?.type,
    spec?.loadBalancerClass,
    spec?.loadBalancerSourceRanges,
    spec?.loadBalancerIP,
    spec?.externalIPs,
    spec?.externalTrafficPolicy,
    spec?.healthCheckNodePort,
    spec?.sessionAffinity,
    spec?.sessionAffinityConfig,
    spec?.allocateLoadBalancerNodePorts,
    spec?.ipFamilyPolicy,
    spec?.ipFamilies?.length,
    entries(spec?.selector),
    spec?.ports?.map(({ name, protocol, port, nodePort, targetPort, appProtocol }) => [
      name,
      protocol,
      port,
      nodePort,
      targetPort,
      appProtocol,
    ]),
  ]);
}

function entries(map: Readonly<Record<string, string>> = {}): [string, string][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Clients that are let in: the field, else the annotation, else everybody. Throws InvalidInputError. */
export function sourceRangesOf({ metadata, spec }: Service): readonly Cidr[] {
  const field = spec?.loadBalancerSourceRanges ?? [];
  if (field.length > 0) {
    return field.map((range, index) => cidr(range.trim(), `spec.loadBalancerSourceRanges[${index}]`));
  }
  const annotation = metadata?.annotations?.[sourceRangesAnnotation]?.trim() ?? "";
  if (annotation !== "") {
    return annotation.split(",").map((range) => cidr(range.trim(), `annotation ${sourceRangesAnnotation}`));
  }
  const everybody = { [IpFamily.v4]: cidr("0.0.0.0/0"), [IpFamily.v6]: cidr("::/0") };
  const families = (spec?.ipFamilies ?? []).filter((one): one is IpFamily => one in everybody);
  return (families.length > 0 ? families : [IpFamily.v4]).map((family) => everybody[family]);
}

/** What asks a node whether it takes the Service's traffic. */
export function healthCheckOf({ spec }: Service): HealthCheckTarget {
  const local = spec?.externalTrafficPolicy === "Local" && spec.healthCheckNodePort;
  return local ? { port: local, path: "/healthz" } : proxyHealthCheck;
}

/** Ports that have no node port, by name or number: a load balancer that goes by node ports cannot serve them. */
export function portsWithoutNodePort({ spec }: Service): readonly string[] {
  return (spec?.ports ?? []).filter(({ nodePort }) => !nodePort).map(({ name, port }) => name ?? String(port));
}

/** Whether a load balancer may send traffic to the node. Readiness does not count (KEP-3458): health checks see that sooner. */
export function takesTraffic({ metadata, spec }: Node): boolean {
  if (metadata?.deletionTimestamp !== undefined) return false;
  const excluded = metadata?.labels?.[excludeLabel];
  if (excluded !== undefined && !saysFalse(excluded)) return false;
  return !(spec?.taints ?? []).some(({ key }) => key === leavingTaint);
}

/** The nodes' part of a load balancer as text: it changes with who is in, or with which machine a node is. */
export function nodeFingerprint(nodes: readonly Node[]): string {
  return JSON.stringify(nodes.map(({ metadata, spec }) => `${metadata?.name ?? ""} ${spec?.providerID ?? ""}`).sort());
}

// As Go's strconv.ParseBool reads it; what it cannot read excludes the node.
function saysFalse(text: string): boolean {
  return ["0", "f", "F", "false", "False", "FALSE"].includes(text);
}
