// Story 9: stopped or killed and started again, everything comes back, and nothing of the earlier run is left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { eventually, needs } from "@fairlead/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { get } from "../../src/http-load.ts";
import { processesOf } from "../../src/processes.ts";
import { freshStateDir, modes, repository, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { clusterIP, untilEndpoints, untilReady } from "../../src/stories/story.ts";

/** Objects that must survive, as kubectl prints them. */
async function inventory({ kubectl }: Stack): Promise<string> {
  const columns =
    "KIND:.kind,NAME:.metadata.name,UID:.metadata.uid,IP:.spec.clusterIP,NODEPORT:.spec.ports[*].nodePort";
  return await kubectl(`get services,replicasets,configmaps -o custom-columns=${columns}`);
}

describe.each(modes)("the stack, %s, started again", (mode) => {
  const missing = needs("kubectl", ...(mode === "distributed" ? ["nats-server"] : []));
  const stateDir = freshStateDir();
  let running: Stack | undefined;
  // Looks like one of ours from outside, and is none: no run may touch it.
  const bystander = spawn(
    join(repository, "node_modules/.bin/node"),
    ["-e", "setInterval(() => {}, 1000)", "bystander"],
    {
      stdio: "ignore",
    },
  );
  afterAll(async () => {
    bystander.kill("SIGKILL");
    await running?.dispose();
  });

  test.skipIf(missing).each(["SIGTERM", "SIGKILL"] as const)(
    "after %s has the same objects, addresses and running pods",
    async (signal) => {
      running ??= await startStack({ mode, stateDir });
      const before = running;
      await before.kubectl(["apply", "-f", join(repository, "examples/kubia.yaml")]);
      await before.kubectl(["apply", "-f", join(repository, "examples/kubia-nodeport.yaml")]);
      await untilReady(before, "default", "kubia", 3);
      await untilEndpoints(before, "default", "kubia", 3);
      const address = await clusterIP(before, "default", "kubia");
      await eventually(() => get(`http://${address}/`));
      const objects = await inventory(before);
      const earlier = processesOf(stateDir).map(({ pid }) => pid);
      expect(earlier.length).toBeGreaterThan(3);

      if (signal === "SIGTERM") {
        const begun = performance.now();
        expect(await before.terminate()).toEqual({ code: 0, signal: null });
        // The launcher promises 5 s; a process that hangs would be killed by it then.
        expect(performance.now() - begun).toBeLessThan(6000);
        expect(processesOf(stateDir)).toEqual([]);
      } else {
        await before.kill();
      }

      const after = await startStack({ mode, stateDir });
      running = after;
      const left = processesOf(stateDir).filter(({ pid }) => earlier.includes(pid));
      expect(left).toEqual([]);
      expect(await inventory(after)).toBe(objects);
      await untilReady(after, "default", "kubia", 3);
      await untilEndpoints(after, "default", "kubia", 3);
      for (const url of [`http://${address}/`, ...after.dev.nodes.map((node) => `http://${node.address}:30123/`)]) {
        expect(await eventually(() => get(url)), url).toContain("You've hit kubia-");
      }
      expect(bystander.exitCode ?? bystander.signalCode).toBeNull();
    },
  );

  test.skipIf(missing)("refuses a state folder that another run works on, and leaves that one alone", async () => {
    const first = (running ??= await startStack({ mode, stateDir }));
    const second = spawn(
      join(repository, "node_modules/.bin/node"),
      [join(repository, "packages/cli/src/main.ts"), "dev", "--state-dir", stateDir, "--api-port", "0"],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let complaint = "";
    second.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    const [code] = (await once(second, "exit")) as [number];
    expect(code).toBe(1);
    expect(complaint).toMatch(/is in use by|already|another/);
    expect(await first.kubectl("get nodes -o name")).toBe("node/node-1\nnode/node-2\n");
  });
});
