/** What a Service gets where its author said nothing. */
import type { Service } from "@fairlead/kube/objects";
import { isExternallyAccessible } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

/** Seconds that ClientIP affinity remembers a client. */
export const defaultAffinitySeconds = 10_800;

/** Fills in the defaults of the Service API. */
export function defaultService(service: Service): void {
  const spec = (service.spec ??= {});
  dropZeroValues(spec);
  spec.type ??= "ClusterIP";
  for (const port of spec.ports ?? []) {
    port.protocol ??= "TCP";
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === "") port.targetPort = port.port;
  }
  defaultAffinity(spec);
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ??= "Cluster";
  if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
}

/** An address of a load balancer is one that traffic arrives with, unless its status says otherwise. */
export function defaultServiceStatus({ spec, status }: Service): void {
  if (spec?.type !== "LoadBalancer") return;
  for (const one of status?.loadBalancer?.ingress ?? []) if (one.ip) one.ipMode ??= "VIP";
}

function defaultAffinity(spec: ServiceSpec): void {
  spec.sessionAffinity ??= "None";
  // A real API server forgets the configuration here too, so that turning affinity off takes one field.
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity !== "ClientIP") return;
  const config = (spec.sessionAffinityConfig ??= {});
  const clientIP = (config.clientIP ??= {});
  clientIP.timeoutSeconds ??= defaultAffinitySeconds;
}

// On the wire a zero value means the same as an absent field.
function dropZeroValues(spec: ServiceSpec): void {
  for (const key of [
    "type",
    "clusterIP",
    "externalName",
    "externalTrafficPolicy",
    "loadBalancerIP",
    "sessionAffinity",
  ] as const) {
    if (spec[key] === "") delete spec[key];
  }
  for (const key of ["clusterIPs", "ipFamilies", "externalIPs", "loadBalancerSourceRanges"] as const) {
    if (spec[key]?.length === 0) delete spec[key];
  }
  if (spec.healthCheckNodePort === 0) delete spec.healthCheckNodePort;
  if (spec.publishNotReadyAddresses === false) delete spec.publishNotReadyAddresses;
  for (const port of spec.ports ?? []) {
    if (port.nodePort === 0) delete port.nodePort;
    if (port.name === "") delete port.name;
    if (port.protocol === "") delete port.protocol;
  }
}
