/** The tables of services and of what stands behind and in front of them. */
import type { Endpoints, EndpointSlice, Ingress, IngressClass, Service } from "@fairlead/kube/objects";
import { since } from "./age.ts";
import { abridged, ageColumn, nameColumn, NONE, text, UNKNOWN, UNSET, wide } from "./columns.ts";
import type { ResourceTable } from "./columns.ts";
import { labelsText } from "./selector-text.ts";

export const serviceTable: ResourceTable<Service> = {
  columns: [
    nameColumn,
    text("Type", "How the service is reached: ClusterIP, NodePort, LoadBalancer or ExternalName."),
    text("Cluster-IP", "Virtual address inside the cluster; None for a headless service."),
    text("External-IP", "Addresses or name that lead to the service from outside."),
    text("Port(s)", "Ports of the service, each with its node port where it has one."),
    ageColumn,
    wide(text("Selector", "Labels of the pods that the service leads to.")),
  ],
  cells: ({ metadata, spec, status }, now) => [
    metadata?.name ?? "",
    spec?.type ?? "",
    spec?.clusterIPs?.[0] ?? (spec?.clusterIP || NONE),
    externalAddress(spec, status),
    (spec?.ports ?? []).map(servicePort).join(",") || NONE,
    since(metadata?.creationTimestamp, now),
    labelsText(spec?.selector),
  ],
};

export const endpointsTable: ResourceTable<Endpoints> = {
  columns: [nameColumn, text("Endpoints", "Addresses and ports that are ready."), ageColumn],
  cells: ({ metadata, subsets }, now) => {
    const ready = (subsets ?? []).flatMap(({ addresses = [], ports = [] }) =>
      ports.length === 0
        ? addresses.map(({ ip }) => ip)
        : ports.flatMap(({ port }) =>
            addresses.map(({ ip }) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`)),
          ),
    );
    return [metadata?.name ?? "", abridged(ready, NONE), since(metadata?.creationTimestamp, now)];
  },
};

export const endpointSliceTable: ResourceTable<EndpointSlice> = {
  columns: [
    nameColumn,
    text("AddressType", "Family of the addresses, or FQDN."),
    text("Ports", "Ports that every endpoint of the slice serves."),
    text("Endpoints", "Addresses of the endpoints, ready or not."),
    ageColumn,
  ],
  cells: ({ metadata, addressType, ports, endpoints }, now) => [
    metadata?.name ?? "",
    addressType,
    abridged(
      (ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? "*") : String(port))),
      UNSET,
    ),
    abridged(
      (endpoints ?? []).flatMap(({ addresses }) => addresses),
      UNSET,
    ),
    since(metadata?.creationTimestamp, now),
  ],
};

export const ingressTable: ResourceTable<Ingress> = {
  columns: [
    nameColumn,
    text("Class", "Ingress class that implements it."),
    text("Hosts", "Host names it routes; * for any."),
    text("Address", "Addresses or names it is reached at."),
    text("Ports", "Ports it listens on: 443 too if it has TLS."),
    ageColumn,
  ],
  cells: ({ metadata, spec, status }, now) => {
    const rules = spec?.rules ?? [];
    const hosts = rules.flatMap(({ host }) => (host ? [host] : []));
    return [
      metadata?.name ?? "",
      spec?.ingressClassName ?? NONE,
      abridged(hosts, "*"),
      addressesOf(status?.loadBalancer?.ingress),
      (spec?.tls ?? []).length > 0 ? "80, 443" : "80",
      since(metadata?.creationTimestamp, now),
    ];
  },
};

export const ingressClassTable: ResourceTable<IngressClass> = {
  columns: [
    nameColumn,
    text("Controller", "Controller that implements ingresses of the class."),
    text("Parameters", "Object with further settings of the controller."),
    ageColumn,
  ],
  cells: ({ metadata, spec }, now) => {
    const parameters = spec?.parameters;
    const kind = parameters?.apiGroup === undefined ? parameters?.kind : `${parameters.kind}.${parameters.apiGroup}`;
    return [
      metadata?.name ?? "",
      spec?.controller ?? "",
      parameters ? `${kind}/${parameters.name}` : NONE,
      since(metadata?.creationTimestamp, now),
    ];
  },
};

function externalAddress(spec: Service["spec"], status: Service["status"]): string {
  const own = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case "ExternalName":
      return spec.externalName ?? "";
    case "LoadBalancer": {
      const balancer = addressesOf(status?.loadBalancer?.ingress);
      return [...(balancer === "" ? [] : [balancer]), ...own].join(",") || "<pending>";
    }
    case "ClusterIP":
    case "NodePort":
      return own.join(",") || NONE;
    default:
      return UNKNOWN;
  }
}

function addressesOf(ingress: readonly { ip?: string; hostname?: string }[] | undefined): string {
  const addresses = (ingress ?? []).flatMap(({ ip, hostname }) => ip || hostname || []);
  return [...new Set(addresses)].toSorted().join(",");
}

function servicePort({ port, nodePort, protocol }: { port: number; nodePort?: number; protocol?: string }): string {
  return `${port}${nodePort ? `:${nodePort}` : ""}/${protocol ?? "TCP"}`;
}
