/** The kinds the schemas start from, and the model of each in the client library. */

/** Group, version and kind of an object, as in its `apiVersion` and `kind`. */
export interface GroupVersionKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** A kind with its resource's name and scope. */
export interface ServedKind extends GroupVersionKind {
  readonly resource: string;
  readonly namespaced: boolean;
  /** Name of the class in the client library. */
  readonly model: string;
  readonly subresources: readonly ("status" | "scale")[];
}

const kind = (
  groupVersion: string,
  name: string,
  resource: string,
  options: { model?: string; clusterWide?: true; subresources?: readonly ("status" | "scale")[] } = {},
): ServedKind => {
  const [version = "", group = ""] = groupVersion.split("/").toReversed();
  return {
    group,
    version,
    kind: name,
    resource,
    namespaced: options.clusterWide !== true,
    model: options.model ?? `V1${name}`,
    subresources: options.subresources ?? [],
  };
};

/** Core kinds first: a type used by several groups (the pod template, say) belongs to the group that comes first here. */
export const SERVED_KINDS: readonly ServedKind[] = [
  kind("v1", "Pod", "pods", { subresources: ["status"] }),
  kind("v1", "Service", "services", { subresources: ["status"] }),
  kind("v1", "Endpoints", "endpoints"),
  kind("v1", "Node", "nodes", { clusterWide: true, subresources: ["status"] }),
  kind("v1", "Namespace", "namespaces", { clusterWide: true, subresources: ["status"] }),
  kind("v1", "ReplicationController", "replicationcontrollers", { subresources: ["status", "scale"] }),
  kind("v1", "ConfigMap", "configmaps"),
  kind("v1", "Secret", "secrets"),
  kind("v1", "ServiceAccount", "serviceaccounts"),
  kind("v1", "Event", "events", { model: "CoreV1Event" }),
  kind("apps/v1", "Deployment", "deployments", { subresources: ["status", "scale"] }),
  kind("apps/v1", "ReplicaSet", "replicasets", { subresources: ["status", "scale"] }),
  kind("coordination.k8s.io/v1", "Lease", "leases"),
  kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
  kind("networking.k8s.io/v1", "Ingress", "ingresses", { subresources: ["status"] }),
  kind("networking.k8s.io/v1", "IngressClass", "ingressclasses", { clusterWide: true }),
];

/** A kind without a resource of its own, known so that it can be validated and patched. */
export const SCALE_KIND: GroupVersionKind & { readonly model: string } = {
  group: "autoscaling",
  version: "v1",
  kind: "Scale",
  model: "V1Scale",
};

/** The client library's model of a kind; undefined for one that is not served. */
export function modelOf(gvk: GroupVersionKind): string | undefined {
  return [...SERVED_KINDS, SCALE_KIND].find(
    (served) => served.kind === gvk.kind && served.group === gvk.group && served.version === gvk.version,
  )?.model;
}
