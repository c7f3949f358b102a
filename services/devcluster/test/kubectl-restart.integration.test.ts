import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { eventually, freePort, launch, type Launched, needs, programPath, temporaryDirectory } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));

const manifest = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: stubborn, image: none, command: [sh, -c, 'trap "" TERM; while true; do sleep 0.2; done']}
`;

describe.skipIf(needs("kubectl"))("a dev cluster that is started again", { timeout: 60_000 }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let cluster: Launched | undefined;
  let port = 0;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    writeFileSync(join(directory.path, "images.yaml"), "{}\n");
    writeFileSync(join(directory.path, "web.yaml"), manifest);
    port = await freePort();
  });

  afterAll(async () => {
    await cluster?.stop();
    await directory.remove();
  });

  async function start(): Promise<Launched> {
    const { path } = directory;
    const own = ["--node-cidr", "127.68.0.0/24", "--pod-cidr", "127.248.0.0/16", "--api-port", String(port)];
    const args = [main, "--state-dir", path, "--images", join(path, "images.yaml"), ...own];
    return launch({ command: process.execPath, args, ready: /"started"/ });
  }

  async function kubectl(...args: string[]): Promise<string> {
    const { path } = directory;
    const env = { PATH: process.env["PATH"] ?? "", HOME: path, KUBECONFIG: join(path, "kubeconfig") };
    return (await run(programPath("kubectl") ?? "kubectl", args, { env, timeout: 20_000 })).stdout;
  }

  const held = (): Promise<string> =>
    kubectl("get", "svc", "-o", "jsonpath={.items[*]['metadata.uid','spec.clusterIP']} {..nodePort}");
  const pods = (): Promise<string> =>
    kubectl("get", "pods", "--no-headers", "-o", "custom-columns=N:.metadata.name,U:.metadata.uid");

  async function running(): Promise<void> {
    await eventually(
      async () => expect(await kubectl("get", "rs", "web", "-o", "jsonpath={.status.readyReplicas}")).toBe("2"),
      { timeoutMs: 20_000, intervalMs: 200 },
    );
  }

  test("after SIGKILL and after SIGTERM has the same objects, addresses and ports, and its pods run", async () => {
    cluster = await start();
    await kubectl("apply", "-f", join(directory.path, "web.yaml"));
    await running();
    const before = { held: await held(), pods: await pods() };
    expect(before.held).toMatch(/127\.96\.\d+\.\d+ .*3\d{4}$/);
    for (const signal of ["SIGKILL", "SIGTERM"] as const) {
      cluster.signal(signal);
      expect(await cluster.exited).toEqual(signal === "SIGTERM" ? { code: 0, signal: null } : { code: null, signal });
      cluster = await start();
      await running();
      expect({ held: await held(), pods: await pods() }).toEqual(before);
    }
  });
});
