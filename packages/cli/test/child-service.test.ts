import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { systemClock } from "@fairlead/host";
import { eventually, temporaryDirectory } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ChildService, firstRestartMs } from "../src/distributed/child-service.ts";
import type { ChildServiceOptions } from "../src/distributed/child-service.ts";
import { markOf } from "../src/state/process-mark.ts";

/** Long enough for any of these programs to end by itself on SIGTERM. */
const patienceMs = 10_000;

let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
let started: number[];
let ended: number[];
let told: string[];
let output: string;
let services: ChildService[];

beforeEach(async () => {
  folder = await temporaryDirectory();
  [started, ended, told, services] = [[], [], [], []];
  output = "";
});
afterEach(async () => {
  await Promise.all(services.map((service) => service.stop(0)));
  for (const pid of started) if (isRunning(pid)) process.kill(-pid, "SIGKILL");
  await folder.remove();
});

/** Ready once its script has made the file `ready`. */
function child(script: string, options: Partial<ChildServiceOptions> = {}): ChildService {
  const log = new PassThrough();
  log.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ready = (): Promise<boolean> => Promise.resolve(existsSync(join(folder.path, "ready")));
  const service = new ChildService({
    name: "program",
    command: process.execPath,
    args: ["-e", `const fs = require("node:fs"); process.chdir(${JSON.stringify(folder.path)}); ${script}`],
    env: { PATH: process.env["PATH"] },
    log,
    clock: systemClock,
    ready,
    onRestart: (reason) => told.push(reason),
    onReadyAgain: () => told.push("ready again"),
    onStart: (pid) => started.push(pid),
    onEnd: (pid) => ended.push(pid),
    ...options,
  });
  services.push(service);
  return service;
}

const isRunning = (pid: number): boolean => markOf(pid) !== undefined;
const becomeReady = 'fs.writeFileSync("ready", "");';
const runOn = "setInterval(() => {}, 1000);";

describe("a program that the launcher runs", () => {
  test("has started when it is ready, with its output in the log, and is gone when it has stopped", async () => {
    const service = child(`console.log("hello"); console.error("trouble"); ${becomeReady} ${runOn}`);
    await service.start();
    expect(service.pid).toBe(started[0]);
    await eventually(() => expect(output).toMatch(/hello\n[^]*trouble\n|trouble\n[^]*hello\n/));
    await service.stop(patienceMs);
    expect(isRunning(started[0] ?? 0)).toBe(false);
    expect(ended).toEqual(started);
    expect(service.pid).toBeUndefined();
    expect(told).toEqual([]);
  });

  test.each([
    ["ends", "process.exit(3)", /^it ended with exit code 3$/],
    ["is killed", 'process.kill(process.pid, "SIGKILL")', /^it ended with signal SIGKILL$/],
  ])("fails to start when it %s before it is ready", async (_case, script, reason) => {
    const service = child(`console.log("last words"); ${script}`);
    await expect(service.start()).rejects.toThrow(reason);
    expect(output).toBe("last words\n");
    await service.stop(patienceMs);
    expect(told).toEqual([]);
  });

  test("fails to start where there is no such program", async () => {
    const service = child("", { command: join(folder.path, "nothing-here") });
    await expect(service.start()).rejects.toThrow(/ENOENT/);
    await service.stop(patienceMs);
  });

  test("is started again when it ends, later each time, and says when it is ready again", async () => {
    // Crashes twice after it was ready, then runs on.
    const service = child(`
      fs.appendFileSync("runs", "x");
      const run = fs.readFileSync("runs", "utf8").length;
      ${becomeReady}
      if (run < 3) setTimeout(() => { fs.rmSync("ready"); process.exit(run); }, 100); else ${runOn}`);
    await service.start();
    await eventually(() => expect(told.filter((text) => text !== "ready again")).toHaveLength(2));
    await eventually(() => expect(told.at(-1)).toBe("ready again"));
    expect(told.filter((text) => text !== "ready again")).toEqual([
      `ended with exit code 1; it is started again in ${firstRestartMs / 1000} s`,
      `ended with exit code 2; it is started again in ${(firstRestartMs * 2) / 1000} s`,
    ]);
    expect(new Set(started).size).toBe(3);
    expect(ended).toEqual(started.slice(0, 2));
  });

  test("is not started again when it is stopped between its end and the next start", async () => {
    const service = child(`${becomeReady} setTimeout(() => process.exit(1), 100)`);
    await service.start();
    await eventually(() => expect(told).toHaveLength(1));
    await service.stop(patienceMs);
    // The wait would be over by now.
    await new Promise<void>((resolve) => systemClock.setTimer(firstRestartMs * 2, resolve));
    expect(started).toHaveLength(1);
    expect(isRunning(started[0] ?? 0)).toBe(false);
  });

  test("that is stopped while it is starting fails to start and is gone", async () => {
    const service = child(runOn);
    const start = service.start().catch((error: unknown) => error);
    await eventually(() => expect(started).toHaveLength(1));
    await service.stop(patienceMs);
    expect(await start).toMatchObject({ code: "STOPPED" });
    expect(isRunning(started[0] ?? 0)).toBe(false);
    await expect(service.start()).rejects.toMatchObject({ code: "STOPPED" });
    expect(started).toHaveLength(1);
  });

  test("that does not listen to SIGTERM is killed, with the children in its group", async () => {
    const service = child(`
      process.on("SIGTERM", () => {});
      const { pid } = require("node:child_process").spawn("sleep", ["1000"], { stdio: "inherit" });
      fs.writeFileSync("child", String(pid));
      ${becomeReady} ${runOn}`);
    await service.start();
    const grandchild = Number(readFileSync(join(folder.path, "child"), "utf8"));
    expect(isRunning(grandchild)).toBe(true);
    await service.stop(100);
    await eventually(() => expect([started[0] ?? 0, grandchild].filter(isRunning)).toEqual([]));
  });

  test("takes the children in its group along when it ends by itself", async () => {
    const service = child(`
      const { pid } = require("node:child_process").spawn("sleep", ["1000"], { stdio: "ignore" });
      fs.writeFileSync("child", String(pid));
      ${becomeReady} setTimeout(() => process.exit(1), 200)`);
    await service.start();
    const grandchild = Number(readFileSync(join(folder.path, "child"), "utf8"));
    await eventually(() => expect(isRunning(grandchild)).toBe(false));
  });
});
