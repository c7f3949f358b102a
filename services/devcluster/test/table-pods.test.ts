import type { Pod } from "@fairlead/kube/objects";
import { describe, expect, it } from "vitest";
import { toTable } from "../src/table/index.ts";

const NOW = Date.parse("2024-05-06T08:00:00Z");

type Status = Record<string, unknown>;
const running = { running: { startedAt: "2024-05-06T07:00:00Z" } };
const waiting = (reason?: string): Status => ({ waiting: reason === undefined ? {} : { reason } });
const ended = (exitCode: number, reason?: string, signal?: number): Status => ({
  terminated: { exitCode, ...(reason === undefined ? {} : { reason }), ...(signal === undefined ? {} : { signal }) },
});
const container = (state: Status, rest: Status = {}): Status => ({
  name: "c",
  ready: false,
  restartCount: 0,
  state,
  ...rest,
});
const condition = (type: string, status = "True", rest: Status = {}): Status => ({ type, status, ...rest });

function pod(options: { spec?: Status; status?: Status; metadata?: Status }): Pod {
  return {
    metadata: { name: "p", creationTimestamp: "2024-05-06T07:59:00Z", ...options.metadata },
    spec: { containers: [{ name: "c" }], ...options.spec },
    status: { phase: "Running", ...options.status },
  };
}

const cells = (object: Pod): readonly (string | number)[] =>
  toTable("pods", [object], { now: NOW }).rows[0]?.cells ?? [];

/** READY, STATUS and RESTARTS of a pod with these container states. */
const shown = (options: Parameters<typeof pod>[0]): string => cells(pod(options)).slice(1, 4).join(" ");

const sidecar = { name: "s", restartPolicy: "Always" };

describe("the pod table", () => {
  it.each<[expected: string, options: Parameters<typeof pod>[0]]>([
    ["0/1 Pending 0", { status: { phase: "Pending" } }],
    [
      "0/1 SchedulingGated 0",
      { status: { phase: "Pending", conditions: [condition("PodScheduled", "False", { reason: "SchedulingGated" })] } },
    ],
    [
      "0/1 ContainerCreating 0",
      { status: { phase: "Pending", containerStatuses: [container(waiting("ContainerCreating"))] } },
    ],
    ["1/1 Running 0", { status: { containerStatuses: [container(running, { ready: true })] } }],
    ["0/1 Running 0", { status: { containerStatuses: [container(running)] } }],
    [
      "0/1 CrashLoopBackOff 4",
      { status: { containerStatuses: [container(waiting("CrashLoopBackOff"), { restartCount: 4 })] } },
    ],
    [
      "0/1 ImagePullBackOff 0",
      { status: { phase: "Pending", containerStatuses: [container(waiting("ImagePullBackOff"))] } },
    ],
    ["0/1 Completed 0", { status: { phase: "Succeeded", containerStatuses: [container(ended(0, "Completed"))] } }],
    ["0/1 Error 0", { status: { phase: "Failed", containerStatuses: [container(ended(1, "Error"))] } }],
    ["0/1 ExitCode:3 0", { status: { phase: "Failed", containerStatuses: [container(ended(3))] } }],
    ["0/1 Signal:9 0", { status: { phase: "Failed", containerStatuses: [container(ended(137, undefined, 9))] } }],
    ["0/1 Evicted 0", { status: { phase: "Failed", reason: "Evicted" } }],
    [
      "0/1 Terminating 0",
      { metadata: { deletionTimestamp: "2024-05-06T07:59:59Z" }, status: { containerStatuses: [container(running)] } },
    ],
    ["0/1 Unknown 0", { metadata: { deletionTimestamp: "2024-05-06T07:59:59Z" }, status: { reason: "NodeLost" } }],
    [
      "0/1 Completed 0",
      {
        metadata: { deletionTimestamp: "2024-05-06T07:59:59Z" },
        status: { phase: "Succeeded", containerStatuses: [container(ended(0, "Completed"))] },
      },
    ],
    [
      "1/2 Error 0",
      {
        spec: { containers: [{ name: "a" }, { name: "b" }] },
        status: { containerStatuses: [container(ended(1, "Error")), container(running, { ready: true })] },
      },
    ],
    [
      "1/2 Running 0",
      {
        spec: { containers: [{ name: "a" }, { name: "b" }] },
        status: {
          conditions: [condition("Ready")],
          containerStatuses: [container(ended(0, "Completed")), container(running, { ready: true })],
        },
      },
    ],
    [
      "1/2 NotReady 0",
      {
        spec: { containers: [{ name: "a" }, { name: "b" }] },
        status: {
          conditions: [condition("Ready", "False")],
          containerStatuses: [container(ended(0, "Completed")), container(running, { ready: true })],
        },
      },
    ],
    [
      "0/1 Init:0/2 0",
      {
        spec: { initContainers: [{ name: "i" }, { name: "j" }] },
        status: {
          phase: "Pending",
          initContainerStatuses: [container(running), container(waiting("PodInitializing"))],
        },
      },
    ],
    [
      "0/1 Init:1/2 0",
      {
        spec: { initContainers: [{ name: "i" }, { name: "j" }] },
        status: {
          phase: "Pending",
          initContainerStatuses: [container(ended(0, "Completed")), container(waiting("PodInitializing"))],
        },
      },
    ],
    [
      "0/1 Init:CrashLoopBackOff 3",
      {
        spec: { initContainers: [{ name: "i" }] },
        status: {
          phase: "Pending",
          initContainerStatuses: [container(waiting("CrashLoopBackOff"), { restartCount: 3 })],
          containerStatuses: [container(waiting("PodInitializing"))],
        },
      },
    ],
    [
      "0/1 Init:Error 0",
      { spec: { initContainers: [{ name: "i" }] }, status: { initContainerStatuses: [container(ended(1, "Error"))] } },
    ],
    [
      "0/1 Init:ExitCode:2 0",
      { spec: { initContainers: [{ name: "i" }] }, status: { initContainerStatuses: [container(ended(2))] } },
    ],
    [
      "0/1 PodInitializing 0",
      {
        spec: { initContainers: [{ name: "i" }] },
        status: {
          phase: "Pending",
          initContainerStatuses: [container(ended(0, "Completed"), { restartCount: 2 })],
          containerStatuses: [container(waiting("PodInitializing"))],
        },
      },
    ],
    [
      "2/2 Running 1",
      {
        spec: { initContainers: [sidecar] },
        status: {
          initContainerStatuses: [container(running, { name: "s", started: true, ready: true, restartCount: 1 })],
          containerStatuses: [container(running, { ready: true })],
        },
      },
    ],
    [
      "0/2 Init:0/1 0",
      {
        spec: { initContainers: [sidecar] },
        status: { phase: "Pending", initContainerStatuses: [container(running, { name: "s" })] },
      },
    ],
  ])("reads %s", (expected, options) => {
    expect(shown(options)).toBe(expected);
  });

  it("says when the last restart was", () => {
    const lastState = (finishedAt: string): Status => ({ terminated: { exitCode: 1, finishedAt } });
    const statuses = [
      container(running, { restartCount: 2, lastState: lastState("2024-05-06T07:59:55Z") }),
      container(running, { restartCount: 1, lastState: lastState("2024-05-06T07:00:00Z") }),
    ];
    expect(shown({ status: { containerStatuses: statuses } })).toBe("0/1 Running 3 (5s ago)");
  });

  it("shows where the pod is, with -o wide", () => {
    const options = {
      spec: { nodeName: "node-1", readinessGates: [{ conditionType: "a" }, { conditionType: "b" }] },
      status: { podIPs: [{ ip: "127.244.0.5" }], conditions: [condition("a")] },
    };
    expect(cells(pod(options)).slice(4)).toEqual(["60s", "127.244.0.5", "node-1", "<none>", "1/2"]);
    expect(cells(pod({})).slice(4)).toEqual(["60s", "<none>", "<none>", "<none>", "<none>"]);
  });

  it.each(["Succeeded", "Failed"])("marks the row of a pod that has %s as completed", (phase) => {
    const [row] = toTable("pods", [pod({ status: { phase } })], { now: NOW }).rows;
    expect(row?.conditions).toEqual([expect.objectContaining({ type: "Completed", status: "True", reason: phase })]);
  });
});
