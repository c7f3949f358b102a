import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, launch, temporaryDirectory, type Launched, type LaunchOptions } from "@fairlead/testkit";
import { afterAll, expect, onTestFinished, test, vi } from "vitest";

const fixture = join(import.meta.dirname, "fixtures/service.ts");

// Processes start at the pace of the machine, which may be busy with other suites.
vi.setConfig({ testTimeout: 30_000 });

// What one process compiles the next finds ready.
const cache = await temporaryDirectory();
afterAll(() => cache.remove());

async function run(options: LaunchOptions): Promise<Launched> {
  const launched = await launch({ ...options, env: { ...options.env, NODE_COMPILE_CACHE: cache.path } });
  onTestFinished(() => launched.stop());
  return launched;
}

const start = (args: readonly string[], options: Partial<LaunchOptions> = {}): Promise<Launched> =>
  run({ command: process.execPath, args: [fixture, ...args], ...options });

function logOf(service: Launched): Record<string, unknown>[] {
  const lines = service.stdout().split("\n");
  return lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>);
}

test.for(["SIGTERM", "SIGINT"] as const)("stops on %s and exits with 0", async (signal) => {
  const service = await start([], { ready: /"started"/ });
  service.signal(signal);
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe("starting\nstopping\nstopped\n");
  expect(logOf(service).map(({ message }) => message)).toEqual(["started", "stopping"]);
});

test("logs at the level it is told to", async () => {
  const service = await start(["--log-level", "debug"], { ready: /"started"/ });
  expect(logOf(service)).toMatchObject([
    { level: "debug", service: "fixture", message: "deep inside" },
    { level: "info" },
  ]);
});

test("exits with 2 and plain words when its configuration is refused", async () => {
  const service = await start(["--behavior", "well", "--log-level=loud"]);
  expect(await service.exited).toEqual({ code: 2, signal: null });
  expect(service.stdout()).toBe("");
  expect(service.stderr()).toBe(
    "the configuration of fixture is refused:\n" +
      "  --behavior (from the command line): unknown flag, did you mean --behaviour?\n" +
      '  logLevel (from --log-level): must be one of debug, info, warn, error, silent, not "loud"\n' +
      "fixture --help lists the options\n",
  );
});

test("prints its options on --help and exits with 0", async () => {
  const service = await start(["--help"]);
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stdout()).toContain("FAIRLEAD_HEALTH_ADDRESS");
});

test.for([
  ["bad-start", "cannot start"],
  ["bad-compose", "cannot compose"],
] as const)("exits with 1 on %s, and logs why", async ([behaviour, reason]) => {
  const service = await start(["--behaviour", behaviour]);
  expect(await service.exited).toEqual({ code: 1, signal: null });
  expect(logOf(service)).toMatchObject([{ level: "error", message: "could not start", error: { message: reason } }]);
});

test.for([
  ["crash", "an error reached nobody"],
  ["reject", "a rejection reached nobody"],
] as const)("on %s logs the error, stops, and exits with 1", async ([behaviour, message]) => {
  const service = await start(["--behaviour", behaviour]);
  expect(await service.exited).toEqual({ code: 1, signal: null });
  expect(service.stderr()).toBe("starting\nstopping\nstopped\n");
  expect(logOf(service)).toContainEqual(expect.objectContaining({ level: "error", message }));
});

test("exits with 1 when it does not stop cleanly", async () => {
  const service = await start(["--behaviour", "bad-stop"], { ready: /"started"/ });
  service.signal("SIGTERM");
  expect(await service.exited).toEqual({ code: 1, signal: null });
  expect(logOf(service).at(-1)).toMatchObject({ message: "did not stop cleanly", error: { message: "cannot stop" } });
});

test("exits with 1 by itself when it does not stop in time", async () => {
  const service = await start(["--behaviour", "hanging-stop"], { ready: /"started"/ });
  service.signal("SIGTERM");
  expect(await service.exited).toEqual({ code: 1, signal: null });
  expect(logOf(service).at(-1)).toMatchObject({ message: "did not stop in time" });
});

test("exits at once on a second signal", async () => {
  const service = await start(["--behaviour", "hanging-stop"], { ready: /"started"/ });
  service.signal("SIGINT");
  await expect.poll(() => service.stderr()).toContain("stopping");
  service.signal("SIGINT");
  expect(await service.exited).toEqual({ code: 1, signal: null });
  expect(logOf(service).map(({ message }) => message)).toEqual(["started", "stopping"]);
});

test.for(["slow-start", "interrupted-start"])("stops while it is still starting (%s)", async (behaviour) => {
  const service = await start(["--behaviour", behaviour], { ready: /starting/ });
  service.signal("SIGTERM");
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe("starting\nstopping\nstopped\n");
  expect(logOf(service).map(({ message }) => message)).toEqual(["stopping"]);
});

test("stops when its parent is gone, if told that standard input is the parent's", async () => {
  const service = await start([], { ready: /"started"/, stdin: "pipe", env: { FAIRLEAD_PARENT_PIPE: "1" } });
  service.stdin?.destroy();
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(logOf(service).at(-1)).toMatchObject({ message: "stopping: the parent is gone" });
});

test("stops cleanly when its parent is killed, though its log has no reader any more", async () => {
  await using directory = await temporaryDirectory();
  const marker = join(directory.path, "marker");
  const parent = await run({
    command: process.execPath,
    args: [join(import.meta.dirname, "fixtures/parent.ts"), "--marker", marker, "--log-level", "debug"],
    ready: /service \d+\./,
  });
  const pid = Number(/service (\d+)/.exec(parent.stdout())?.[1]);
  parent.signal("SIGKILL");
  await eventually(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"));
  expect(await readFile(marker, "utf8")).toBe("stopped cleanly");
});

test("reads its configuration again on SIGHUP, and keeps the one before where it is refused", async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "fixture.yaml");
  await writeFile(path, "word: first");
  const service = await start(["--config", path], { ready: /"started"/ });
  await writeFile(path, "word: second");
  service.signal("SIGHUP");
  await eventually(() => expect(service.stderr()).toBe("starting\nnow second\n"));
  await writeFile(path, "wort: third");
  service.signal("SIGHUP");
  await eventually(() =>
    expect(logOf(service).at(-1)).toMatchObject({
      message: "the configuration could not be taken over; the one before stays in force",
      error: { code: "CONFIG", message: expect.stringContaining("did you mean word?") as unknown },
    }),
  );
  service.signal("SIGTERM");
  expect(await service.exited).toEqual({ code: 0, signal: null });
  expect(service.stderr()).toBe("starting\nnow second\nstopping\nstopped\n");
});

test("goes on when a new configuration cannot be taken over", async () => {
  const service = await start(["--behaviour", "bad-reload"], { ready: /"started"/ });
  service.signal("SIGHUP");
  await eventually(() => expect(logOf(service).at(-1)).toMatchObject({ error: { message: "cannot take it over" } }));
  service.signal("SIGTERM");
  expect(await service.exited).toEqual({ code: 0, signal: null });
});

test("does a task in place of the service, and exits by how it went", async () => {
  const done = await start(["--task", "well"]);
  expect(await done.exited).toEqual({ code: 0, signal: null });
  expect(done.stderr()).toBe("working\n");
  const failed = await start(["--task", "fail"]);
  expect(await failed.exited).toEqual({ code: 1, signal: null });
  expect(logOf(failed)).toMatchObject([{ level: "error", message: "failed", error: { message: "cannot do it" } }]);
});

test("goes on without standard input otherwise", async () => {
  const service = await start([], { ready: /"started"/, stdin: "ignore" });
  service.signal("SIGTERM");
  expect(await service.exited).toEqual({ code: 0, signal: null });
});
