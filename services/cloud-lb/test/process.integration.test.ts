import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { eventually, freePort, launchService, startDevCluster, temporaryDirectory } from "@fairlead/testkit";
import type { DevCluster, Launched } from "@fairlead/testkit";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { addressesOf, addressOf, loadBalancer, machineClock, reasonsOf } from "./support/api.ts";

let cluster: DevCluster;
let client: KubeClient;

beforeAll(async () => {
  cluster = await startDevCluster(
    "--service-cidr=127.35.80.0/20",
    "--pod-cidr=127.35.128.0/17",
    "--node-cidr=127.35.2.0/24",
  );
  client = connect({ kubeconfig: cluster.kubeconfig, clock: machineClock });
}, 90_000);

afterAll(async () => {
  client?.transport.close();
  await cluster?.[Symbol.asyncDispose]();
});

/** A process of cloud-lb whose health server answers at `url`; ended with the test. */
async function start(...flags: string[]): Promise<Launched & { url: string }> {
  const address = `127.0.0.1:${await freePort()}`;
  const launched = await launchService(
    "cloud-lb",
    `--kubeconfig=${cluster.kubeconfig}`,
    `--health-address=${address}`,
    ...flags,
  );
  onTestFinished(() => launched.stop());
  return Object.assign(launched, { url: `http://${address}` });
}

const named = (name: string): { namespace: string; name: string } => ({ namespace: "default", name });
const text = async (url: string): Promise<string> => (await fetch(url)).text();
// Whole lines: the text of a HELP line must not pass for a sample.
const samples = async (url: string): Promise<string[]> => (await text(`${url}/metrics`)).split("\n");
const lease = () => client.get("leases", { namespace: "kube-system", name: "fairlead-cloud-lb" });

/** Stores Services; a test takes them away itself, while its processes still run. */
async function create(...names: string[]): Promise<void> {
  for (const name of names) await client.create("services", loadBalancer(name));
}

async function remove(...names: string[]): Promise<void> {
  for (const name of names) await client.delete("services", named(name));
  await eventually(async () => {
    for (const name of names) expect(await client.find("services", named(name))).toBeUndefined();
  });
}

test("a process answers for itself, and on SIGTERM gives back the lease and ends with code 0", async () => {
  const only = await start("--provider=pool", "--pool-range=127.35.0.0/28");
  await create("counted");
  await addressOf(client, "counted");
  for (const path of ["healthz", "livez", "readyz"]) expect((await fetch(`${only.url}/${path}`)).status).toBe(200);
  await eventually(async () => {
    const metrics = await samples(only.url);
    for (const line of [
      "fairlead_cloud_lb_leader 1",
      'fairlead_cloud_lb_syncs_total{operation="ensure",result="success"} 1',
      "fairlead_cloud_lb_pending_services 0",
      "service_controller_loadbalancer_nodes 2",
      'fairlead_cloud_lb_pool_addresses{pool="default"} 15',
      'fairlead_cloud_lb_pool_addresses_in_use{pool="default"} 1',
      "fairlead_cloud_lb_pool_config_stale 0",
    ]) {
      expect(metrics).toContain(line);
    }
  });
  await remove("counted");
  only.signal("SIGTERM");
  expect(await only.exited).toEqual({ code: 0, signal: null });
  expect((await lease()).spec?.holderIdentity).toBe("");
});

test("a second process waits ready, and leads after the first is killed: addresses stay, new ones are given", async () => {
  const flags = ["--provider=pool", "--pool-range=127.35.0.0/28"];
  const first = await start(...flags);
  await create("before");
  const address = await addressOf(client, "before");
  const second = await start(...flags);
  await eventually(async () => expect((await fetch(`${second.url}/readyz`)).status).toBe(200));
  expect(await samples(second.url)).toContain("fairlead_cloud_lb_leader 0");
  const { holderIdentity, leaseTransitions = 0 } = (await lease()).spec ?? {};
  first.signal("SIGKILL");
  await first.exited;
  await create("after");
  expect(await addressOf(client, "after")).not.toBe(address);
  expect(addressesOf(await client.get("services", named("before")))).toEqual([address]);
  expect(await samples(second.url)).toContain("fairlead_cloud_lb_leader 1");
  const { spec } = await lease();
  expect(spec?.holderIdentity).not.toBe(holderIdentity);
  expect(spec?.leaseTransitions).toBe(leaseTransitions + 1);
  await remove("before", "after");
});

test("the pool file is followed: room for who waits, no taking away, and at a start what is in no pool moves", async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory.remove());
  const path = join(directory.path, "pools.yaml");
  const pool = async (range: string): Promise<void> => {
    await writeFile(`${path}.new`, `pools: [{name: p, addresses: [${range}]}]`);
    await rename(`${path}.new`, path);
  };
  await pool("127.35.3.1");
  const first = await start("--provider=pool", `--pools=${path}`);
  await create("one");
  expect(await addressOf(client, "one")).toBe("127.35.3.1");
  await create("two");
  await eventually(async () => expect(await reasonsOf(client, "two")).toContain("SyncLoadBalancerFailed"));
  await pool("127.35.3.1-127.35.3.2");
  expect(await addressOf(client, "two")).toBe("127.35.3.2");
  await pool("127.35.3.2-127.35.3.3");
  await eventually(async () => expect(await samples(first.url)).toContain("fairlead_cloud_lb_pool_config_stale 1"));
  expect(await addressOf(client, "one")).toBe("127.35.3.1");
  await first.stop();
  const next = await start("--provider=pool", `--pools=${path}`);
  await eventually(async () => expect(await addressOf(client, "one")).toBe("127.35.3.3"));
  await eventually(async () => expect(await reasonsOf(client, "one")).toContain("ClearAssignment"));
  expect(await addressOf(client, "two")).toBe("127.35.3.2");
  expect(await samples(next.url)).toContain("fairlead_cloud_lb_pool_config_stale 0");
  await remove("one", "two");
});

test("a process whose pool file is missing or wrong does not start, and says why", async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory.remove());
  const path = join(directory.path, "pools.yaml");
  await expect(start("--provider=pool", `--pools=${path}`)).rejects.toThrow(/ENOENT[^]*could not start/);
  await writeFile(path, "pools: [{name: p, addresses: [127.35.3.1], autoassign: true}]");
  await expect(start("--provider=pool", `--pools=${path}`)).rejects.toThrow(/pools\[0\]\.autoassign/);
});

test("without a provider a LoadBalancer Service has its node ports, is pending, and hears nothing", async () => {
  const none = await start("--provider=none");
  await create("alone");
  expect((await fetch(`${none.url}/readyz`)).status).toBe(200);
  none.signal("SIGTERM");
  expect(await none.exited).toEqual({ code: 0, signal: null });
  const service = await client.get("services", named("alone"));
  expect(service.metadata?.finalizers).toBeUndefined();
  expect(service.status).toEqual({ loadBalancer: {} });
  expect(service.spec?.ports?.[0]?.nodePort).toBeGreaterThanOrEqual(30_000);
  expect(await reasonsOf(client, "alone")).toEqual([]);
  await remove("alone");
});
