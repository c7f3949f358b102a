/** What a Service's type implies. */
import type { Service } from "@fairlead/kube/objects";

export type ServiceSpec = NonNullable<Service["spec"]>;

/** The word in `clusterIP` that makes a Service headless. */
export const headlessMark = "None";

export const ipFamilyPolicies = ["PreferDualStack", "RequireDualStack", "SingleStack"] as const;

/** Any type but ExternalName; headless Services count, "None" is a value too. */
export function needsClusterIp(spec: ServiceSpec): boolean {
  return spec.type !== "ExternalName";
}

export function needsNodePort(spec: ServiceSpec): boolean {
  return spec.type === "NodePort" || spec.type === "LoadBalancer";
}

/** Load balancers ask this port which nodes have an endpoint. */
export function needsHealthCheckNodePort(spec: ServiceSpec): boolean {
  return spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
}

/** Whether a client outside the cluster may reach it, so that externalTrafficPolicy means something. */
export function isExternallyAccessible(spec: ServiceSpec): boolean {
  return needsNodePort(spec) || (spec.type === "ClusterIP" && (spec.externalIPs ?? []).length > 0);
}

export function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === headlessMark;
}

/** Headless and without selector: its endpoints are made by hand, of any family. */
export function isHeadlessWithoutSelector(spec: ServiceSpec): boolean {
  return spec.clusterIP === headlessMark && Object.keys(spec.selector ?? {}).length === 0;
}
