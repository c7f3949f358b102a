/** What an update of a Service takes over from the Service before, and what it drops. */
import { isDeepStrictEqual } from "node:util";
import type { Service } from "@fairlead/kube/objects";
import { isExternallyAccessible, needsClusterIp, needsHealthCheckNodePort, needsNodePort } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

/** On create: who gave only the singular field means the list with it alone. */
export function syncClusterIps(spec: ServiceSpec): void {
  if (spec.clusterIP && !spec.clusterIPs) spec.clusterIPs = [spec.clusterIP];
}

/** On update: guesses what a client meant that set only one of the two linked fields. */
export function syncChangedClusterIps(spec: ServiceSpec, old: ServiceSpec): void {
  if (old.clusterIPs && !spec.clusterIPs && old.clusterIP === spec.clusterIP) spec.clusterIPs = [...old.clusterIPs];
  if (old.clusterIP === spec.clusterIP || !isDeepStrictEqual(old.clusterIPs, spec.clusterIPs)) return;
  if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
  else delete spec.clusterIPs;
}

/** Keeps allocated values that the client left out: the manifest that created a Service can be sent again. */
export function keepAllocated(spec: ServiceSpec, old: ServiceSpec): void {
  if (needsClusterIp(old) && needsClusterIp(spec)) {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if (!spec.clusterIPs && old.clusterIPs) spec.clusterIPs = [...old.clusterIPs];
  }
  if (needsNodePort(old) && needsNodePort(spec)) keepNodePorts(spec, old);
  if (needsHealthCheckNodePort(old) && needsHealthCheckNodePort(spec) && old.healthCheckNodePort) {
    spec.healthCheckNodePort ??= old.healthCheckNodePort;
  }
}

// By the port's name: everything else of it may have changed. A number that another port now names is not given twice.
function keepNodePorts(spec: ServiceSpec, old: ServiceSpec): void {
  const named = nodePorts(spec);
  const before = new Map((old.ports ?? []).map((port) => [port.name ?? "", port.nodePort]));
  for (const port of spec.ports ?? []) {
    const kept = before.get(port.name ?? "");
    if (port.nodePort === undefined && kept !== undefined && !named.has(kept)) port.nodePort = kept;
  }
}

/**
 * Drops fields that the new type has no use for, where the client did not change them as well: changing `type` alone is
 * enough. What the client did change is left for validation to refuse.
 */
export function dropTypeDependent(service: Service, before: Service): void {
  const spec = service.spec ?? {};
  const old = before.spec ?? {};
  const same = (key: keyof ServiceSpec): boolean => isDeepStrictEqual(spec[key], old[key]);

  if (needsClusterIp(old) && !needsClusterIp(spec)) {
    if (same("clusterIP") && same("clusterIPs")) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (same("ipFamilies")) delete spec.ipFamilies;
    if (same("ipFamilyPolicy")) delete spec.ipFamilyPolicy;
  }
  if (needsNodePort(old) && !needsNodePort(spec) && nodePorts(spec).isSubsetOf(nodePorts(old))) {
    for (const port of spec.ports ?? []) delete port.nodePort;
  }
  if (needsHealthCheckNodePort(old) && !needsHealthCheckNodePort(spec) && same("healthCheckNodePort")) {
    delete spec.healthCheckNodePort;
  }
  if (old.type === "LoadBalancer" && spec.type !== "LoadBalancer") {
    if (same("allocateLoadBalancerNodePorts")) delete spec.allocateLoadBalancerNodePorts;
    if (same("loadBalancerClass")) delete spec.loadBalancerClass;
  }
  if (isExternallyAccessible(old) && !isExternallyAccessible(spec) && same("externalTrafficPolicy")) {
    delete spec.externalTrafficPolicy;
  }
  // Whoever withdraws the load balancer needs time, but nobody should see its address any longer.
  if (spec.type !== "LoadBalancer") service.status = { ...service.status, loadBalancer: {} };
}

function nodePorts(spec: ServiceSpec): Set<number> {
  return new Set((spec.ports ?? []).flatMap((port) => (port.nodePort === undefined ? [] : [port.nodePort])));
}
