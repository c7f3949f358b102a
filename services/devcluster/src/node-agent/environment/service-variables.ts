/** The variables that tell a container where the Services are, as kubelet and Docker links spell them. */
import type { Service } from "@fairlead/kube/objects";

/** Namespace and name of the Service that every pod hears of. */
const API_SERVICE = { namespace: "default", name: "kubernetes" } as const;

/**
 * Variables for a pod of this namespace: every Service with a cluster IP there (if `links`), and `kubernetes` of `default`
 * always, unless the namespace has a Service of that name.
 */
export function serviceVariables(
  services: readonly Service[],
  namespace: string,
  links: boolean,
): Record<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name = "", namespace: home } = service.metadata ?? {};
    if (!hasClusterIp(service)) continue;
    const ofPod = links && home === namespace;
    const ofCluster = home === API_SERVICE.namespace && name === API_SERVICE.name && !chosen.has(name);
    if (ofPod || ofCluster) chosen.set(name, service);
  }
  return Object.assign({}, ...[...chosen].map(([name, service]) => variablesOf(name, service)));
}

function hasClusterIp(service: Service): boolean {
  const address = service.spec?.clusterIP ?? "";
  return address !== "" && address !== "None" && service.spec?.type !== "ExternalName";
}

function variablesOf(name: string, { spec }: Service): Record<string, string> {
  const prefix = upper(name);
  const address = spec?.clusterIP ?? "";
  const ports = spec?.ports ?? [];
  const [first] = ports;
  if (!first) return {};
  const result: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: address,
    [`${prefix}_SERVICE_PORT`]: String(first.port),
  };
  for (const port of ports) {
    if (port.name) result[`${prefix}_SERVICE_PORT_${upper(port.name)}`] = String(port.port);
  }
  result[`${prefix}_PORT`] = url(address, first);
  for (const port of ports) {
    const key = `${prefix}_PORT_${port.port}_${port.protocol ?? "TCP"}`;
    result[key] = url(address, port);
    result[`${key}_PROTO`] = (port.protocol ?? "TCP").toLowerCase();
    result[`${key}_PORT`] = String(port.port);
    result[`${key}_ADDR`] = address;
  }
  return result;
}

function url(address: string, port: { port: number; protocol?: string }): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${(port.protocol ?? "TCP").toLowerCase()}://${host}:${port.port}`;
}

function upper(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}
