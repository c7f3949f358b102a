import { connect } from "@fairlead/kube";
import type { KubeClient, Service } from "@fairlead/kube";
import { eventually, startDevCluster } from "@fairlead/testkit";
import type { DevCluster } from "@fairlead/testkit";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { AllocationError, NotLeaderError, RetryLaterError } from "../src/errors.ts";
import type { LoadBalancerStatus } from "../src/provider.ts";
import { cleanupFinalizer } from "../src/service-view.ts";
import { ServiceWriter } from "../src/service-writer.ts";
import { loadBalancer, machineClock } from "./support/api.ts";
import { lead } from "./support/terms.ts";

let cluster: DevCluster;
let client: KubeClient;
let count = 0;
/** Another one for each test. */
let name = "";

beforeAll(async () => {
  cluster = await startDevCluster(
    "--service-cidr=127.35.64.0/20",
    "--pod-cidr=127.35.128.0/17",
    "--node-cidr=127.35.1.0/24",
  );
  client = connect({ kubeconfig: cluster.kubeconfig, clock: machineClock });
}, 90_000);

afterAll(async () => {
  client?.transport.close();
  await cluster?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  count += 1;
  name = `service-${count}`;
});

const at = (): { namespace: string; name: string } => ({ namespace: "default", name });

/** Stores the test's Service; it is gone when the test is over, whatever holds it. */
async function create(more: Service["spec"] = {}, annotations: Record<string, string> = {}): Promise<void> {
  const target = at();
  await client.create("services", loadBalancer(name, more, annotations));
  // More than once: a term that still runs puts the finalizer back.
  onTestFinished(() =>
    eventually(async () => {
      if ((await client.find("services", target)) === undefined) return;
      await client.patch("services", target, { metadata: { finalizers: null } });
      await client.delete("services", target);
      throw new Error("looked at once more");
    }),
  );
}

/** Waits until the Service has its host name. */
async function served(): Promise<Service> {
  return eventually(async () => {
    const service = await client.get("services", at());
    expect(service.status?.loadBalancer?.ingress?.[0]?.hostname).toMatch(/\.lb\.example\.org$/);
    return service;
  });
}

const isGone = (): Promise<void> => eventually(async () => expect(await client.find("services", at())).toBeUndefined());

test("a load balancer is made with the finalizer already there, and told of after it is made", async () => {
  const { provider, reasons } = await lead(client);
  await create();
  const service = await served();
  expect(reasons(name)).toEqual(["EnsuringLoadBalancer", "EnsuredLoadBalancer"]);
  expect(provider.requests[0]?.service.metadata?.finalizers).toEqual([cleanupFinalizer]);
  expect(provider.requests[0]?.service.status?.loadBalancer?.ingress).toBeUndefined();
  expect(service.metadata?.finalizers).toEqual([cleanupFinalizer]);
});

test("a load balancer that cannot be taken away keeps its Service, until it can", async () => {
  const { provider, reasons, message } = await lead(client);
  await create();
  await served();
  provider.failing.ensureDeleted = new Error("the cloud is busy");
  await client.delete("services", at());
  await eventually(() => expect(reasons(name)).toContain("SyncLoadBalancerFailed"));
  expect(message(name, "SyncLoadBalancerFailed")).toBe(
    "Error syncing load balancer: failed to delete load balancer: the cloud is busy",
  );
  expect((await client.get("services", at())).metadata?.finalizers).toEqual([cleanupFinalizer]);
  delete provider.failing.ensureDeleted;
  await isGone();
  expect(provider.balancers.size).toBe(0);
  expect(reasons(name).at(-1)).toBe("DeletedLoadBalancer");
});

test("a Service that goes although it had the finalizer has its load balancer taken away all the same", async () => {
  const { provider, reasons, message } = await lead(client);
  await create();
  await served();
  provider.failing.ensureDeleted = new Error("the cloud is busy");
  await client.delete("services", at());
  await eventually(() => expect(reasons(name)).toContain("SyncLoadBalancerFailed"));
  await client.patch("services", at(), { metadata: { finalizers: null } });
  await isGone();
  await eventually(() => expect(reasons(name)).toContain("DeleteLoadBalancerFailed"));
  expect(message(name, "DeleteLoadBalancerFailed")).toBe("Error deleting load balancer: the cloud is busy");
  expect(provider.balancers.size).toBe(1);
  delete provider.failing.ensureDeleted;
  await eventually(() => expect(reasons(name).at(-1)).toBe("DeletedLoadBalancer"));
  expect(provider.balancers.size).toBe(0);
});

test("a Service that goes without our finalizer, held by another one, loses its load balancer", async () => {
  const { provider } = await lead(client);
  await create();
  await served();
  const finalizers = [cleanupFinalizer, "example.org/hold"];
  await client.patch("services", at(), { metadata: { finalizers } });
  provider.failing.ensureDeleted = new Error("the cloud is busy");
  await client.delete("services", at());
  await client.patch("services", at(), { metadata: { finalizers: ["example.org/hold"] } });
  delete provider.failing.ensureDeleted;
  await eventually(async () => {
    expect(provider.balancers.size).toBe(0);
    expect((await client.get("services", at())).status?.loadBalancer?.ingress).toBeUndefined();
  });
});

test("a provider that asks for time gets just that", async () => {
  const { provider, clock, reasons, message } = await lead(client);
  provider.failure = new RetryLaterError("still at work", 7_777);
  await create();
  await served();
  expect(clock.asked.filter((ms) => ms === 7_777)).toHaveLength(1);
  expect(message(name, "SyncLoadBalancerFailed")).toBe(
    "Error syncing load balancer: failed to ensure load balancer: still at work",
  );
  expect(reasons(name).at(-1)).toBe("EnsuredLoadBalancer");
});

test("any other failure is tried again after 2.5 to 5 s, and then twice that", async () => {
  const { provider, clock } = await lead(client);
  provider.failing.ensure = new Error("the cloud is busy");
  await create();
  const between = (least: number, most: number): number[] => clock.asked.filter((ms) => ms >= least && ms < most);
  await eventually(() => {
    expect(between(2_500, 5_000)).toHaveLength(1);
    expect(between(5_001, 10_000)).toHaveLength(1);
  });
  delete provider.failing.ensure;
  await served();
});

test("a Service that is refused waits, and asks again when a provider has room or its namespace has changed", async () => {
  const { provider, reasons, metrics } = await lead(client, { patient: true });
  const pending = async (): Promise<string | undefined> =>
    /^fairlead_cloud_lb_pending_services (\d+)$/m.exec(await metrics.text())?.[1];
  provider.failing.ensure = new AllocationError("there is no room");
  await create();
  await eventually(() => expect(reasons(name)).toContain("SyncLoadBalancerFailed"));
  expect(await pending()).toBe("1");
  const asked = provider.requests.length;
  await client.patch("namespaces", { name: "default" }, { metadata: { labels: { team: name } } });
  await eventually(() => expect(provider.requests.length).toBe(asked + 1));
  delete provider.failing.ensure;
  provider.grow();
  await served();
  await eventually(async () => expect(await pending()).toBe("0"));
});

test("a Service that others write meanwhile is looked at again at once, and that is no failure", async () => {
  const { provider, reasons } = await lead(client, { patient: true });
  const target = at();
  provider.meanwhile = () => client.patch("services", target, { metadata: { labels: { written: "meanwhile" } } });
  await create();
  const service = await served();
  expect(service.metadata?.labels).toEqual({ written: "meanwhile" });
  expect(provider.requests.length).toBeGreaterThan(1);
  expect(reasons(name)).not.toContain("SyncLoadBalancerFailed");
});

test("who came first is served first", async () => {
  const names = ["a", "b", "c", "d"].map((letter) => `${name}-${letter}`);
  for (const one of names) {
    name = one;
    await create();
  }
  const all = await Promise.all(names.map((one) => client.get("services", { namespace: "default", name: one })));
  const age = ({ metadata }: Service): string => `${metadata?.creationTimestamp} ${metadata?.uid}`;
  const oldestFirst = all.sort((a, b) => (age(a) < age(b) ? -1 : 1)).map(({ metadata }) => metadata?.name);
  const { said } = await lead(client);
  const begun = (): string[] =>
    said.filter((one) => one.reason === "EnsuringLoadBalancer" && names.includes(one.name)).map((one) => one.name);
  await eventually(() => expect(begun().length).toBeGreaterThanOrEqual(4));
  expect(begun().slice(0, 4)).toEqual(oldestFirst);
});

test("a Service that loses what it had shows nothing any more, and gets it again when there is room", async () => {
  const { provider } = await lead(client, { patient: true });
  await create();
  await served();
  provider.failing.ensure = new AllocationError("taken away", { withdrawn: true });
  await client.patch("services", at(), { metadata: { annotations: { changed: "yes" } } });
  await eventually(async () => {
    expect((await client.get("services", at())).status?.loadBalancer?.ingress).toBeUndefined();
  });
  delete provider.failing.ensure;
  provider.grow();
  await served();
});

test("where node ports are needed and not there, the Service says which, until it has them", async () => {
  const { provider, message } = await lead(client);
  await create({ allocateLoadBalancerNodePorts: false, ports: [{ name: "web", port: 80 }] });
  await eventually(() => expect(message(name, "SyncLoadBalancerFailed")).toMatch(/needs node ports.* for web$/));
  expect(provider.requests).toEqual([]);
  await client.patch("services", at(), { spec: { allocateLoadBalancerNodePorts: true } });
  await served();
});

test("the provider is told the source ranges and the health check port, and a wrong range is said", async () => {
  const { provider, message } = await lead(client);
  const annotation = "service.beta.kubernetes.io/load-balancer-source-ranges";
  await create({ externalTrafficPolicy: "Local" }, { [annotation]: "everybody" });
  await eventually(() => expect(message(name, "SyncLoadBalancerFailed")).toContain(annotation));
  await client.patch("services", at(), { metadata: { annotations: { [annotation]: "192.0.2.0/24" } } });
  const { spec } = await served();
  expect([...provider.balancers.values()]).toMatchObject([
    { sourceRanges: ["192.0.2.0/24"], healthCheckPort: spec?.healthCheckNodePort },
  ]);
  expect(spec?.healthCheckNodePort).toBeGreaterThan(0);
});

test("a change is said before it is acted on", async () => {
  const { said } = await lead(client);
  await create();
  await served();
  const spec = { loadBalancerSourceRanges: ["192.0.2.0/24"] };
  await client.patch("services", at(), { spec });
  await eventually(() => expect(said.filter(({ reason }) => reason === "EnsuredLoadBalancer")).toHaveLength(2));
  await client.patch("services", at(), { spec: { type: "NodePort", loadBalancerSourceRanges: null } });
  await eventually(() => expect(said.at(-1)?.reason).toBe("DeletedLoadBalancer"));
  expect(said.slice(2).map(({ reason, message }) => `${reason}: ${message}`)).toEqual([
    "LoadBalancerSourceRanges: [] -> [192.0.2.0/24]",
    "EnsuringLoadBalancer: Ensuring load balancer",
    "EnsuredLoadBalancer: Ensured load balancer",
    "Type: LoadBalancer -> NodePort",
    "DeletingLoadBalancer: Deleting load balancer",
    "DeletedLoadBalancer: Deleted load balancer",
  ]);
});

test("a finalizer that somebody takes away is put back", async () => {
  await lead(client);
  await create();
  await served();
  await client.patch("services", at(), { metadata: { finalizers: null } });
  await eventually(async () => {
    expect((await client.get("services", at())).metadata?.finalizers).toEqual([cleanupFinalizer]);
  });
});

const excluded = "node.kubernetes.io/exclude-from-external-load-balancers";

async function exclude(node: string, on: boolean): Promise<void> {
  await client.patch("nodes", { name: node }, { metadata: { labels: { [excluded]: on ? "" : null } } });
}

test("load balancers follow the nodes; a failure names them; with no node left nothing else is said", async () => {
  const { provider, reasons, message } = await lead(client);
  onTestFinished(async () => {
    for (const node of ["node-1", "node-2"]) await exclude(node, false);
  });
  await create();
  await served();
  provider.failing.update = new Error("the cloud is busy");
  await exclude("node-2", true);
  await eventually(() => expect(reasons(name)).toContain("UpdateLoadBalancerFailed"));
  expect(message(name, "UpdateLoadBalancerFailed")).toBe(
    "Error updating load balancer with new hosts [node-1]: the cloud is busy",
  );
  delete provider.failing.update;
  await eventually(() => expect(reasons(name).at(-1)).toBe("UpdatedLoadBalancer"));
  expect([...provider.balancers.values()]).toMatchObject([{ nodes: ["node-1"] }]);
  await exclude("node-1", true);
  await eventually(() => expect(reasons(name).at(-1)).toBe("UnAvailableLoadBalancer"));
  expect(reasons(name).filter((reason) => reason === "UpdatedLoadBalancer")).toHaveLength(1);
  // Its load balancer vanished in the cloud: it is made again.
  provider.balancers.clear();
  provider.failing.update = new Error("there is no such load balancer");
  await exclude("node-1", false);
  await eventually(() => expect([...provider.balancers.values()]).toMatchObject([{ nodes: ["node-1"] }]));
  expect(reasons(name).filter((reason) => reason === "UpdateLoadBalancerFailed")).toHaveLength(1);
});

test("with no node to send traffic to, a load balancer is made all the same, and that is said", async () => {
  const nodes = ["node-1", "node-2"];
  onTestFinished(async () => {
    for (const node of nodes) await exclude(node, false);
  });
  for (const node of nodes) await exclude(node, true);
  const { reasons } = await lead(client);
  await create();
  await served();
  expect(reasons(name)).toEqual(["EnsuringLoadBalancer", "UnAvailableLoadBalancer", "EnsuredLoadBalancer"]);
});

test("what is not there is not said to be deleted", async () => {
  const { provider, reasons } = await lead(client);
  await create();
  await served();
  provider.balancers.clear();
  await client.delete("services", at());
  await isGone();
  await eventually(() =>
    expect(reasons(name)).toEqual(["EnsuringLoadBalancer", "EnsuredLoadBalancer", "DeletedLoadBalancer"]),
  );
});

test("who may not lead asks the provider for nothing and writes nothing", async () => {
  const { provider, state, reasons } = await lead(client);
  await create();
  await served();
  state.leads = false;
  await client.patch("services", at(), { metadata: { annotations: { changed: "yes" } } });
  const times = (wanted: string): number => reasons(name).filter((reason) => reason === wanted).length;
  await eventually(() => expect(times("EnsuringLoadBalancer")).toBe(2));
  await client.delete("services", at());
  await eventually(() => expect(times("DeletingLoadBalancer")).toBe(1));
  expect([times("EnsuredLoadBalancer"), times("DeletedLoadBalancer")]).toEqual([1, 0]);
  expect(times("SyncLoadBalancerFailed")).toBe(0);
  expect([provider.requests.length, provider.balancers.size]).toEqual([1, 1]);
  expect((await client.get("services", at())).metadata?.finalizers).toEqual([cleanupFinalizer]);
});

test("a write of what others have written since is refused, and one that changes nothing is not made", async () => {
  await create();
  const stale = await client.get("services", at());
  await client.patch("services", at(), { metadata: { finalizers: ["example.org/hold"] } });
  const writer = new ServiceWriter({ client, mustLead: () => {} });
  const status: LoadBalancerStatus = { ingress: [{ ip: "192.0.2.1", ipMode: "VIP" }] };
  for (const write of [writer.addFinalizer(stale), writer.writeStatus(stale, status)]) {
    await expect(write).rejects.toMatchObject({ code: "Conflict" });
  }
  const kept = await writer.addFinalizer(await client.get("services", at()));
  expect(kept.metadata?.finalizers).toEqual(["example.org/hold", cleanupFinalizer]);
  const written = await writer.writeStatus(kept, status);
  const barred = new ServiceWriter({
    client,
    mustLead: () => {
      throw new NotLeaderError();
    },
  });
  expect(await barred.writeStatus(written, status)).toBe(written);
  expect(await barred.addFinalizer(written)).toBe(written);
  const proxied = barred.writeStatus(written, { ingress: [{ ip: "192.0.2.1", ipMode: "Proxy" }] });
  await expect(proxied).rejects.toMatchObject({ code: "NOT_LEADER" });
  await expect(writer.removeFinalizer(kept)).rejects.toMatchObject({ code: "Conflict" });
  expect((await writer.removeFinalizer(written))?.metadata?.finalizers).toEqual(["example.org/hold"]);
});

test("Services of another class are noted and else left alone, by the class that is served", async () => {
  const { provider, said } = await lead(client, { loadBalancerClass: "example.org/cloud" });
  await create();
  const noted = (): string[] => provider.others.filter((one) => one.startsWith(`${name} `));
  await eventually(() => expect(noted()).toEqual([`${name} there`]));
  await client.delete("services", at());
  await eventually(() => expect(noted()).toEqual([`${name} there`, `${name} gone`]));
  expect(said).toEqual([]);
  name = `${name}-own`;
  await create({ loadBalancerClass: "example.org/cloud" });
  await served();
  expect(noted()).toEqual([]);
});

test("a term that has ended does nothing more", async () => {
  const { provider, term } = await lead(client);
  await term.stop();
  await create();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(provider.requests).toEqual([]);
});
