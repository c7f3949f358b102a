/**
 * How long the stack takes from its command to `fairlead is ready`, and the memory it takes with ten pods behind ten Services: the
 * launcher, its services and the bus together, shared pages counted in parts (PSS), the pods' own processes left out.
 *
 * Run: `npm run bench -- stack`. Needs kubectl, and nats-server for the second half.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const starts = 5;
const pods = 10;
const main = join(import.meta.dirname, "../src/main.ts");
/** Time for memory to settle after the pods are ready, in milliseconds. */
const settleMs = 3_000;

interface Run {
  readonly readyMs: number;
  stop(): Promise<void>;
}

async function start(stateDir: string, mode: "embedded" | "distributed"): Promise<Run> {
  const ranges = ["--service-cidr", "127.99.0.0/16", "--pod-cidr", "127.247.0.0/16", "--node-cidr", "127.67.0.0/24"];
  const doors = ["--lb-pool", "127.203.0.0/24", "--http-port", "0", "--https-port", "0", "--resolv-conf", "/dev/null"];
  const args = [main, "dev", "--state-dir", stateDir, "--api-port", String(await freePort()), ...ranges, ...doors];
  const begun = performance.now();
  const child = spawn(process.execPath, [...args, ...(mode === "distributed" ? ["--distributed"] : [])], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.includes("fairlead is ready\n")) resolve();
    });
    child.once("exit", (code) => reject(new Error(`the stack ended with ${code}:\n${output}`)));
  });
  const readyMs = performance.now() - begun;
  return {
    readyMs,
    async stop() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Makes ten pods and ten Services for them, and waits until the pods are ready. */
function fill(stateDir: string): void {
  const labels = { app: "idle" };
  const services = Array.from({ length: pods }, (_, index) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `idle-${index}` },
    spec: { selector: labels, ports: [{ port: 8000 + index }] },
  }));
  const containers = [{ name: "main", image: "fairlead/sleep" }];
  const replicaSet = {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: { name: "idle" },
    spec: {
      replicas: pods,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  };
  kubectl(stateDir, ["apply", "-f", "-"], { apiVersion: "v1", kind: "List", items: [replicaSet, ...services] });
  kubectl(stateDir, ["wait", "rs/idle", `--for=jsonpath={.status.readyReplicas}=${pods}`, "--timeout=60s"]);
}

function kubectl(stateDir: string, args: readonly string[], input?: object): void {
  const { status, stderr } = spawnSync("kubectl", args, {
    input: JSON.stringify(input ?? ""),
    env: { ...process.env, HOME: stateDir, KUBECONFIG: join(stateDir, "kubeconfig") },
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
}

/** PSS of every process of the stack that is not a pod's, in MiB. */
function memory(stateDir: string): number {
  let kib = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, "utf8");
      if (!read("cmdline").includes(stateDir) || read("environ").includes("FAIRLEAD_POD_UID")) continue;
      kib += Number(/^Pss:\s+(\d+)/m.exec(read("smaps_rollup"))?.[1] ?? 0);
    } catch {
      // It has ended meanwhile.
    }
  }
  return kib / 1024;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}

const rows: Record<string, Record<string, string>> = {};
for (const mode of ["embedded", "distributed"] as const) {
  const stateDir = mkdtempSync(join(tmpdir(), "fairlead-bench-"));
  try {
    const times: number[] = [];
    for (let round = 0; round < starts; round += 1) {
      const run = await start(stateDir, mode);
      times.push(run.readyMs);
      if (round < starts - 1) await run.stop();
      else {
        fill(stateDir);
        await sleep(settleMs);
        rows[mode] = {
          "ready, median": `${(times.toSorted((a, b) => a - b)[starts >> 1]! / 1000).toFixed(2)} s`,
          "ready, slowest": `${(Math.max(...times) / 1000).toFixed(2)} s`,
          "memory with 10 pods and 10 Services": `${memory(stateDir).toFixed(0)} MiB`,
        };
        await run.stop();
      }
    }
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}
console.table(rows);
