import { createServer } from "node:http";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger, systemClock, systemRandom } from "@fairlead/host";
import { launch, temporaryDirectory } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { composeDevcluster, type Devcluster, parts, wireDevcluster } from "../src/compose.ts";
import { readDevclusterConfig } from "../src/config.ts";

const given = { log: silentLogger, clock: systemClock, random: systemRandom };
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
const running: Devcluster[] = [];

beforeEach(async () => {
  directory = await temporaryDirectory();
  writeFileSync(join(directory.path, "images.yaml"), "{}\n");
});

afterEach(async () => {
  for (const cluster of running.splice(0)) await cluster.stop();
  await directory.remove();
});

function flags(...more: string[]): string[] {
  const { path } = directory;
  // A node range of this suite's own: others run on this machine at the same time.
  const own = ["--node-cidr", "127.66.0.0/24", "--pod-cidr", "127.246.0.0/16"];
  return ["--state-dir", path, "--images", join(path, "images.yaml"), "--api-port", "0", ...own, ...more];
}

function compose(...more: string[]): Devcluster {
  return composeDevcluster(readDevclusterConfig({ argv: flags(...more), env: {} }), given);
}

async function start(...more: string[]): Promise<Devcluster> {
  const cluster = compose(...more);
  await cluster.start();
  running.push(cluster);
  return cluster;
}

describe("the composed dev cluster", { timeout: 20_000 }, () => {
  test("makes every part", () => {
    const wiring = wireDevcluster(readDevclusterConfig({ argv: flags(), env: {} }), given);
    expect(new Set(wiring.tokens)).toEqual(new Set(Object.values(parts)));
    for (const token of wiring.tokens) expect(wiring.resolve(token)).toBeDefined();
  });

  test("serves what it says it does once it has started", async () => {
    const cluster = await start();
    expect(cluster.nodes).toEqual([
      { name: "node-1", address: "127.66.0.1" },
      { name: "node-2", address: "127.66.0.2" },
    ]);
    expect(cluster.apiUrl).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(readFileSync(cluster.kubeconfig, "utf8")).toContain(cluster.apiUrl);
    expect(statSync(cluster.kubeconfig).mode & 0o777).toBe(0o600);
    expect((await fetch(`${cluster.healthUrl}/readyz`)).status).toBe(200);
    const metrics = await (await fetch(`${cluster.healthUrl}/metrics`)).text();
    expect(metrics).toContain('fairlead_devcluster_objects{resource="namespaces"} 4');
    expect(metrics).toContain('fairlead_devcluster_objects{resource="nodes"} 2');
  });

  test("has the Service of the API at the first address, and its endpoints where the API is, from start to start", async () => {
    for (let round = 0; round < 2; round++) {
      const config = readDevclusterConfig({ argv: flags(), env: {} });
      const cluster = composeDevcluster(config, given);
      await cluster.start();
      const port = Number(new URL(cluster.apiUrl).port);
      await cluster.stop();
      const api = await readBack(config);
      expect(api.service).toMatchObject({ clusterIP: "127.96.0.1", ports: [{ port: 443, targetPort: port }] });
      expect(api.ports).toMatchObject([{ port }]);
    }
  });

  test("does not start twice on one state directory, and says which process is in the way", async () => {
    await start();
    await expect(compose().start()).rejects.toMatchObject({
      cause: { code: "STORE_IN_USE", message: expect.stringContaining(`process ${process.pid}`) as string },
    });
    expect((await fetch(`${running[0]?.healthUrl}/readyz`)).status, "the first one goes on").toBe(200);
  });

  test("does not start on a port that is in use, names the option, and leaves the directory free", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    await expect(compose("--api-port", String(port)).start()).rejects.toMatchObject({
      cause: { code: "API_PORT_IN_USE", message: expect.stringContaining("--api-port") as string },
    });
    other.close();
    await start("--api-port", String(port));
  });
});

describe("the dev cluster as a process", { timeout: 20_000 }, () => {
  test("starts, and stops on SIGTERM with exit code 0", async () => {
    const cluster = await launch({ command: process.execPath, args: [main, ...flags()], ready: /"started"/ });
    expect(existsSync(join(directory.path, "kubeconfig"))).toBe(true);
    cluster.signal("SIGTERM");
    expect(await cluster.exited).toEqual({ code: 0, signal: null });
  });

  test("tells everything that is wrong with its options at once, and exits with 2", async () => {
    const args = [main, "--nodes", "none", "--service-cidr", "1.2.3.4/16", "--api-prt", "1"];
    const cluster = await launch({ command: process.execPath, args });
    expect(await cluster.exited).toEqual({ code: 2, signal: null });
    for (const field of ["nodes", "serviceCidr", "--api-prt"]) expect(cluster.stderr()).toContain(field);
  });
});

describe("the options", () => {
  test.each([
    [["--node-port-range", "32767-30000"], "nodePortRange"],
    [["--node-port-range", "many"], "nodePortRange"],
    [["--node-port-range", "30000-70000"], "nodePortRange"],
    [["--service-cidr", "127.64.0.0/12"], "overlaps"],
    [["--lb-pool", "127.96.7.0/24"], "overlaps"],
  ])("%j is refused", (argv, word) => {
    expect(() => readDevclusterConfig({ argv, env: {} })).toThrow(
      expect.objectContaining({ code: "CONFIG", message: expect.stringContaining(word) as string }) as Error,
    );
  });

  test("have the defaults of the documentation", () => {
    expect(readDevclusterConfig({ argv: [], env: {} })).toMatchObject({
      nodes: 2,
      apiPort: 6443,
      serviceCidr: "127.96.0.0/16",
      podCidr: "127.244.0.0/16",
      nodePortRange: { first: 30_000, last: 32_767 },
    });
  });
});

/** What is stored, read by a composition that is not started as a whole. */
async function readBack(
  config: ReturnType<typeof readDevclusterConfig>,
): Promise<{ service: unknown; ports: unknown }> {
  const { resolve } = wireDevcluster(config, given);
  const store = resolve(parts.store);
  store.open();
  try {
    const api = resolve(parts.api);
    return {
      service: api.get("services", "default", "kubernetes").spec,
      ports: api.get("endpointslices", "default", "kubernetes").ports,
    };
  } finally {
    store.close();
  }
}
