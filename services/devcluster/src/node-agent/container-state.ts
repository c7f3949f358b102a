/** A container's part of the pod's status. */
import { randomUUID } from "node:crypto";
import type { Container, ContainerStatus } from "@fairlead/kube/objects";
import { timestamp } from "./pause.ts";

export type ContainerState = NonNullable<ContainerStatus["state"]>;
type Terminated = NonNullable<ContainerState["terminated"]>;

/** Waits for its turn or its start. */
export function waiting(reason: string, message?: string): ContainerState {
  return { waiting: { reason, ...(message === undefined ? {} : { message }) } };
}

/** Ended at `finishedAt` (ms since 1970) after a start at `startedAt`. */
export function terminated(options: {
  exitCode: number;
  containerId: string;
  startedAt: number;
  finishedAt: number;
  reason?: string;
  message?: string;
}): ContainerState & { terminated: Terminated } {
  const { exitCode, containerId, startedAt, finishedAt, message } = options;
  const reason = options.reason ?? (exitCode === 0 ? "Completed" : "Error");
  return {
    terminated: {
      exitCode,
      reason,
      ...(message === undefined ? {} : { message }),
      startedAt: timestamp(startedAt),
      finishedAt: timestamp(finishedAt),
      containerID: containerId,
    },
  };
}

/** A new incarnation's id. */
export function newContainerId(): string {
  return `fairlead://${randomUUID().replaceAll("-", "")}`;
}

/** How a container stands before this node agent has run it, by what an earlier one wrote. */
export interface Resumption {
  readonly restartCount: number;
  readonly state: ContainerState;
  readonly lastState: ContainerState;
  readonly containerId: string;
  /** It ended for good and is not started again. */
  readonly finished: boolean;
}

/**
 * Reads an earlier status as a kubelet does after its node was restarted: what ran then has ended in an unknown way (255);
 * a container whose policy allows no further run stays as it ended.
 */
export function resume(
  earlier: ContainerStatus | undefined,
  policy: "Always" | "OnFailure" | "Never",
  initial: ContainerState,
  now: number,
): Resumption {
  const nothing = { restartCount: 0, state: initial, lastState: {}, containerId: "", finished: false };
  if (!earlier) return nothing;
  const { restartCount, containerID = "", state, lastState = {} } = earlier;
  const ended =
    state?.terminated ?? (state?.running ? unknownEnd(state.running.startedAt, containerID, now) : undefined);
  if (!ended) return { ...nothing, restartCount: restartCount + (lastState.terminated ? 1 : 0), lastState };
  const finished = policy === "Never" || (policy === "OnFailure" && ended.exitCode === 0);
  if (finished) return { restartCount, state: { terminated: ended }, lastState, containerId: containerID, finished };
  return { ...nothing, restartCount: restartCount + 1, lastState: { terminated: ended } };
}

function unknownEnd(startedAt: string | undefined, containerId: string, now: number): Terminated {
  return {
    exitCode: 255,
    reason: "Unknown",
    ...(startedAt === undefined ? {} : { startedAt }),
    finishedAt: timestamp(now),
    containerID: containerId,
  };
}

/** The entry in `containerStatuses`. */
export function containerStatus(options: {
  container: Container;
  state: ContainerState;
  lastState: ContainerState;
  ready: boolean;
  started: boolean;
  restartCount: number;
  containerId: string;
}): ContainerStatus {
  const { container, containerId, ...rest } = options;
  return {
    name: container.name,
    image: container.image ?? "",
    imageID: container.image ?? "",
    ...(containerId === "" ? {} : { containerID: containerId }),
    ...rest,
  };
}
