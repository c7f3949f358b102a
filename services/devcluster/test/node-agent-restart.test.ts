import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@fairlead/host";
import { eventually, launch, temporaryDirectory } from "@fairlead/testkit";
import { describe, expect, test } from "vitest";
import { hasVariables, isAlive, livingProcesses, processEntry } from "../src/node-agent/process/proc-table.ts";
import { POD_VARIABLE, ProcessLedger, STATE_VARIABLE } from "../src/node-agent/process/process-ledger.ts";
import { isReady, shell, startHarness } from "./node-agent-harness.ts";

const victim = fileURLToPath(new URL("node-agent-crash-victim.ts", import.meta.url));

function stateId(stateDir: string): string {
  const text = readFileSync(join(stateDir, "processes", "identity.json"), "utf8");
  return (JSON.parse(text) as { id: string }).id;
}

function processesOf(stateDir: string): number[] {
  const variables = [`${STATE_VARIABLE}=${stateId(stateDir)}`];
  return livingProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => hasVariables(pid, variables));
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
}

/** Living processes whose command is this. */
function running(command: string, group: ReadonlySet<number>): boolean {
  return livingProcesses().some((entry) => group.has(entry.group) && commandOf(entry.pid) === command);
}

function ledgerOf(stateDir: string): ProcessLedger {
  return new ProcessLedger({ directory: join(stateDir, "processes"), clock: systemClock });
}

/** The victim, with its pods running; whatever of it is left at the end of the test is ended then. */
async function launchVictim(stateDir: string): Promise<AsyncDisposable & { kill(): Promise<void> }> {
  const launched = await launch({
    command: process.execPath,
    args: [victim, stateDir, "13"],
    ready: /victim is ready/,
  });
  const kill = async (): Promise<void> => {
    launched.signal("SIGKILL");
    await launched.exited;
  };
  return {
    kill,
    async [Symbol.asyncDispose]() {
      await kill();
      const ledger = ledgerOf(stateDir);
      ledger.open();
      await ledger.reap();
    },
  };
}

/** Another stack's pod: marked like ours, but not with our state directory. */
function strangerProcess(): Disposable & { readonly pid: number } {
  const env = { ...process.env, [STATE_VARIABLE]: "another", [POD_VARIABLE]: "another" };
  const child = spawn("sleep", ["606"], { env, detached: true, stdio: "ignore" });
  return { pid: child.pid ?? 0, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

describe("a start after kill -9", () => {
  test("ends every process of the earlier run, touches no other, and runs the pods again", async () => {
    await using directory = await temporaryDirectory();
    const stateDir = directory.path;
    await using first = await launchVictim(stateDir);
    const groups = new Set(processesOf(stateDir).map((pid) => processEntry(pid)?.group ?? 0));
    // The shells may still be about to start the last of their children.
    for (const last of ["sleep 603", "sleep 605"]) await eventually(() => expect(running(last, groups)).toBe(true));
    using stranger = strangerProcess();
    await first.kill();
    const left = processesOf(stateDir);
    expect(left.map(commandOf)).toEqual(expect.arrayContaining(["sleep 601", "sleep 602", "sleep 604", "sleep 605"]));

    await using harness = await startHarness({ stateDir, slot: 13 });
    for (const pid of left) expect(processEntry(pid)?.state ?? "Z").toBe("Z");
    expect(running("sleep 603", groups)).toBe(false);
    expect(processEntry(stranger.pid)?.state).toBe("S");

    const again = await harness.until("stubborn", (pod) => expect(isReady(pod)).toBe(true));
    expect(again.status?.containerStatuses?.[0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 255, reason: "Unknown" } },
    });
    // What may run only once is not started again, and what was being deleted goes.
    await harness.until("once", (pod) => expect(pod.status?.phase).toBe("Failed"));
    await eventually(() => expect(harness.api.find("pods", "default", "leaving")).toBeUndefined());
    harness.api.delete("pods", "default", "stubborn", { gracePeriodSeconds: 0 });
  }, 20_000);

  test("is refused while the other launcher still runs", async () => {
    await using directory = await temporaryDirectory();
    await using first = await launchVictim(directory.path);
    expect(() => ledgerOf(directory.path).open()).toThrow(expect.objectContaining({ code: "STATE_IN_USE" }));
    expect(processesOf(directory.path)).not.toEqual([]);
    await first.kill();
    ledgerOf(directory.path).open();
  }, 20_000);
});

describe("a clean stop", () => {
  test("ends the stubborn in time, and the next start gives pods their address and a new run", async () => {
    await using harness = await startHarness({ slot: 14 });
    harness.run("web", { containers: [shell("echo started; exec sleep 600")] });
    harness.run("stubborn", { containers: [shell("trap '' TERM; while :; do sleep 0.1; done")] });
    harness.run("done", { restartPolicy: "OnFailure", containers: [shell("echo finished")] });
    const before = await harness.until("web", (pod) => expect(isReady(pod)).toBe(true));
    await harness.until("stubborn", (pod) => expect(isReady(pod)).toBe(true));
    await harness.until("done", (pod) => expect(pod.status?.phase).toBe("Succeeded"));
    const processes = processesOf(harness.stateDir).map((pid) => ({
      pid,
      startTime: processEntry(pid)?.startTime ?? 0,
    }));
    const states: (string | undefined)[] = [];
    const unwatch = harness.api.watch("pods", {}, ({ object }) => {
      if (object.metadata?.name === "web") states.push(`${isReady(object)} ${object.status?.podIP}`);
    });
    await harness.restart();
    unwatch();
    expect(processes.filter(({ pid, startTime }) => isAlive(pid, startTime))).toEqual([]);
    expect(states.slice(0, 2)).toEqual([`true ${before.status?.podIP}`, `false ${before.status?.podIP}`]);
    const after = await harness.until("web", (pod) => expect(isReady(pod)).toBe(true));
    expect(after.status?.podIP).toBe(before.status?.podIP);
    expect(after.status?.containerStatuses?.[0]?.restartCount).toBe(1);
    expect(await harness.log("web", { previous: true })).toBe("started\n");
    // A pod that was done is not run again, and its log is still there.
    expect(harness.pod("done").status?.phase).toBe("Succeeded");
    expect(await harness.log("done")).toBe("finished\n");
    harness.api.delete("pods", "default", "stubborn", { gracePeriodSeconds: 0 });
  }, 15_000);

  test("and a start with fewer nodes removes the others and their pods, but no Node that a person made", async () => {
    await using harness = await startHarness({ slot: 10 });
    harness.api.create("nodes", { metadata: { name: "by-hand" } });
    harness.run("stays", { containers: [shell("exec sleep 600")] });
    harness.run("moves", { nodeName: "node-2", containers: [shell("exec sleep 600")] });
    harness.run("elsewhere", { nodeName: "by-hand", containers: [shell("exec sleep 600")] });
    await harness.until("moves", (pod) => expect(isReady(pod)).toBe(true));
    await harness.restart(1);
    const names = (resource: "nodes" | "pods"): (string | undefined)[] =>
      harness.api.list(resource).items.map(({ metadata }) => metadata?.name);
    expect(names("nodes")).toEqual(["by-hand", "node-1"]);
    expect(names("pods")).toEqual(["elsewhere", "stays"]);
    await harness.until("stays", (pod) => expect(isReady(pod)).toBe(true));
  }, 15_000);

  test("leaves the nodes NotReady", async () => {
    const harness = await startHarness({ slot: 15 });
    await harness.agents.stop();
    const ready = harness.api
      .list("nodes")
      .items.map((node) => node.status?.conditions?.find(({ type }) => type === "Ready")?.status);
    expect(ready).toEqual(["False", "False"]);
    await harness.agents.start();
    await harness[Symbol.asyncDispose]();
  });
});
