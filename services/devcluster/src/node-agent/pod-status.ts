/** A pod's status, computed from its containers as a kubelet computes it. */
import type { ContainerStatus, Pod } from "@fairlead/kube/objects";
import { timestamp } from "./pause.ts";

export type PodStatus = NonNullable<Pod["status"]>;
type Condition = NonNullable<PodStatus["conditions"]>[number];

/** What a status is made from. */
export interface PodStatusInput {
  /** The pod as the API holds it: its conditions' times are kept where they still hold. */
  readonly pod: Pod;
  readonly now: number;
  readonly podIp: string;
  readonly hostIp: string;
  readonly initStatuses: readonly ContainerStatus[];
  readonly statuses: readonly ContainerStatus[];
  /** Why the pod can make no progress although its containers are sound (no address is free). */
  readonly trouble?: { readonly reason: string; readonly message: string };
}

/** The status to write. What others own (gates, PodScheduled, QoS class) is carried over. */
export function podStatus(input: PodStatusInput): PodStatus {
  const { pod, now, podIp, hostIp, initStatuses, statuses, trouble } = input;
  const phase = podPhase(pod, initStatuses, statuses);
  const over = phase === "Succeeded" || phase === "Failed";
  const { reason: _reason, message: _message, ...old } = pod.status ?? {};
  const address = podIp === "" ? {} : { podIP: podIp, podIPs: [{ ip: podIp }] };
  return {
    ...old,
    phase,
    conditions: conditions(input, over),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...address,
    startTime: old.startTime ?? timestamp(now),
    ...(initStatuses.length > 0 ? { initContainerStatuses: [...initStatuses] } : {}),
    containerStatuses: [...statuses],
    ...trouble,
  };
}

/** The same status with nothing ready, for a pod whose processes are known to be gone. */
export function unreadyStatus(pod: Pod, now: number): PodStatus {
  const down = (status: ContainerStatus): ContainerStatus => ({ ...status, ready: false, started: false });
  const { containerStatuses = [], initContainerStatuses } = pod.status ?? {};
  const statuses = containerStatuses.map(down);
  const unready = notReady(containersOf(pod));
  return {
    ...pod.status,
    conditions: merge(pod, now, [
      { type: "Ready", status: "False", ...unready },
      { type: "ContainersReady", status: "False", ...unready },
    ]),
    containerStatuses: statuses,
    ...(initContainerStatuses ? { initContainerStatuses: initContainerStatuses.map(down) } : {}),
  };
}

/** Pending, Running, Succeeded or Failed. Rule: kubelet's getPhase. */
export function podPhase(
  pod: Pod,
  initStatuses: readonly ContainerStatus[],
  statuses: readonly ContainerStatus[],
): "Pending" | "Running" | "Succeeded" | "Failed" {
  const policy = pod.spec?.restartPolicy ?? "Always";
  const sidecars = sidecarNames(pod);
  const init = initStatuses.filter(({ name }) => !sidecars.has(name));
  if (policy === "Never" && init.some(({ state }) => (state?.terminated?.exitCode ?? 0) !== 0)) return "Failed";
  if (!initialized(pod, initStatuses)) return "Pending";
  const running = statuses.filter(({ state }) => state?.running);
  const ended = statuses.filter(({ state, lastState }) => state?.terminated ?? lastState?.terminated);
  if (statuses.length > ended.length + running.filter(({ lastState }) => !lastState?.terminated).length)
    return "Pending";
  if (running.length > 0) return "Running";
  if (policy === "Always") return "Running";
  if (statuses.every(({ state }) => state?.terminated?.exitCode === 0)) return "Succeeded";
  return policy === "Never" ? "Failed" : "Running";
}

function conditions(input: PodStatusInput, over: boolean): Condition[] {
  const { pod, now, initStatuses, statuses, podIp } = input;
  const phase = podPhase(pod, initStatuses, statuses);
  const pendingInit = (pod.spec?.initContainers ?? [])
    .map(({ name }) => name)
    .filter(
      (name) =>
        !hasInitialized(
          pod,
          initStatuses.find((status) => status.name === name),
        ),
    );
  const serving = [...statuses, ...initStatuses.filter(({ name }) => sidecarNames(pod).has(name))];
  const unready = containersOf(pod).filter((name) => !serving.some((status) => status.name === name && status.ready));
  const completed = over ? { reason: phase === "Succeeded" ? "PodCompleted" : "PodFailed" } : undefined;
  const containers: Fields =
    unready.length === 0 ? { status: "True" } : { status: "False", ...(completed ?? notReady(unready)) };
  const gate = (pod.spec?.readinessGates ?? []).find(
    ({ conditionType }) => !pod.status?.conditions?.some((c) => c.type === conditionType && c.status === "True"),
  );
  const ready: Fields =
    containers.status === "True" && gate
      ? {
          status: "False",
          reason: "ReadinessGatesNotReady",
          message: `corresponding condition of pod readiness gate ${JSON.stringify(gate.conditionType)} does not exist.`,
        }
      : containers;
  const initializing: Fields =
    pendingInit.length === 0 || phase === "Succeeded"
      ? { status: "True" }
      : {
          status: "False",
          reason: "ContainersNotInitialized",
          message: `containers with incomplete status: [${pendingInit.join(" ")}]`,
        };
  return merge(pod, now, [
    { type: "PodReadyToStartContainers", status: podIp !== "" && !over ? "True" : "False" },
    { type: "Initialized", ...initializing },
    { type: "Ready", ...ready },
    { type: "ContainersReady", ...containers },
  ]);
}

interface Fields {
  readonly status: "True" | "False";
  readonly reason?: string;
  readonly message?: string;
}

/** Ours over what is stored; the time of transition moves only when the status does. */
function merge(pod: Pod, now: number, wanted: readonly (Fields & { readonly type: string })[]): Condition[] {
  const stored = pod.status?.conditions ?? [];
  const ours = wanted.map((condition): Condition => {
    const old = stored.find(({ type }) => type === condition.type);
    const since = old?.status === condition.status ? old.lastTransitionTime : undefined;
    return { ...condition, lastTransitionTime: since ?? timestamp(now) };
  });
  return [...ours, ...stored.filter(({ type }) => !wanted.some((condition) => condition.type === type))];
}

function notReady(names: readonly string[]): { reason: string; message: string } {
  return { reason: "ContainersNotReady", message: `containers with unready status: [${names.join(" ")}]` };
}

/** Names of the containers that must be ready: the app's and the sidecars. */
function containersOf(pod: Pod): string[] {
  return [...(pod.spec?.containers ?? []).map(({ name }) => name), ...sidecarNames(pod)];
}

/** Names of the init containers that go on running beside the app. */
export function sidecarNames(pod: Pod): Set<string> {
  const init = pod.spec?.initContainers ?? [];
  return new Set(init.filter(({ restartPolicy }) => restartPolicy === "Always").map(({ name }) => name));
}

function initialized(pod: Pod, initStatuses: readonly ContainerStatus[]): boolean {
  const init = pod.spec?.initContainers ?? [];
  return init.every(({ name }) =>
    hasInitialized(
      pod,
      initStatuses.find((status) => status.name === name),
    ),
  );
}

function hasInitialized(pod: Pod, status: ContainerStatus | undefined): boolean {
  if (!status) return false;
  // A sidecar that crashed or was ended later does not send the pod back to its beginning.
  const ended = status.state?.terminated ?? status.lastState?.terminated;
  if (sidecarNames(pod).has(status.name)) return status.started === true || ended !== undefined;
  return status.state?.terminated?.exitCode === 0;
}
