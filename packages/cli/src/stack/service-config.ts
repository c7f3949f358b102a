/** What the launcher tells each service: one place for both ways to run them. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readDevclusterConfig } from "@fairlead/devcluster/config";
import type { DevclusterConfig } from "@fairlead/devcluster/config";
import { readDnsConfig } from "@fairlead/dns/config";
import type { DnsConfig } from "@fairlead/dns/config";
import { readEndpointControllerConfig } from "@fairlead/endpoint-controller/config";
import type { EndpointControllerConfig } from "@fairlead/endpoint-controller/config";
import { readProxyAgentConfig } from "@fairlead/proxy-agent/config";
import type { ProxyAgentConfig } from "@fairlead/proxy-agent/config";
import type { DevOptions } from "../options/dev-options.ts";
import type { DnsPlace } from "./dns-place.ts";

const repository = fileURLToPath(new URL("../../../../", import.meta.url));

/** Arguments of a service's `main.ts`, as flags. Secrets go by environment instead: arguments can be read by everybody. */
export type Flags = readonly string[];

export function devclusterFlags(options: DevOptions, dns: DnsPlace, healthAddress: string): Flags {
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
  });
}

export function endpointControllerFlags(kubeconfig: string, healthAddress: string): Flags {
  return flags({ kubeconfig, "health-address": healthAddress });
}

export function proxyAgentFlags(options: DevOptions, node: string, kubeconfig: string, healthAddress: string): Flags {
  return flags({
    "node-name": node,
    plane: options.plane,
    kubeconfig,
    "feed-copy": join(options.stateDir, "feed", `${node}.json`),
    "health-address": healthAddress,
  });
}

export function dnsFlags(options: DevOptions, { address, port }: DnsPlace, healthAddress: string): Flags {
  return flags({
    listen: `${address}:${port}`,
    "feed-copy": join(options.stateDir, "feed", "dns.json"),
    "health-address": healthAddress,
    "ready-address": "none",
    "metrics-address": "none",
  });
}

// In one process the services are configured through the same flags, so both ways accept and refuse the same.
export function devclusterConfig(options: DevOptions, dns: DnsPlace, healthAddress: string): DevclusterConfig {
  return readDevclusterConfig({ argv: devclusterFlags(options, dns, healthAddress), env: {} });
}

export function endpointControllerConfig(kubeconfig: string, healthAddress: string): EndpointControllerConfig {
  return readEndpointControllerConfig({ argv: endpointControllerFlags(kubeconfig, healthAddress), env: {} });
}

export function proxyAgentConfig(
  options: DevOptions,
  node: string,
  kubeconfig: string,
  healthAddress: string,
): ProxyAgentConfig {
  return readProxyAgentConfig({ argv: proxyAgentFlags(options, node, kubeconfig, healthAddress), env: {} });
}

export function dnsConfig(options: DevOptions, dns: DnsPlace, healthAddress: string): DnsConfig {
  return readDnsConfig({ argv: dnsFlags(options, dns, healthAddress), env: {} });
}

/** The file that runs a service as a process of its own. */
export function serviceMain(service: "devcluster" | "dns" | "endpoint-controller" | "proxy-agent"): string {
  return join(repository, "services", service, "src", "main.ts");
}

function flags(values: Readonly<Record<string, string | number>>): Flags {
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
