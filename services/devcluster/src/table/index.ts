/** Objects as a `meta.k8s.io/v1` Table: what `kubectl get` asks for, so that the columns are the server's. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { ObjectOf, ResourceName } from "../api/resources.ts";
import { eventTable, leaseTable, namespaceTable, nodeTable } from "./cluster.ts";
import type { Cell, ColumnDefinition, ResourceTable, RowCondition } from "./columns.ts";
import { configMapTable, secretTable, serviceAccountTable } from "./configuration.ts";
import { endpointSliceTable, endpointsTable, ingressClassTable, ingressTable, serviceTable } from "./networking.ts";
import { podTable } from "./pods.ts";
import { deploymentTable, replicaSetTable, replicationControllerTable } from "./workloads.ts";

/** A table on the wire. */
export interface Table {
  readonly kind: "Table";
  readonly apiVersion: "meta.k8s.io/v1";
  readonly metadata: { readonly resourceVersion?: string };
  readonly columnDefinitions: readonly ColumnDefinition[];
  readonly rows: readonly TableRow[];
}

/** One object's row. */
export interface TableRow {
  readonly cells: readonly Cell[];
  readonly conditions?: readonly RowCondition[];
  readonly object?: object;
}

export interface TableOptions {
  /** Ages are counted to here: milliseconds since the epoch. */
  readonly now: number;
  /** What each row carries of its object, the request's `includeObject`; `Metadata` if absent. */
  readonly includeObject?: "None" | "Metadata" | "Object" | undefined;
  /** Of the list; for one object its own. */
  readonly resourceVersion?: string | undefined;
}

const TABLES: { readonly [R in ResourceName]: ResourceTable<ObjectOf<R>> } = {
  configmaps: configMapTable,
  deployments: deploymentTable,
  endpoints: endpointsTable,
  endpointslices: endpointSliceTable,
  events: eventTable,
  ingressclasses: ingressClassTable,
  ingresses: ingressTable,
  leases: leaseTable,
  namespaces: namespaceTable,
  nodes: nodeTable,
  pods: podTable,
  replicasets: replicaSetTable,
  replicationcontrollers: replicationControllerTable,
  secrets: secretTable,
  serviceaccounts: serviceAccountTable,
  services: serviceTable,
};

/** The table of objects of one resource. With `includeObject: "Object"` rows share the objects handed in; nothing is changed. */
export function toTable<R extends ResourceName>(
  resource: R,
  objects: readonly ObjectOf<R>[],
  options: TableOptions,
): Table {
  const table = TABLES[resource];
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: options.resourceVersion === undefined ? {} : { resourceVersion: options.resourceVersion },
    columnDefinitions: table.columns,
    rows: objects.map((object) => row(table, object, options)),
  };
}

function row<T extends KubeObject>(table: ResourceTable<T>, object: T, { now, includeObject }: TableOptions): TableRow {
  const conditions = table.conditions?.(object) ?? [];
  return {
    cells: table.cells(object, now),
    ...(conditions.length === 0 ? {} : { conditions }),
    ...(includeObject === "None" ? {} : { object: includeObject === "Object" ? object : metadataOnly(object) }),
  };
}

function metadataOnly(object: KubeObject): object {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object.metadata ?? {} };
}
