/** A Service of the API as the network sees it. Pure. */
import type { Service as ApiService } from "@fairlead/kube";
import {
  addressBits,
  addressToBigInt,
  bigIntToAddress,
  cidr,
  familyOf,
  ipAddress,
  IpFamily,
  namespaceName,
  objectName,
  port,
  protocol,
  schedulerNames,
  serviceTypes,
} from "@fairlead/types";
import type { Cidr, SchedulerName, Service, ServicePort, ServiceType, SessionAffinity } from "@fairlead/types";
import { lenient } from "./lenient.ts";
import type { Complaint } from "./lenient.ts";

export const schedulerAnnotation = "fairlead.dev/scheduler";
const proxyNameLabel = "service.kubernetes.io/service-proxy-name";
const sourceRangesAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";
/** Kubernetes' own default, in seconds: three hours. */
const defaultAffinitySeconds = 10_800;

/**
 * The normalised Service. The API has validated its own fields; what it does not know (our annotations, values of a newer version) may
 * still be wrong: that part is left out and `complain` is told, so that one bad field never hides a whole Service.
 */
export function normaliseService(service: ApiService, complain: Complaint): Service {
  const { metadata = {}, spec = {}, status } = service;
  const keep = lenient(complain);
  const type = (serviceTypes as readonly string[]).includes(spec.type ?? "") ? (spec.type as ServiceType) : "ClusterIP";
  const listed = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  const headless = type !== "ExternalName" && listed.includes("None");
  const clusterIPs = keep.each(
    listed.filter((ip) => ip !== "None" && ip !== ""),
    "spec.clusterIPs",
    ipAddress,
  );
  const healthCheckNodePort = spec.healthCheckNodePort;
  const scheduler = schedulerOf(metadata.annotations?.[schedulerAnnotation], complain);
  const proxyName = metadata.labels?.[proxyNameLabel];
  return {
    namespace: namespaceName(metadata.namespace ?? "", "metadata.namespace"),
    name: objectName(metadata.name ?? "", "metadata.name"),
    uid: metadata.uid ?? "",
    type,
    headless,
    clusterIPs: type === "ExternalName" ? [] : clusterIPs,
    ipFamilies: (spec.ipFamilies ?? []).filter((family): family is IpFamily =>
      Object.values<string>(IpFamily).includes(family),
    ),
    ...(type === "ExternalName" && spec.externalName ? { externalName: spec.externalName.replace(/\.$/, "") } : {}),
    ports: keep.each(spec.ports ?? [], "spec.ports", portOf),
    externalIPs: keep.each(spec.externalIPs ?? [], "spec.externalIPs", ipAddress),
    loadBalancerAddresses: keep.each(
      (status?.loadBalancer?.ingress ?? []).filter(({ ip }) => ip !== undefined && ip !== ""),
      "status.loadBalancer.ingress",
      ({ ip, ipMode }, field) => ({
        ip: ipAddress(ip ?? "", `${field}.ip`),
        mode: ipMode === "Proxy" ? ("Proxy" as const) : ("VIP" as const),
      }),
    ),
    loadBalancerSourceRanges: type === "LoadBalancer" ? sourceRangesOf(service, complain) : [],
    ...(healthCheckNodePort === undefined || healthCheckNodePort === 0
      ? {}
      : { healthCheckNodePort: port(healthCheckNodePort, "spec.healthCheckNodePort") }),
    sessionAffinity: affinityOf(spec),
    internalTrafficPolicy: spec.internalTrafficPolicy === "Local" ? "Local" : "Cluster",
    externalTrafficPolicy: spec.externalTrafficPolicy === "Local" ? "Local" : "Cluster",
    publishNotReadyAddresses: spec.publishNotReadyAddresses === true,
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(proxyName === undefined ? {} : { proxyName }),
  };
}

function portOf(item: NonNullable<NonNullable<ApiService["spec"]>["ports"]>[number], field: string): ServicePort {
  return {
    name: item.name ?? "",
    protocol: protocol(item.protocol ?? "TCP", `${field}.protocol`),
    port: port(item.port, `${field}.port`),
    ...(item.nodePort === undefined || item.nodePort === 0
      ? {}
      : { nodePort: port(item.nodePort, `${field}.nodePort`) }),
    ...(item.appProtocol === undefined ? {} : { appProtocol: item.appProtocol }),
  };
}

function affinityOf(spec: NonNullable<ApiService["spec"]>): SessionAffinity {
  if (spec.sessionAffinity !== "ClientIP") return { kind: "None" };
  return {
    kind: "ClientIP",
    timeoutSeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds,
  };
}

/** The field, else the annotation that came before it. A range that cannot be read must not open the door: nothing is let in by it. */
function sourceRangesOf({ metadata, spec }: ApiService, complain: Complaint): readonly Cidr[] {
  const annotation = metadata?.annotations?.[sourceRangesAnnotation];
  const field = spec?.loadBalancerSourceRanges ?? [];
  const texts = field.length > 0 ? field : (annotation?.split(",") ?? []);
  const asked = texts.map((text) => text.trim()).filter((text) => text !== "");
  const ranges = lenient(complain).each(asked, "spec.loadBalancerSourceRanges", rangeOf);
  const nobody = cidr("0.0.0.0/32");
  return asked.length > 0 && ranges.length === 0 ? [nobody] : ranges;
}

/** API servers have always taken a range whose address is not its first one. */
function rangeOf(text: string, field: string): Cidr {
  const [, head = "", bits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (head === "") return cidr(text, field);
  const address = ipAddress(head, field);
  const spare = addressBits(familyOf(address)) - Number(bits);
  if (spare < 0) return cidr(text, field);
  const first = (addressToBigInt(address) >> BigInt(spare)) << BigInt(spare);
  return cidr(`${bigIntToAddress(first, familyOf(address))}/${bits}`, field);
}

function schedulerOf(text: string | undefined, complain: Complaint): SchedulerName | undefined {
  if (text === undefined) return undefined;
  if ((schedulerNames as readonly string[]).includes(text)) return text as SchedulerName;
  complain(
    `metadata.annotations[${schedulerAnnotation}]`,
    `must be one of ${schedulerNames.join(", ")}, not ${JSON.stringify(text)}; the default is used`,
  );
  return undefined;
}
