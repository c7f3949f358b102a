/** The pod table. Its STATUS sums up phase, reasons and container states the way every kubectl user reads them. */
import type { ContainerStatus, Pod } from "@fairlead/kube/objects";
import { since } from "./age.ts";
import { ageColumn, nameColumn, NONE, text, wide } from "./columns.ts";
import type { ResourceTable, RowCondition } from "./columns.ts";

/** Reason that the node controller writes on the pods of a node it lost. */
const NODE_LOST = "NodeLost";

export const podTable: ResourceTable<Pod> = {
  columns: [
    nameColumn,
    text("Ready", "Containers that are ready, of those that should be."),
    text("Status", "What the pod is doing, or why it is not."),
    text("Restarts", "Container restarts, and when the last one was."),
    ageColumn,
    wide(text("IP", "First address of the pod.")),
    wide(text("Node", "Node the pod is bound to.")),
    wide(text("Nominated Node", "Node on which room is being made for the pod.")),
    wide(text("Readiness Gates", "Extra conditions of readiness that hold, of those the pod names.")),
  ],
  cells: (pod, now) => {
    const { ready, total, status, restarts, lastRestart } = summary(pod);
    return [
      pod.metadata?.name ?? "",
      `${ready}/${total}`,
      status,
      restarts > 0 && lastRestart !== undefined ? `${restarts} (${since(lastRestart, now)} ago)` : String(restarts),
      since(pod.metadata?.creationTimestamp, now),
      pod.status?.podIPs?.[0]?.ip ?? NONE,
      pod.spec?.nodeName || NONE,
      pod.status?.nominatedNodeName || NONE,
      readinessGates(pod),
    ];
  },
  conditions: (pod) => finished(pod),
};

interface Summary {
  ready: number;
  total: number;
  status: string;
  restarts: number;
  lastRestart: string | undefined;
}

function summary(pod: Pod): Summary {
  const sidecars = new Set(
    (pod.spec?.initContainers ?? [])
      .filter((container) => container.restartPolicy === "Always")
      .map(({ name }) => name),
  );
  const initStatuses = pod.status?.initContainerStatuses ?? [];
  const statuses = pod.status?.containerStatuses ?? [];
  const init = initProgress(pod, initStatuses, sidecars);
  const result: Summary = {
    ready: init.ready,
    total: (pod.spec?.containers.length ?? 0) + sidecars.size,
    status: init.status ?? baseStatus(pod),
    ...restartsOf(init.seen),
  };
  if (init.status === undefined || hasCondition(pod, "Initialized")) {
    // Once the containers run, restarts of init containers that have done their work say nothing any more.
    Object.assign(result, restartsOf([...init.seen.filter(({ name }) => sidecars.has(name)), ...statuses]));
    const running = statuses.filter((status) => status.ready && status.state?.running).length;
    result.ready += running;
    // The first container in the list wins, as its reason is written last.
    for (const status of statuses.toReversed()) result.status = stateReason(status) ?? result.status;
    if (result.status === "Completed" && running > 0)
      result.status = hasCondition(pod, "Ready") ? "Running" : "NotReady";
  }
  if (pod.metadata?.deletionTimestamp !== undefined) {
    if (pod.status?.reason === NODE_LOST) result.status = "Unknown";
    else if (pod.status?.phase !== "Succeeded" && pod.status?.phase !== "Failed") result.status = "Terminating";
  }
  return result;
}

function baseStatus(pod: Pod): string {
  const gated = pod.status?.conditions?.some(
    ({ type, reason }) => type === "PodScheduled" && reason === "SchedulingGated",
  );
  return gated ? "SchedulingGated" : pod.status?.reason || pod.status?.phase || "Unknown";
}

/**
 * The first init container that is not done decides: `status` is undefined when all are. `seen` are the containers up to it, whose
 * restarts count.
 */
function initProgress(
  pod: Pod,
  statuses: readonly ContainerStatus[],
  sidecars: ReadonlySet<string>,
): { status: string | undefined; ready: number; seen: readonly ContainerStatus[] } {
  let ready = 0;
  for (const [index, container] of statuses.entries()) {
    const { terminated, waiting } = container.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecars.has(container.name) && container.started) {
      if (container.ready) ready += 1;
      continue;
    }
    const seen = statuses.slice(0, index + 1);
    if (terminated) return { status: `Init:${stateReason(container) ?? "Unknown"}`, ready, seen };
    if (waiting?.reason && waiting.reason !== "PodInitializing")
      return { status: `Init:${waiting.reason}`, ready, seen };
    return { status: `Init:${index}/${pod.spec?.initContainers?.length ?? statuses.length}`, ready, seen };
  }
  return { status: undefined, ready, seen: statuses };
}

/** Why a container does not run; undefined if it does, or gives no reason. */
function stateReason({ state }: ContainerStatus): string | undefined {
  if (state?.waiting?.reason) return state.waiting.reason;
  const terminated = state?.terminated;
  if (!terminated) return undefined;
  if (terminated.reason) return terminated.reason;
  return terminated.signal ? `Signal:${terminated.signal}` : `ExitCode:${terminated.exitCode}`;
}

function restartsOf(statuses: readonly ContainerStatus[]): { restarts: number; lastRestart: string | undefined } {
  let restarts = 0;
  let lastRestart: string | undefined;
  for (const status of statuses) {
    restarts += status.restartCount;
    const finished = status.lastState?.terminated?.finishedAt;
    if (finished !== undefined && (lastRestart === undefined || Date.parse(finished) > Date.parse(lastRestart))) {
      lastRestart = finished;
    }
  }
  return { restarts, lastRestart };
}

function hasCondition(pod: Pod, type: string): boolean {
  return pod.status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  return `${gates.filter(({ conditionType }) => hasCondition(pod, conditionType)).length}/${gates.length}`;
}

function finished(pod: Pod): readonly RowCondition[] {
  const phase = pod.status?.phase;
  if (phase !== "Succeeded" && phase !== "Failed") return [];
  const message =
    phase === "Succeeded" ? "All containers of the pod ended well." : "A container of the pod ended badly.";
  return [{ type: "Completed", status: "True", reason: phase, message }];
}
