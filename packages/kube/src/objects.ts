/**
 * The Kubernetes objects as they are on the wire (JSON: times are strings), derived from the client library's models.
 * Types only: importing this module loads nothing.
 */
import type {
  CoreV1Event,
  V1ConfigMap,
  V1Container,
  V1ContainerStatus,
  V1Deployment,
  V1Endpoints,
  V1EndpointSlice,
  V1Ingress,
  V1IngressClass,
  V1Lease,
  V1Namespace,
  V1Node,
  V1ObjectMeta,
  V1OwnerReference,
  V1Pod,
  V1PodTemplateSpec,
  V1Probe,
  V1ReplicaSet,
  V1ReplicationController,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1Status,
} from "@kubernetes/client-node";

/** A model of the client library as its JSON form: a Date is a string there. */
export type Json<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[]
    ? Json<Item>[]
    : T extends object
      ? { [Key in keyof T]: Json<T[Key]> }
      : T;

export type ObjectMeta = Json<V1ObjectMeta>;
export type OwnerReference = Json<V1OwnerReference>;
export type Status = Json<V1Status>;

/** What every object has. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: ObjectMeta;
}

export type ConfigMap = Json<V1ConfigMap>;
export type Container = Json<V1Container>;
export type ContainerStatus = Json<V1ContainerStatus>;
export type Deployment = Json<V1Deployment>;
export type Endpoints = Json<V1Endpoints>;
export type EndpointSlice = Json<V1EndpointSlice>;
export type Event = Json<CoreV1Event>;
export type Ingress = Json<V1Ingress>;
export type IngressClass = Json<V1IngressClass>;
export type Lease = Json<V1Lease>;
export type Namespace = Json<V1Namespace>;
export type Node = Json<V1Node>;
export type Pod = Json<V1Pod>;
export type PodTemplateSpec = Json<V1PodTemplateSpec>;
export type Probe = Json<V1Probe>;
export type ReplicaSet = Json<V1ReplicaSet>;
export type ReplicationController = Json<V1ReplicationController>;
export type Secret = Json<V1Secret>;
export type Service = Json<V1Service>;
export type ServiceAccount = Json<V1ServiceAccount>;
