/** The tables of what keeps pods running. */
import type { Deployment, PodTemplateSpec, ReplicaSet, ReplicationController } from "@fairlead/kube/objects";
import { since } from "./age.ts";
import { ageColumn, integer, nameColumn, text, wide } from "./columns.ts";
import type { ResourceTable } from "./columns.ts";
import { labelsText, selectorText } from "./selector-text.ts";

const replicaColumns = [
  nameColumn,
  integer("Desired", "Pods that should exist."),
  integer("Current", "Pods that exist."),
  integer("Ready", "Pods that are ready."),
  ageColumn,
];

const templateColumns = [
  wide(text("Containers", "Names of the containers in the pod template.")),
  wide(text("Images", "Images of the containers in the pod template.")),
  wide(text("Selector", "Labels of the pods that belong to it.")),
];

export const deploymentTable: ResourceTable<Deployment> = {
  columns: [
    nameColumn,
    text("Ready", "Pods that are ready, of those that should be."),
    integer("Up-to-date", "Pods that follow the current template."),
    integer("Available", "Pods that have been ready long enough."),
    ageColumn,
    ...templateColumns,
  ],
  cells: ({ metadata, spec, status }, now) => [
    metadata?.name ?? "",
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
    since(metadata?.creationTimestamp, now),
    ...templateCells(spec?.template),
    selectorText(spec?.selector),
  ],
};

export const replicaSetTable: ResourceTable<ReplicaSet> = {
  columns: [...replicaColumns, ...templateColumns],
  cells: (set, now) => [
    ...replicaCells(set, now),
    ...templateCells(set.spec?.template),
    selectorText(set.spec?.selector),
  ],
};

export const replicationControllerTable: ResourceTable<ReplicationController> = {
  columns: [...replicaColumns, ...templateColumns],
  cells: (controller, now) => [
    ...replicaCells(controller, now),
    ...templateCells(controller.spec?.template),
    labelsText(controller.spec?.selector),
  ],
};

function replicaCells(
  { metadata, spec, status }: ReplicaSet | ReplicationController,
  now: number,
): (string | number)[] {
  return [
    metadata?.name ?? "",
    spec?.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    since(metadata?.creationTimestamp, now),
  ];
}

function templateCells(template: PodTemplateSpec | undefined): [containers: string, images: string] {
  const containers = template?.spec?.containers ?? [];
  return [containers.map(({ name }) => name).join(","), containers.map(({ image }) => image ?? "").join(",")];
}
