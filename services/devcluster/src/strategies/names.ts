/** What each resource is called, as `kubectl api-resources` prints it on a Kubernetes 1.32 cluster. */
import type { ResourceName } from "../api/resources.ts";
import type { ResourceNames } from "../api/strategy.ts";

interface Row {
  readonly short?: string;
  readonly singular?: string;
  readonly all?: boolean;
  readonly clusterWide?: boolean;
  readonly subresources?: ResourceNames["subresources"];
}

function row(resource: ResourceName, kind: string, group: string, rest: Row = {}): ResourceNames {
  return {
    resource,
    kind,
    group,
    version: "v1",
    singular: rest.singular ?? kind.toLowerCase(),
    namespaced: rest.clusterWide !== true,
    shortNames: rest.short === undefined ? [] : [rest.short],
    categories: rest.all === true ? ["all"] : [],
    subresources: rest.subresources ?? [],
  };
}

const scalable = ["status", "scale"] as const;
const withStatus = ["status"] as const;

/** Every resource of the API: core first, then the groups by name. */
export const resourceNames: readonly ResourceNames[] = [
  row("configmaps", "ConfigMap", "", { short: "cm" }),
  row("endpoints", "Endpoints", "", { short: "ep" }),
  row("events", "Event", "", { short: "ev" }),
  row("namespaces", "Namespace", "", { short: "ns", clusterWide: true, subresources: withStatus }),
  row("nodes", "Node", "", { short: "no", clusterWide: true, subresources: withStatus }),
  row("pods", "Pod", "", { short: "po", all: true, subresources: withStatus }),
  row("replicationcontrollers", "ReplicationController", "", { short: "rc", all: true, subresources: scalable }),
  row("secrets", "Secret", ""),
  row("serviceaccounts", "ServiceAccount", "", { short: "sa" }),
  row("services", "Service", "", { short: "svc", all: true, subresources: withStatus }),
  row("deployments", "Deployment", "apps", { short: "deploy", all: true, subresources: scalable }),
  row("replicasets", "ReplicaSet", "apps", { short: "rs", all: true, subresources: scalable }),
  row("leases", "Lease", "coordination.k8s.io"),
  row("endpointslices", "EndpointSlice", "discovery.k8s.io"),
  row("ingressclasses", "IngressClass", "networking.k8s.io", { clusterWide: true }),
  row("ingresses", "Ingress", "networking.k8s.io", { short: "ing", subresources: withStatus }),
];
