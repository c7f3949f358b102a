/** The resources that Fairlead's services read and write: their place in the API and their object type. */
import { InvalidInputError } from "@fairlead/types";
import type {
  Endpoints,
  EndpointSlice,
  Event,
  Ingress,
  IngressClass,
  Lease,
  Namespace,
  Node,
  Pod,
  Secret,
  Service,
} from "./objects.ts";

/** Object type by resource name. */
export interface ResourceTypes {
  endpoints: Endpoints;
  endpointslices: EndpointSlice;
  events: Event;
  ingressclasses: IngressClass;
  ingresses: Ingress;
  leases: Lease;
  namespaces: Namespace;
  nodes: Node;
  pods: Pod;
  secrets: Secret;
  services: Service;
}

export type KubeResource = keyof ResourceTypes;

/** Group and version, kind, and whether the resource lives in a namespace. */
interface Place {
  readonly groupVersion: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const namespaced = (groupVersion: string, kind: string): Place => ({ groupVersion, kind, namespaced: true });
const clusterWide = (groupVersion: string, kind: string): Place => ({ groupVersion, kind, namespaced: false });

/** Where each resource is. */
export const resourcePlaces: { readonly [R in KubeResource]: Place } = {
  endpoints: namespaced("v1", "Endpoints"),
  endpointslices: namespaced("discovery.k8s.io/v1", "EndpointSlice"),
  events: namespaced("v1", "Event"),
  ingressclasses: clusterWide("networking.k8s.io/v1", "IngressClass"),
  ingresses: namespaced("networking.k8s.io/v1", "Ingress"),
  leases: namespaced("coordination.k8s.io/v1", "Lease"),
  namespaces: clusterWide("v1", "Namespace"),
  nodes: clusterWide("v1", "Node"),
  pods: namespaced("v1", "Pod"),
  secrets: namespaced("v1", "Secret"),
  services: namespaced("v1", "Service"),
};

/**
 * URL path of a collection, of an object, or of a subresource of it. All namespaces where `namespace` is absent. Throws
 * InvalidInputError for a name that would lead to another path.
 */
export function resourcePath(
  resource: KubeResource,
  target: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string } = {},
): string {
  const place = resourcePlaces[resource];
  const root = place.groupVersion.includes("/") ? `/apis/${place.groupVersion}` : `/api/${place.groupVersion}`;
  const parts = [root];
  if (place.namespaced && target.namespace !== undefined) {
    parts.push("namespaces", segment(target.namespace, "namespace"));
  }
  parts.push(resource);
  if (target.name !== undefined) parts.push(segment(target.name, "name"));
  if (target.subresource !== undefined) parts.push(target.subresource);
  return parts.join("/");
}

function segment(text: string, field: string): string {
  if (text === "" || text === "." || text === "..") throw new InvalidInputError(field, "must be a name");
  return encodeURIComponent(text);
}
