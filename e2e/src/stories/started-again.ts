/** Stopped or killed and started again, a stack is as it was, and nothing of the earlier run is left. */
import { join } from "node:path";
import { eventually } from "@fairlead/testkit";
import { expect } from "vitest";
import { get } from "../http-load.ts";
import { processesOf } from "../processes.ts";
import { repository, startStack } from "../stack.ts";
import type { Stack } from "../stack.ts";
import { clusterIP, untilEndpoints, untilReady } from "./story.ts";

/** The launcher promises 5 s; a process that hangs would be killed by it then. In milliseconds. */
const stopMs = 6_000;

/** Ends the stack so and starts it on the same state folder; returns the new one, with objects, addresses and pods of the old. */
export async function startedAgain(before: Stack, signal: "SIGTERM" | "SIGKILL"): Promise<Stack> {
  const { mode, stateDir, plan, kubectl } = before;
  await kubectl(["apply", "-f", join(repository, "examples/kubia.yaml")]);
  await kubectl(["apply", "-f", join(repository, "examples/kubia-nodeport.yaml")]);
  await untilReady(before, "default", "kubia", 3);
  await untilEndpoints(before, "default", "kubia", 3);
  const address = await clusterIP(before, "default", "kubia");
  await eventually(() => get(`http://${address}/`));
  const objects = await inventory(before);
  const earlier = new Set(processesOf(stateDir).map(({ pid }) => pid));
  expect(earlier.size).toBeGreaterThan(3);

  if (signal === "SIGTERM") {
    const begun = performance.now();
    expect(await before.terminate()).toEqual({ code: 0, signal: null });
    expect(performance.now() - begun).toBeLessThan(stopMs);
    expect(processesOf(stateDir)).toEqual([]);
  } else {
    await before.kill();
  }

  const after = await startStack({ mode, stateDir, plan });
  try {
    expect(processesOf(stateDir).filter(({ pid }) => earlier.has(pid))).toEqual([]);
    expect(await inventory(after)).toBe(objects);
    await untilReady(after, "default", "kubia", 3);
    await untilEndpoints(after, "default", "kubia", 3);
    for (const url of [`http://${address}/`, ...after.dev.nodes.map((node) => `http://${node.address}:30123/`)]) {
      expect(await eventually(() => get(url)), url).toContain("You've hit kubia-");
    }
  } catch (error) {
    await after.dispose();
    throw error;
  }
  return after;
}

/** Objects that must survive, as kubectl prints them. */
async function inventory({ kubectl }: Stack): Promise<string> {
  const columns =
    "KIND:.kind,NAME:.metadata.name,UID:.metadata.uid,IP:.spec.clusterIP,NODEPORT:.spec.ports[*].nodePort";
  return await kubectl(`get services,replicasets,configmaps -o custom-columns=${columns}`);
}
