import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@fairlead/host";
import { eventually, launch, temporaryDirectory } from "@fairlead/testkit";
import { cidr, ipAddress } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { removeDevFile, writeDevFile } from "../src/state/dev-file.ts";
import { isAlive, markOf } from "../src/state/process-mark.ts";
import { endLeftovers, leftoversIn, ownerOf, RunRecord } from "../src/state/run-record.ts";
import { takeStateLock } from "../src/state/state-lock.ts";

const lockModule = new URL("../src/state/state-lock.ts", import.meta.url).href;

/** Another process that takes the lock, says so, and holds it until it is killed. */
function holder(stateDir: string): ReturnType<typeof launch> {
  const script = `
    import { takeStateLock } from ${JSON.stringify(lockModule)};
    takeStateLock(${JSON.stringify(stateDir)}, () => "nobody");
    console.log("held");
    setInterval(() => {}, 1000);`;
  return launch({ command: process.execPath, args: ["--input-type=module", "-e", script], ready: /held/ });
}

describe("the lock of a state folder", () => {
  test("makes the folder for its owner only", async () => {
    await using folder = await temporaryDirectory();
    const stateDir = join(folder.path, "a", "state");
    const lock = takeStateLock(stateDir, () => "nobody");
    expect(statSync(stateDir).mode & 0o777).toBe(0o700);
    lock.release();
  });

  test("refuses a second process by the words of who holds it, until the first is gone, also by SIGKILL", async () => {
    await using folder = await temporaryDirectory();
    await using first = await holder(folder.path);
    const take = (): ReturnType<typeof takeStateLock> => takeStateLock(folder.path, () => `process ${first.pid}`);
    expect(take).toThrow(expect.objectContaining({ code: "STATE_IN_USE" }));
    expect(take).toThrow(`${folder.path} is in use by process ${first.pid}: stop that one first`);
    first.signal("SIGKILL");
    await first.exited;
    take().release();
  });

  test("says what is in the way where the folder cannot be used", async () => {
    await using folder = await temporaryDirectory();
    const file = join(folder.path, "file");
    writeFileSync(file, "");
    const take = (): unknown => takeStateLock(file, () => "nobody");
    expect(take).toThrow(expect.objectContaining({ code: "STATE_UNUSABLE" }));
    expect(take).toThrow(/cannot be used: EEXIST/);
  });
});

describe("the record of a run", () => {
  test("names the launcher while it runs", async () => {
    await using folder = await temporaryDirectory();
    expect(ownerOf(folder.path)).toBe("another process");
    const record = new RunRecord({ stateDir: folder.path });
    record.open();
    expect(ownerOf(folder.path)).toBe(`process ${process.pid}`);
    record.close();
    expect(existsSync(join(folder.path, "launcher.json"))).toBe(false);
  });

  test("lets the next launcher find what is left, and only that", async () => {
    await using folder = await temporaryDirectory();
    await using left = await launch({ command: "sleep", args: ["1000"] });
    await using gone = await launch({ command: "sleep", args: ["1000"] });
    await using stopped = await launch({ command: "sleep", args: ["1000"] });
    const record = new RunRecord({ stateDir: folder.path });
    for (const { pid } of [left, gone, stopped]) record.add({ pid, name: `sleep ${pid}`, endsAlone: true });
    record.remove(stopped.pid);
    gone.signal("SIGKILL");
    await gone.exited;
    expect(leftoversIn(folder.path).map(({ pid }) => pid)).toEqual([left.pid]);
  });

  test("is not fooled by another process with the number of an earlier one", async () => {
    await using folder = await temporaryDirectory();
    await using bystander = await launch({ command: "sleep", args: ["1000"] });
    const mark = markOf(bystander.pid);
    const entries = [
      { ...mark, startTime: (mark?.startTime ?? 0) - 1 },
      { ...mark, boot: "another boot" },
      { ...mark, pid: 0 },
      { ...mark, pid: 1 },
      "nonsense",
      null,
    ].map((entry) => (typeof entry === "object" && entry ? { name: "x", endsAlone: false, ...entry } : entry));
    writeFileSync(join(folder.path, "launcher.json"), JSON.stringify({ launcher: mark, processes: entries }));
    expect(leftoversIn(folder.path)).toEqual([]);
  });

  test.each(["", "[]", "{}", "not json", '{"launcher":{},"processes":{}}'])(
    "means nothing where it holds %j",
    async (text) => {
      await using folder = await temporaryDirectory();
      writeFileSync(join(folder.path, "launcher.json"), text);
      expect(leftoversIn(folder.path)).toEqual([]);
      expect(ownerOf(folder.path)).toBe("another process");
    },
  );

  test("has what does not end alone told to, and waits for the rest", async () => {
    await using folder = await temporaryDirectory();
    const asked = 'process.on("SIGTERM", () => { console.log("asked"); process.exit(0); });';
    const script = `${asked} setTimeout(() => process.exit(0), 1500); console.log("runs");`;
    const start = (): ReturnType<typeof launch> =>
      launch({ command: process.execPath, args: ["-e", script], ready: /runs/ });
    await using alone = await start();
    await using bus = await start();
    const record = new RunRecord({ stateDir: folder.path });
    record.add({ pid: alone.pid, name: "service", endsAlone: true });
    record.add({ pid: bus.pid, name: "nats-server", endsAlone: false });
    expect(await endLeftovers(leftoversIn(folder.path), systemClock)).toEqual([]);
    expect(alone.stdout()).toBe("runs\n");
    await eventually(() => expect(bus.stdout()).toBe("runs\nasked\n"));
  });

  test("has what hangs killed in the end, with its group", async () => {
    await using folder = await temporaryDirectory();
    const child = spawn("sh", ["-c", "trap '' TERM; sleep 1000 & echo $!; wait"], {
      detached: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [text] = (await once(child.stdout, "data")) as [Buffer];
    const marks = [child.pid ?? 0, Number(text)].map(markOf);
    try {
      const record = new RunRecord({ stateDir: folder.path });
      record.add({ pid: child.pid ?? 0, name: "stubborn", endsAlone: false });
      // Its patience is over at once.
      let now = 0;
      const hasty = { ...systemClock, monotonic: () => (now += 10_000) };
      await endLeftovers(leftoversIn(folder.path), hasty);
      await eventually(() => expect(marks.filter((mark) => mark !== undefined && isAlive(mark))).toEqual([]));
    } finally {
      child.kill("SIGKILL");
    }
  });
});

describe("dev.json", () => {
  const facts = {
    kubeconfig: "/state/kubeconfig",
    api: "https://127.0.0.1:6443",
    dns: { address: "127.64.0.53", port: 53 },
    ingress: { http: "http://127.0.0.1:8080", https: "https://127.0.0.1:8443" },
    plane: "userspace",
    nodes: [{ name: "node-1", address: ipAddress("127.64.0.1") }],
    lbPool: cidr("127.200.0.0/24"),
    metrics: { devcluster: "http://127.0.0.1:1/metrics" },
  } as const;

  test("holds the facts, for its owner only, and goes away", async () => {
    await using folder = await temporaryDirectory();
    writeDevFile(folder.path, facts);
    const path = join(folder.path, "dev.json");
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(facts);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    removeDevFile(folder.path);
    expect(existsSync(path)).toBe(false);
    removeDevFile(folder.path);
  });

  test("is replaced whole: one who has it open reads the old facts to their end", async () => {
    await using folder = await temporaryDirectory();
    mkdirSync(join(folder.path, "held"));
    writeDevFile(folder.path, facts);
    const before = statSync(join(folder.path, "dev.json")).ino;
    writeDevFile(folder.path, { ...facts, api: "https://127.0.0.1:7443" });
    expect(statSync(join(folder.path, "dev.json")).ino).not.toBe(before);
    expect(existsSync(join(folder.path, "dev.json.new"))).toBe(false);
  });
});
