/** The status of a ReplicaSet or ReplicationController, counted from its pods. */
import type { Pod, ReplicaSet } from "@fairlead/kube/objects";
import { isReady, untilAvailable } from "../pod-state.ts";
import { wishOf } from "./replica-kind.ts";
import type { ReplicaObject } from "./replica-kind.ts";

type ReplicaStatus = NonNullable<ReplicaSet["status"]>;
type Conditions = NonNullable<ReplicaStatus["conditions"]>;

/** The status, and how long until it changes by itself (minReadySeconds). */
export interface CountedStatus {
  readonly status: ReplicaStatus;
  readonly nextChangeMs?: number;
}

/** Counts. `pods` are active and the object's own; `failure` is why the last create or delete did not work. */
export function countStatus(
  object: ReplicaObject,
  pods: readonly Pod[],
  o: { readonly now: number; readonly timestamp: string; readonly failure?: Failure | undefined },
): CountedStatus {
  const { template, minReadySeconds } = wishOf(object);
  const labels = Object.entries(template?.metadata?.labels ?? {});
  const waits = pods.map((pod) => untilAvailable(pod, minReadySeconds, o.now));
  const pending = waits.filter((ms) => ms !== undefined && ms > 0) as number[];
  const counts = {
    fullyLabeledReplicas: pods.filter((pod) => labels.every(([key, value]) => pod.metadata?.labels?.[key] === value))
      .length,
    readyReplicas: pods.filter((pod) => isReady(pod)).length,
    availableReplicas: waits.filter((ms) => ms === 0).length,
  };
  const status: ReplicaStatus = { replicas: pods.length };
  // Zeros are left out, as the API does on the wire.
  for (const key of ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] as const) {
    if (counts[key] > 0) status[key] = counts[key];
  }
  const generation = object.metadata?.generation;
  if (generation !== undefined) status.observedGeneration = generation;
  const conditions = conditionsOf(object.status?.conditions ?? [], o.failure, o.timestamp);
  if (conditions.length > 0) status.conditions = conditions;
  return pending.length > 0 ? { status, nextChangeMs: Math.min(...pending) } : { status };
}

/** Why pods could not be made or removed. */
export interface Failure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly message: string;
}

function conditionsOf(before: Conditions, failure: Failure | undefined, timestamp: string): Conditions {
  const others = before.filter((condition) => condition.type !== "ReplicaFailure");
  if (!failure) return others;
  const known = before.find((condition) => condition.type === "ReplicaFailure");
  if (known?.reason === failure.reason && known.message === failure.message) return [...others, known];
  return [...others, { type: "ReplicaFailure", status: "True", ...failure, lastTransitionTime: timestamp }];
}
