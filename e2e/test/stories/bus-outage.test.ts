// Story 10: the bus goes away under load while endpoints change, and comes back.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, freePort, needs, startNats } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startLoad } from "../../src/http-load.ts";
import { list, replicaSet, service } from "../../src/manifests.ts";
import { freshStateDir, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { apply, clusterIP, readyPods, untilEndpoints, untilReady } from "../../src/stories/story.ts";

const outageMs = 20_000;
/** Changes made meanwhile arrive within this time of the bus's return, in milliseconds. */
const catchUpMs = 3_000;

describe.skipIf(needs("kubectl", "nats-server"))("a bus that is killed for 20 s", () => {
  const stateDir = freshStateDir();
  let port = 0;
  let bus: Awaited<ReturnType<typeof startNats>> | undefined;
  let stack: Stack | undefined;
  const startBus = async (): Promise<void> => {
    bus = await startNats({ storeDir: join(stateDir, "own-nats"), port });
  };

  beforeAll(async () => {
    port = await freePort();
    await startBus();
    stack = await startStack({ mode: "distributed", stateDir, args: ["--nats-url", `nats://127.0.0.1:${port}`] });
  });
  afterAll(async () => {
    await stack?.dispose();
    await bus?.stop();
  });

  test("fails no request to living pods, and what changed meanwhile arrives when it is back", async () => {
    if (stack === undefined) throw new Error("the stack is not running");
    await apply(stack, list(replicaSet("default", "steady", 3), service("default", "steady")));
    await untilReady(stack, "default", "steady", 3);
    await untilEndpoints(stack, "default", "steady", 3);
    const url = `http://${await clusterIP(stack, "default", "steady")}/`;
    const load = startLoad(url, { perSecond: 60, workers: 4 });
    try {
      await eventually(() => expect(load.first.size).toBe(3));
      const killed = performance.now();
      bus?.signal("SIGKILL");
      await bus?.exited;
      // New pods become ready and a Service is made, while nobody can be told.
      await stack.kubectl("scale rs steady --replicas=5");
      await untilReady(stack, "default", "steady", 5);
      await apply(stack, service("default", "newcomer", { selector: { app: "steady" } }));
      await sleep(outageMs - (performance.now() - killed));
      expect(load.failures).toEqual([]);
      expect(load.first.size).toBe(3);

      await startBus();
      const back = performance.now();
      await eventually(() => expect(load.first.size).toBe(5), { timeoutMs: catchUpMs, intervalMs: 20 });
      const newcomer = startLoad(`http://${await clusterIP(stack, "default", "newcomer")}/`, { perSecond: 20 });
      await eventually(() => expect(newcomer.answers).toBeGreaterThan(0), {
        timeoutMs: Math.max(100, catchUpMs - (performance.now() - back)),
        intervalMs: 20,
      });
      await newcomer.stop();
      expect((await readyPods(stack, "default", "steady")).sort()).toEqual([...load.first.keys()].sort());
    } finally {
      await load.stop();
    }
    expect(load.failures).toEqual([]);
  });
});
