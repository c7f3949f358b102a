/** The status of a Deployment: what `kubectl rollout status` and `kubectl wait` read. */
import type { Deployment, ReplicaSet } from "@fairlead/kube/objects";
import { budgetOf } from "./rollout-budget.ts";

export type DeploymentStatus = NonNullable<Deployment["status"]>;
type Condition = NonNullable<DeploymentStatus["conditions"]>[number];

export interface StatusInput {
  readonly deployment: Deployment;
  readonly current: ReplicaSet | undefined;
  /** All its ReplicaSets, the current one too. */
  readonly sets: readonly ReplicaSet[];
  /** Whether the current ReplicaSet was made just now. */
  readonly created: boolean;
  readonly now: number;
  readonly timestamp: string;
}

/** The status, and how long until the progress deadline, where one runs. */
export interface RolledStatus {
  readonly status: DeploymentStatus;
  readonly deadlineMs?: number;
}

/** Counts and judges. */
export function rollStatus(input: StatusInput): RolledStatus {
  const { deployment, current, sets } = input;
  const before = deployment.status ?? {};
  const status: DeploymentStatus = {};
  const available = total(sets, "availableReplicas");
  const wanted = sets.reduce((sum, set) => sum + (set.spec?.replicas ?? 0), 0);
  setCounts(status, {
    replicas: total(sets, "replicas"),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: total(sets, "readyReplicas"),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, wanted - available),
  });
  const generation = deployment.metadata?.generation;
  if (generation !== undefined) status.observedGeneration = generation;
  if (before.collisionCount !== undefined) status.collisionCount = before.collisionCount;
  const progress = progressing(input, status);
  const conditions = [availability(deployment, available), ...(progress ? [progress] : [])];
  status.conditions = conditions.map((condition) => settle(condition, before.conditions ?? [], input.timestamp));
  const deadlineMs = progress ? remaining(input, status) : undefined;
  return deadlineMs === undefined ? { status } : { status, deadlineMs };
}

/** Whether every pod is of the new template and available, and none besides. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const replicas = deployment.spec?.replicas ?? 1;
  const counts = [status.replicas, status.updatedReplicas, status.availableReplicas];
  return counts.every((count) => (count ?? 0) === replicas);
}

type Judgement = Pick<Condition, "type" | "status" | "reason" | "message"> & {
  /** The condition counts as news even if it says the same: pods came up meanwhile. */
  readonly moved?: boolean;
};

function availability(deployment: Deployment, available: number): Judgement {
  const enough = available >= (deployment.spec?.replicas ?? 1) - budgetOf(deployment).maxUnavailable;
  return enough
    ? judgement("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    : judgement("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.");
}

function progressing(input: StatusInput, status: DeploymentStatus): Judgement | undefined {
  const { deployment, current, created } = input;
  const before = deployment.status ?? {};
  const known = before.conditions?.find((condition) => condition.type === "Progressing");
  if (deployment.spec?.paused) return judgement("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
  const what = current
    ? `ReplicaSet ${JSON.stringify(current.metadata?.name)}`
    : `Deployment ${JSON.stringify(deployment.metadata?.name)}`;
  if (created) {
    const message = `Created new replica set ${JSON.stringify(current?.metadata?.name)}`;
    return { ...judgement("Progressing", "True", "NewReplicaSetCreated", message), moved: true };
  }
  // Once all were there, a pod that fails later, or another size, is no new rollout.
  if (known?.reason === "NewReplicaSetAvailable" && (status.replicas ?? 0) === (status.updatedReplicas ?? 0)) {
    return judgement("Progressing", known.status, known.reason, known.message);
  }
  if (isComplete(deployment, status)) {
    return judgement("Progressing", "True", "NewReplicaSetAvailable", `${what} has successfully progressed.`);
  }
  const moved = hasMoved(before, status);
  const progressed = judgement("Progressing", "True", "ReplicaSetUpdated", `${what} is progressing.`);
  if (moved) return { ...progressed, moved };
  if (!known) return progressed;
  if (known.reason === "ProgressDeadlineExceeded" || isLate(input, known)) {
    return judgement("Progressing", "False", "ProgressDeadlineExceeded", `${what} has timed out progressing.`);
  }
  if (known.reason === "DeploymentPaused") {
    return { ...judgement("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"), moved: true };
  }
  if (before.observedGeneration !== status.observedGeneration) return { ...progressed, moved: true };
  return judgement("Progressing", known.status, known.reason, known.message);
}

function hasMoved(before: DeploymentStatus, now: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (now.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(now) < old(before) ||
    (now.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (now.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function isLate({ deployment, now }: StatusInput, progress: Condition): boolean {
  const seconds = deadlineSeconds(deployment);
  return seconds !== undefined && now >= Date.parse(progress.lastUpdateTime ?? "") + seconds * 1000;
}

function remaining({ deployment, now }: StatusInput, status: DeploymentStatus): number | undefined {
  const seconds = deadlineSeconds(deployment);
  const progress = status.conditions?.find((condition) => condition.type === "Progressing");
  const running = progress?.status === "True" || progress?.reason === "DeploymentResumed";
  if (seconds === undefined || !running || progress.reason === "NewReplicaSetAvailable") return undefined;
  return Math.max(0, Date.parse(progress.lastUpdateTime ?? "") + seconds * 1000 - now);
}

// The largest number means that there is no deadline.
function deadlineSeconds(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === 0x7fff_ffff ? undefined : seconds;
}

function judgement(type: string, status: string, reason?: string, message?: string): Judgement {
  return { type, status, ...(reason ? { reason } : {}), ...(message ? { message } : {}) };
}

// Times move only with what they tell of, or every look at the status would be a change of it.
function settle({ moved, ...now }: Judgement, before: readonly Condition[], timestamp: string): Condition {
  const known = before.find((condition) => condition.type === now.type);
  const turned = known?.status !== now.status;
  const changed = turned || known.reason !== now.reason || known.message !== now.message || moved === true;
  return {
    ...now,
    lastTransitionTime: turned ? timestamp : (known.lastTransitionTime ?? timestamp),
    lastUpdateTime: changed ? timestamp : (known.lastUpdateTime ?? timestamp),
  };
}

type Count = "replicas" | "updatedReplicas" | "readyReplicas" | "availableReplicas" | "unavailableReplicas";

// Zeros are left out, as the API does on the wire.
function setCounts(status: DeploymentStatus, counts: Readonly<Record<Count, number>>): void {
  for (const [key, count] of Object.entries(counts) as [Count, number][]) if (count > 0) status[key] = count;
}

function total(sets: readonly ReplicaSet[], key: "replicas" | "readyReplicas" | "availableReplicas"): number {
  return sets.reduce((sum, set) => sum + (set.status?.[key] ?? 0), 0);
}
