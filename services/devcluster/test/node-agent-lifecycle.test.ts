import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@fairlead/kube/objects";
import { eventually } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PodDirectories } from "../src/node-agent/log/pod-directories.ts";
import type { Harness } from "./node-agent-harness.ts";
import { isReady, shell, startHarness } from "./node-agent-harness.ts";

let harness: Harness;

beforeAll(async () => {
  harness = await startHarness({ slot: 11 });
});

afterAll(() => harness[Symbol.asyncDispose]());

function scratchOf(pod: Pod): string {
  const { namespace = "", name = "", uid = "" } = pod.metadata ?? {};
  return join(new PodDirectories({ stateDir: harness.stateDir }).pod({ namespace, name, uid }), "app", "scratch");
}

const gone = (name: string): Promise<void> =>
  eventually(() => expect(harness.api.find("pods", "default", name)).toBeUndefined());

describe.concurrent("probes", () => {
  test("readiness follows a file, and a pod that falls out comes back", async () => {
    const readinessProbe = { exec: { command: ["test", "-e", "ready"] }, periodSeconds: 1, failureThreshold: 1 };
    harness.run("filed", { containers: [shell("touch ready; exec sleep 600", { readinessProbe })] });
    const pod = await harness.until("filed", (found) => expect(isReady(found)).toBe(true));
    rmSync(join(scratchOf(pod), "ready"));
    const fallen = await harness.until("filed", (found) => expect(isReady(found)).toBe(false));
    expect(fallen.status?.containerStatuses?.[0]).toMatchObject({ started: true, ready: false, restartCount: 0 });
    expect(harness.events("Unhealthy").join()).toContain("Readiness probe failed");
    writeFileSync(join(scratchOf(pod), "ready"), "");
    await harness.until("filed", (found) => expect(isReady(found)).toBe(true));
  });

  test("a failed liveness probe restarts the container", async () => {
    const livenessProbe = { exec: { command: ["test", "-e", "alive"] }, periodSeconds: 1, failureThreshold: 1 };
    harness.run("dying", {
      containers: [shell("touch alive; sleep 0.5; rm alive; exec sleep 600", { livenessProbe })],
    });
    const pod = await harness.until("dying", (found) =>
      expect(found.status?.containerStatuses?.[0]?.restartCount).toBeGreaterThan(0),
    );
    expect(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode).toBe(143);
    expect(harness.events("Killing")).toContain("Container app failed liveness probe, will be restarted");
  });

  test("a startup probe holds the others back", async () => {
    const command = ["test", "-e", "up"];
    harness.run("slow", {
      containers: [
        shell("sleep 0.3; touch up; exec sleep 600", {
          startupProbe: { exec: { command }, periodSeconds: 1, failureThreshold: 30 },
          livenessProbe: { exec: { command }, failureThreshold: 1 },
        }),
      ],
    });
    const seen: (boolean | undefined)[] = [];
    const unwatch = harness.api.watch("pods", {}, ({ object }) => {
      const [status] = object.status?.containerStatuses ?? [];
      if (object.metadata?.name === "slow" && status?.state?.running) seen.push(status.started);
    });
    const pod = await harness.until("slow", (found) => expect(isReady(found)).toBe(true));
    unwatch();
    expect(seen).toEqual([false, true]);
    expect(pod.status?.containerStatuses?.[0]?.restartCount).toBe(0);
  });
});

describe.concurrent("deletion", () => {
  test("runs the preStop hook before SIGTERM", async () => {
    const lifecycle = {
      preStop: { exec: { command: ["sh", "-c", "echo hook > order; sleep 0.4; echo hooked >> order"] } },
    };
    harness.run("hooked", {
      containers: [shell("trap 'cat order; exit 0' TERM; echo up; while :; do sleep 0.01; done", { lifecycle })],
    });
    await eventually(async () => expect(await harness.log("hooked")).toContain("up"));
    const log = harness.log("hooked", { follow: true });
    harness.api.delete("pods", "default", "hooked");
    await gone("hooked");
    expect(await log).toBe("up\nhook\nhooked\n");
  });

  test("goes on asking for readiness meanwhile", async () => {
    const readinessProbe = { exec: { command: ["test", "-e", "ready"] }, periodSeconds: 1, failureThreshold: 1 };
    const script = "touch ready; trap 'rm ready; sleep 1.5; exit 0' TERM; while :; do sleep 0.01; done";
    harness.run("draining", { containers: [shell(script, { readinessProbe })] });
    await harness.until("draining", (found) => expect(isReady(found)).toBe(true));
    harness.api.delete("pods", "default", "draining");
    const pod = await harness.until("draining", (found) => expect(isReady(found)).toBe(false));
    expect(pod.status?.containerStatuses?.[0]?.state?.running).toBeDefined();
    await gone("draining");
  });

  test("is brought forward by a second delete with less grace", async () => {
    harness.run("hurried", {
      terminationGracePeriodSeconds: 600,
      containers: [shell("trap '' TERM; while :; do sleep 0.05; done")],
    });
    await harness.until("hurried", (found) => expect(isReady(found)).toBe(true));
    harness.api.delete("pods", "default", "hurried");
    harness.api.delete("pods", "default", "hurried", { gracePeriodSeconds: 1 });
    await gone("hurried");
  });

  test("by force leaves no process behind", async () => {
    harness.run("forced", { containers: [shell("trap '' TERM; while :; do sleep 0.05; done")] });
    const pod = await harness.until("forced", (found) => expect(isReady(found)).toBe(true));
    harness.api.delete("pods", "default", "forced", { gracePeriodSeconds: 0 });
    expect(harness.api.find("pods", "default", "forced")).toBeUndefined();
    await eventually(() => expect(existsSync(scratchOf(pod))).toBe(false));
  });

  test("of a pod that waits for its image is quick", async () => {
    harness.run("waiting", { containers: [{ name: "app", image: "nobody/knows" }] });
    await harness.until("waiting", (found) => expect(found.status?.phase).toBe("Pending"));
    harness.api.delete("pods", "default", "waiting");
    await gone("waiting");
  });
});

describe.concurrent("a pod that refers to something missing", () => {
  test("waits for it and then runs", async () => {
    const env = [{ name: "COLOUR", valueFrom: { configMapKeyRef: { name: "paint", key: "colour" } } }];
    harness.run("painter", { restartPolicy: "Never", containers: [shell("echo $COLOUR", { env })] });
    await harness.until("painter", (found) =>
      expect(found.status?.containerStatuses?.[0]?.state?.waiting).toMatchObject({
        reason: "CreateContainerConfigError",
        message: 'configmap "paint" not found',
      }),
    );
    harness.api.create("configmaps", { metadata: { name: "paint", namespace: "default" }, data: { colour: "red" } });
    await harness.until("painter", (found) => expect(found.status?.phase).toBe("Succeeded"));
    expect(await harness.log("painter")).toBe("red\n");
  });
});

test.concurrent("a changed image restarts the container with the new one", async () => {
  harness.run("updated", { containers: [{ name: "app", image: "fairlead/sleep" }] });
  await harness.until("updated", (found) => expect(isReady(found)).toBe(true));
  harness.api.modify("pods", "default", "updated", (pod) => {
    for (const container of pod.spec?.containers ?? []) container.image = "registry.k8s.io/pause";
    return pod;
  });
  const pod = await harness.until("updated", (found) => {
    expect(found.status?.containerStatuses?.[0]?.restartCount).toBe(1);
    expect(isReady(found)).toBe(true);
  });
  expect(pod.status?.containerStatuses?.[0]?.image).toBe("registry.k8s.io/pause");
});

describe.concurrent("logs", () => {
  test("are refused in a kubelet's words", async () => {
    harness.run("pair", { containers: [shell("exec sleep 600"), { ...shell("exec sleep 600"), name: "other" }] });
    await harness.until("pair", (found) => expect(isReady(found)).toBe(true));
    await expect(harness.log("pair")).rejects.toThrow(
      "a container name must be specified for pod pair, choose one of: [app other]",
    );
    await expect(harness.log("pair", { container: "none" })).rejects.toThrow(
      "container none is not valid for pod pair",
    );
    await expect(harness.log("pair", { container: "app", previous: true })).rejects.toThrow(
      "previous terminated container",
    );
    await expect(harness.log("none")).rejects.toMatchObject({ code: "NotFound" });
    await expect(harness.log("pair", { container: "app", timestamps: true })).rejects.toMatchObject({
      code: "BadRequest",
    });
  });
});

test("nothing went wrong behind the API", () => {
  expect(harness.errors).toEqual([]);
});
