import type { ContainerStatus, Pod } from "@fairlead/kube/objects";
import { describe, expect, test } from "vitest";
import { RestartBackOff } from "../src/node-agent/back-off.ts";
import { resume, waiting } from "../src/node-agent/container-state.ts";
import { podPhase, podStatus, unreadyStatus } from "../src/node-agent/pod-status.ts";

const now = Date.parse("2026-03-01T10:00:00Z");
const running = { running: { startedAt: "2026-03-01T09:00:00Z" } };
const ended = (exitCode: number) => ({ terminated: { exitCode } });

function status(name: string, state: ContainerStatus["state"], more: Partial<ContainerStatus> = {}): ContainerStatus {
  return { name, image: "x", imageID: "x", ready: false, restartCount: 0, ...(state ? { state } : {}), ...more };
}

function podOf(
  restartPolicy: string,
  containers: string[],
  more: Partial<Pod> & { init?: { name: string; restartPolicy?: string }[] } = {},
): Pod {
  const { init, ...rest } = more;
  return {
    metadata: { name: "p", namespace: "default", uid: "u" },
    spec: {
      restartPolicy,
      containers: containers.map((name) => ({ name })),
      ...(init ? { initContainers: init } : {}),
    },
    ...rest,
  };
}

describe("a pod's phase", () => {
  const rows: [string, ContainerStatus["state"][], string][] = [
    ["Always", [running, running], "Running"],
    ["Always", [waiting("ContainerCreating"), running], "Pending"],
    ["Always", [ended(0), running], "Running"],
    ["Always", [ended(0), ended(0)], "Running"],
    ["OnFailure", [ended(0), ended(0)], "Succeeded"],
    ["OnFailure", [ended(0), ended(1)], "Running"],
    ["Never", [ended(0), ended(0)], "Succeeded"],
    ["Never", [ended(0), ended(1)], "Failed"],
    ["Never", [running, ended(1)], "Running"],
  ];
  test.for(rows)("%s %o is %s", ([policy, states, phase]) => {
    const names = states.map((_, nth) => `c${nth}`);
    const statuses = states.map((state, nth) => status(names[nth] ?? "", state));
    expect(podPhase(podOf(policy, names), [], statuses)).toBe(phase);
  });

  test("is Running while a crashed container waits for its restart", () => {
    const crashed = status("c", waiting("CrashLoopBackOff"), { lastState: ended(1) });
    expect(podPhase(podOf("Always", ["c"]), [], [crashed])).toBe("Running");
    expect(podPhase(podOf("OnFailure", ["c"]), [], [crashed])).toBe("Running");
  });

  test("is Pending until the init containers are through, and Failed if one fails for good", () => {
    const init = [{ name: "i" }];
    const idle = [status("c", waiting("PodInitializing"))];
    expect(podPhase(podOf("Always", ["c"], { init }), [status("i", running)], idle)).toBe("Pending");
    expect(podPhase(podOf("Always", ["c"], { init }), [status("i", ended(1))], idle)).toBe("Pending");
    expect(podPhase(podOf("Never", ["c"], { init }), [status("i", ended(1))], idle)).toBe("Failed");
    expect(podPhase(podOf("Always", ["c"], { init }), [status("i", ended(0))], [status("c", running)])).toBe("Running");
  });

  test("does not wait for the end of a sidecar", () => {
    const init = [{ name: "side", restartPolicy: "Always" }];
    const side = status("side", running, { started: true });
    expect(podPhase(podOf("Never", ["c"], { init }), [side], [status("c", ended(0))])).toBe("Succeeded");
  });
});

describe("a pod's conditions", () => {
  const input = (pod: Pod, statuses: ContainerStatus[]) => ({
    pod,
    now,
    podIp: "127.244.1.2",
    hostIp: "127.64.0.1",
    initStatuses: [],
    statuses,
  });

  test("name the containers that are not ready", () => {
    const made = podStatus(
      input(podOf("Always", ["a", "b"]), [status("a", running, { ready: true }), status("b", running)]),
    );
    expect(made.conditions?.find(({ type }) => type === "Ready")).toEqual({
      type: "Ready",
      status: "False",
      reason: "ContainersNotReady",
      message: "containers with unready status: [b]",
      lastTransitionTime: "2026-03-01T10:00:00Z",
    });
  });

  test("keep their time while they stand, and keep what others wrote", () => {
    const before = [
      { type: "Ready", status: "True", lastTransitionTime: "2026-03-01T09:00:00Z" },
      { type: "PodScheduled", status: "True", lastTransitionTime: "2026-03-01T08:00:00Z" },
    ];
    const pod = podOf("Always", ["a"], {
      status: { conditions: before, qosClass: "Burstable", startTime: "2026-03-01T08:30:00Z" },
    });
    const made = podStatus(input(pod, [status("a", running, { ready: true })]));
    expect(made.conditions).toEqual(expect.arrayContaining(before));
    expect(made).toMatchObject({
      qosClass: "Burstable",
      startTime: "2026-03-01T08:30:00Z",
      podIPs: [{ ip: "127.244.1.2" }],
    });
    const down = podStatus(input({ ...pod, status: made }, [status("a", running)]));
    expect(down.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime).toBe("2026-03-01T10:00:00Z");
  });

  test("hold Ready back until a readiness gate is open", () => {
    const pod = podOf("Always", ["a"]);
    if (pod.spec) pod.spec.readinessGates = [{ conditionType: "example.org/gate" }];
    const shut = podStatus(input(pod, [status("a", running, { ready: true })]));
    const find = (made: typeof shut, type: string) => made.conditions?.find((condition) => condition.type === type);
    expect(find(shut, "ContainersReady")?.status).toBe("True");
    expect(find(shut, "Ready")).toMatchObject({ status: "False", reason: "ReadinessGatesNotReady" });
    const gate = { type: "example.org/gate", status: "True" };
    const opened = podStatus(
      input({ ...pod, status: { conditions: [gate] } }, [status("a", running, { ready: true })]),
    );
    expect(find(opened, "Ready")?.status).toBe("True");
  });

  test("say PodCompleted when the work is done", () => {
    const made = podStatus(input(podOf("Never", ["a"]), [status("a", ended(0))]));
    expect(made.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
      status: "False",
      reason: "PodCompleted",
    });
    expect(made.conditions?.find(({ type }) => type === "Initialized")?.status).toBe("True");
  });

  test("are all down for a pod whose processes are gone", () => {
    const pod = podOf("Always", ["a"]);
    const up = podStatus(input(pod, [status("a", running, { ready: true, started: true })]));
    const down = unreadyStatus({ ...pod, status: up }, now);
    expect(down.containerStatuses?.[0]).toMatchObject({ ready: false, started: false });
    expect(down.conditions?.filter(({ status }) => status === "True").map(({ type }) => type)).toEqual([
      "PodReadyToStartContainers",
      "Initialized",
    ]);
    expect(down.podIP).toBe("127.244.1.2");
  });
});

describe("after a restart of the node", () => {
  const idle = waiting("ContainerCreating");

  test("a container that ran has ended in an unknown way and counts one more", () => {
    const earlier = status("c", running, { restartCount: 4, containerID: "fairlead://1" });
    expect(resume(earlier, "Always", idle, now)).toMatchObject({
      restartCount: 5,
      state: idle,
      finished: false,
      lastState: { terminated: { exitCode: 255, reason: "Unknown", containerID: "fairlead://1" } },
    });
  });

  test("what may not run again stays as it ended", () => {
    expect(resume(status("c", running), "Never", idle, now)).toMatchObject({ finished: true, state: ended(255) });
    expect(resume(status("c", ended(0)), "OnFailure", idle, now)).toMatchObject({ finished: true, state: ended(0) });
    expect(resume(status("c", ended(1)), "OnFailure", idle, now)).toMatchObject({ finished: false, restartCount: 1 });
  });

  test("a container that never ran begins anew, and one in back-off counts on", () => {
    expect(resume(status("c", idle), "Always", idle, now)).toMatchObject({ restartCount: 0, lastState: {} });
    const crashed = status("c", waiting("CrashLoopBackOff"), { restartCount: 2, lastState: ended(1) });
    expect(resume(crashed, "Always", idle, now)).toMatchObject({ restartCount: 3, lastState: ended(1) });
  });
});

describe("the restart back-off", () => {
  test("is none at first, doubles from 10 s to 5 min, and begins anew after 10 min of running", () => {
    const backOff = new RestartBackOff();
    const pauses = Array.from({ length: 8 }, () => backOff.next(1_000) / 1_000);
    expect(pauses).toEqual([0, 10, 20, 40, 80, 160, 300, 300]);
    expect(backOff.next(600_000)).toBe(0);
    expect(backOff.next(599_999)).toBe(10_000);
  });
});
