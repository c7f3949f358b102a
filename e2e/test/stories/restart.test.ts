// Story 9: stopped or killed and started again, everything comes back, and nothing of the earlier run is left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { needs } from "@fairlead/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { freshStateDir, modes, repository, startStack } from "../../src/stack.ts";
import type { Stack } from "../../src/stack.ts";
import { startedAgain } from "../../src/stories/started-again.ts";

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
      running = await startedAgain(running, signal);
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
