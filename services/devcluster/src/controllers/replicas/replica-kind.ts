/** The two kinds that keep a number of pods, told alike. */
import type { PodTemplateSpec, ReplicaSet, ReplicationController } from "@fairlead/kube/objects";
import type { ResourceObjects } from "../../api/resources.ts";
import { isEmptySelector, selectorMatches } from "../../strategies/label-selector.ts";

type ReplicaResource = "replicasets" | "replicationcontrollers";
export type ReplicaObject = ReplicaSet | ReplicationController;

/** How to read one of the kinds. */
export interface ReplicaKind<R extends ReplicaResource = ReplicaResource> {
  readonly resource: R;
  readonly apiVersion: string;
  readonly kind: string;
  /** Component in Events. */
  readonly component: string;
  /** Whether a pod with these labels is meant. */
  selects(object: ResourceObjects[R], labels: Record<string, string>): boolean;
}

/** ReplicaSets. */
export const replicaSetKind: ReplicaKind<"replicasets"> = {
  resource: "replicasets",
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  component: "replicaset-controller",
  selects: ({ spec }, labels) => !isEmptySelector(spec?.selector) && selectorMatches(spec?.selector, labels),
};

/** ReplicationControllers. */
export const replicationControllerKind: ReplicaKind<"replicationcontrollers"> = {
  resource: "replicationcontrollers",
  apiVersion: "v1",
  kind: "ReplicationController",
  component: "replication-controller",
  selects: ({ spec }, labels) => {
    const terms = Object.entries(spec?.selector ?? {});
    return terms.length > 0 && terms.every(([key, value]) => labels[key] === value);
  },
};

/** What both kinds want: so many pods of this template. */
export function wishOf({ spec }: ReplicaObject): {
  readonly replicas: number;
  readonly minReadySeconds: number;
  readonly template: PodTemplateSpec | undefined;
} {
  return {
    replicas: spec?.replicas ?? 1,
    minReadySeconds: spec?.minReadySeconds ?? 0,
    template: spec?.template,
  };
}
