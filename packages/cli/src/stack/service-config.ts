/** What the launcher tells each service: one place for both ways to run them. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readCloudLbConfig } from "@fairlead/cloud-lb/config";
import type { CloudLbConfig } from "@fairlead/cloud-lb/config";
import { readDevclusterConfig } from "@fairlead/devcluster/config";
import type { DevclusterConfig } from "@fairlead/devcluster/config";
import { readDnsConfig } from "@fairlead/dns/config";
import type { DnsConfig } from "@fairlead/dns/config";
import { readEndpointControllerConfig } from "@fairlead/endpoint-controller/config";
import type { EndpointControllerConfig } from "@fairlead/endpoint-controller/config";
import { readIngressConfig } from "@fairlead/ingress/config";
import type { IngressConfig } from "@fairlead/ingress/config";
import { readProxyAgentConfig } from "@fairlead/proxy-agent/config";
import type { ProxyAgentConfig } from "@fairlead/proxy-agent/config";
import type { DevOptions } from "../options/dev-options.ts";
import type { DnsPlace } from "./dns-place.ts";
import type { IngressPlace } from "./ingress-place.ts";
import type { Places } from "./stack.ts";

const repository = fileURLToPath(new URL("../../../../", import.meta.url));

/** Namespace of the ConfigMaps that map ports of the ingress to Services: one that every cluster has. */
const portMaps = "kube-system";

/** Arguments of a service's `main.ts`, as flags. Secrets go by environment instead: arguments can be read by everybody. */
export type Flags = readonly string[];

export function devclusterFlags(options: DevOptions, { dns, network }: Places, healthAddress: string): Flags {
  return flags({
    "state-dir": options.stateDir,
    nodes: options.nodes,
    "service-cidr": options.serviceCidr,
    "pod-cidr": options.podCidr,
    "node-cidr": options.nodeCidr,
    "api-port": options.apiPort,
    images: options.images ?? join(repository, "examples", "images.yaml"),
    "health-address": healthAddress,
    // A pod's resolv.conf cannot name a port.
    ...(dns.port === 53 ? { "cluster-dns": dns.address } : {}),
    ...(network && { "advertise-address": network.machineAddress, "network-namespaces": network.namespacePrefix }),
  });
}

export function endpointControllerFlags(kubeconfig: string, healthAddress: string): Flags {
  return flags({ kubeconfig, "health-address": healthAddress });
}

export function proxyAgentFlags(
  options: DevOptions,
  { network }: Places,
  node: string,
  kubeconfig: string,
  healthAddress: string,
): Flags {
  return flags({
    "node-name": node,
    plane: options.plane,
    kubeconfig,
    "feed-copy": join(options.stateDir, "feed", `${node}.json`),
    "health-address": healthAddress,
    // What pods are asked in turn by one plane they are by every other.
    scheduler: "rr",
    ...(network && { "network-namespace": `${network.namespacePrefix}${node}`, "cluster-cidr": options.podCidr }),
  });
}

export function dnsFlags(options: DevOptions, { address, port }: DnsPlace, healthAddress: string): Flags {
  return flags({
    listen: `${address}:${port}`,
    "feed-copy": join(options.stateDir, "feed", "dns.json"),
    "health-address": healthAddress,
    "ready-address": "none",
    "metrics-address": "none",
    "pod-records": "verified",
    "resolv-conf": options.resolvConf,
  });
}

export function ingressFlags(
  options: DevOptions,
  place: IngressPlace,
  kubeconfig: string,
  healthAddress: string,
): Flags {
  const { address, http, https } = place;
  return flags({
    kubeconfig,
    "http-address": `${address}:${http}`,
    "https-address": `${address}:${https}`,
    "publish-address": address,
    "tcp-services-configmap": `${portMaps}/tcp-services`,
    "udp-services-configmap": `${portMaps}/udp-services`,
    "tcp-address": address,
    "udp-address": address,
    "feed-copy": join(options.stateDir, "feed", "ingress.json"),
    "health-address": healthAddress,
  });
}

export function cloudLbFlags(options: DevOptions, kubeconfig: string, healthAddress: string): Flags {
  return flags({ kubeconfig, provider: "pool", "pool-range": options.lbPool, "health-address": healthAddress });
}

// In one process the services are configured through the same flags, so both ways accept and refuse the same.
export function devclusterConfig(options: DevOptions, places: Places, healthAddress: string): DevclusterConfig {
  return readDevclusterConfig({ argv: devclusterFlags(options, places, healthAddress), env: {} });
}

export function endpointControllerConfig(kubeconfig: string, healthAddress: string): EndpointControllerConfig {
  return readEndpointControllerConfig({ argv: endpointControllerFlags(kubeconfig, healthAddress), env: {} });
}

export function proxyAgentConfig(
  options: DevOptions,
  places: Places,
  node: string,
  kubeconfig: string,
  healthAddress: string,
): ProxyAgentConfig {
  return readProxyAgentConfig({ argv: proxyAgentFlags(options, places, node, kubeconfig, healthAddress), env: {} });
}

export function dnsConfig(options: DevOptions, dns: DnsPlace, healthAddress: string): DnsConfig {
  return readDnsConfig({ argv: dnsFlags(options, dns, healthAddress), env: {} });
}

export function ingressConfig(
  options: DevOptions,
  place: IngressPlace,
  kubeconfig: string,
  healthAddress: string,
): IngressConfig {
  return readIngressConfig({ argv: ingressFlags(options, place, kubeconfig, healthAddress), env: {} });
}

export function cloudLbConfig(options: DevOptions, kubeconfig: string, healthAddress: string): CloudLbConfig {
  return readCloudLbConfig({ argv: cloudLbFlags(options, kubeconfig, healthAddress), env: {} });
}

/** The services that run as processes of their own. */
export type ServiceName = "cloud-lb" | "devcluster" | "dns" | "endpoint-controller" | "ingress" | "proxy-agent";

/** The file that runs a service as a process of its own. */
export function serviceMain(service: ServiceName): string {
  return join(repository, "services", service, "src", "main.ts");
}

function flags(values: Readonly<Record<string, string | number>>): Flags {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
