/** The resources this API serves, by their plural names, and the object type of each. */
import type {
  ConfigMap,
  Deployment,
  Endpoints,
  EndpointSlice,
  Event,
  Ingress,
  IngressClass,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  ReplicationController,
  Secret,
  Service,
  ServiceAccount,
} from "@fairlead/kube/objects";

/** Object type by resource name. */
export interface ResourceObjects {
  configmaps: ConfigMap;
  deployments: Deployment;
  endpoints: Endpoints;
  endpointslices: EndpointSlice;
  events: Event;
  ingressclasses: IngressClass;
  ingresses: Ingress;
  leases: Lease;
  namespaces: Namespace;
  nodes: Node;
  pods: Pod;
  replicasets: ReplicaSet;
  replicationcontrollers: ReplicationController;
  secrets: Secret;
  serviceaccounts: ServiceAccount;
  services: Service;
}

export type ResourceName = keyof ResourceObjects;
export type ObjectOf<R extends ResourceName> = ResourceObjects[R];
