/** What a pod's status says. */
import type { Pod } from "@fairlead/kube/objects";

/** Whether the pod counts: neither ended nor being deleted. */
export function isActive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== "Succeeded" && phase !== "Failed" && pod.metadata?.deletionTimestamp === undefined;
}

/** Whether the pod passes its readiness checks. */
export function isReady(pod: Pod): boolean {
  return readyCondition(pod)?.status === "True";
}

/** Since when it is ready, in milliseconds since 1970; undefined while it is not. */
export function readySince(pod: Pod): number | undefined {
  const condition = readyCondition(pod);
  return condition?.status === "True" ? Date.parse(condition.lastTransitionTime ?? "") || 0 : undefined;
}

/**
 * How long until the pod counts as available, in milliseconds: 0 if it does, undefined while it is not ready. Times in the API
 * are whole seconds, cut off: a pod may count up to a second early, as in a real cluster.
 */
export function untilAvailable(pod: Pod, minReadySeconds: number, now: number): number | undefined {
  const since = readySince(pod);
  if (since === undefined) return undefined;
  return minReadySeconds === 0 ? 0 : Math.max(0, since + minReadySeconds * 1000 - now);
}

/** How often its containers were started again. */
export function restartsOf(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount));
}

function readyCondition(pod: Pod): NonNullable<NonNullable<Pod["status"]>["conditions"]>[number] | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === "Ready");
}
