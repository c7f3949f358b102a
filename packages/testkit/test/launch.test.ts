import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { eventually, launch, LaunchError, type Launched, type LaunchOptions } from "../src/index.ts";

// Processes start at the pace of the machine, which may be busy with other suites.
vi.setConfig({ testTimeout: 30_000 });

const node = process.execPath;
const forever = "setInterval(() => {}, 1000)";

async function start(options: Partial<LaunchOptions> & { script: string }): Promise<Launched> {
  const { script, ...rest } = options;
  const launched = await launch({ command: node, args: ["-e", script], ...rest });
  onTestFinished(() => launched.stop());
  return launched;
}

async function gone(pid: number): Promise<void> {
  await eventually(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"));
}

test("waits until the program is ready and keeps both of its streams", async () => {
  const script = `console.error("warming"); setTimeout(() => console.log("rea" + "dy"), 50); ${forever}`;
  const launched = await start({ script, ready: /^ready$/m });
  expect(launched.stdout()).toBe("ready\n");
  expect(launched.stderr()).toBe("warming\n");
});

test("stops the program with SIGTERM and tells how it ended", async () => {
  const script = `process.on("SIGTERM", () => process.exit(7)); console.log("up"); ${forever}`;
  const launched = await start({ script, ready: /up/ });
  await launched.stop();
  expect(await launched.exited).toEqual({ code: 7, signal: null });
  await launched.stop();
});

test("kills a program that ignores SIGTERM, and the children that it leaves", async () => {
  const script = `
    process.on("SIGTERM", () => {});
    const child = require("node:child_process").spawn(process.execPath, ["-e", 'process.on("SIGTERM", () => {}); ${forever}']);
    console.log("child " + child.pid + ".");
    ${forever}`;
  const launched = await start({ script, ready: /child \d+\./, graceMs: 100 });
  const child = Number(/child (\d+)/.exec(launched.stdout())?.[1]);
  await launched.stop();
  expect(await launched.exited).toEqual({ code: null, signal: "SIGKILL" });
  await gone(child);
});

test("kills what a program left in its group when it ended by itself", async () => {
  const script = `
    const child = require("node:child_process").spawn(process.execPath, ["-e", "${forever}"], { stdio: "inherit" });
    console.log("child " + child.pid + ".");
    child.unref();`;
  const launched = await start({ script, ready: /child \d+\./ });
  const child = Number(/child (\d+)/.exec(launched.stdout())?.[1]);
  expect(await launched.exited).toEqual({ code: 0, signal: null });
  await launched.stop();
  await gone(child);
});

test("fails with the output of a program that ends before it is ready", async () => {
  const failing = start({ script: `console.error("no such thing"); process.exit(3)`, ready: /up/ });
  await expect(failing).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
  await expect(failing).rejects.toThrow(/ended before it was ready, with code 3\nno such thing/);
});

test("fails, and leaves nothing running, when the program is not ready in time", async () => {
  const failing = launch({
    command: "/bin/sh",
    args: ["-c", "echo pid $$; exec sleep 1000"],
    ready: /never said/,
    readyTimeoutMs: 1_000,
  });
  const error = await failing.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LaunchError);
  expect((error as LaunchError).message).toContain("was not ready");
  await gone(Number(/pid (\d+)/.exec((error as LaunchError).message)?.[1]));
});

test("fails when there is no such program", async () => {
  await expect(launch({ command: "/nonexistent/program" })).rejects.toMatchObject({ code: "LAUNCH_FAILED" });
});

test("keeps no more than the last million characters", async () => {
  const script = `process.stdout.write("x".repeat(3_000_000) + "the end"); setTimeout(() => console.error("written"), 10)`;
  const launched = await start({ script });
  await launched.exited;
  expect(launched.stdout()).toHaveLength(1_000_000);
  expect(launched.stdout().endsWith("the end")).toBe(true);
});

test("passes on the environment, without what is removed from it, and standard input on request", async () => {
  process.env["FAIRLEAD_TESTKIT_REMOVED"] = "1";
  onTestFinished(() => void delete process.env["FAIRLEAD_TESTKIT_REMOVED"]);
  const script = `
    const { GIVEN, FAIRLEAD_TESTKIT_REMOVED } = process.env;
    process.stdin.on("data", (text) => console.log(GIVEN, FAIRLEAD_TESTKIT_REMOVED, String(text)));`;
  const env = { GIVEN: "here", FAIRLEAD_TESTKIT_REMOVED: undefined };
  const launched = await start({ script, env, stdin: "pipe" });
  launched.stdin?.end("typed");
  expect(await launched.exited).toEqual({ code: 0, signal: null });
  expect(launched.stdout()).toBe("here undefined typed\n");
});

test.for([
  ["exit", { code: 0, signal: null }],
  ["SIGTERM", { code: null, signal: "SIGTERM" }],
  ["SIGINT", { code: null, signal: "SIGINT" }],
  ["SIGKILL", { code: null, signal: "SIGKILL" }],
] as const)("leaves nothing behind when the test process ends by %s", async ([way, expected]) => {
  const fixture = join(import.meta.dirname, "fixtures/leave-a-child.ts");
  const parent = await launch({ command: node, args: [fixture], ready: /child \d+\n/, stdin: "pipe" });
  onTestFinished(() => parent.stop());
  if (way === "exit") parent.stdin?.end();
  else process.kill(parent.pid, way);
  expect(await parent.exited).toEqual(expected);
  await gone(Number(/child (\d+)/.exec(parent.stdout())?.[1]));
});
