import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { connect } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { eventually, launchService, needs, startDevCluster } from "@fairlead/testkit";
import type { DevCluster, Launched } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanupFinalizer } from "../src/service-view.ts";
import { addressesOf, addressOf, loadBalancer, machineClock, reasonsOf } from "./support/api.ts";

// Addresses 127.201.0.1 to .6: .0 is left out.
const flags = ["--provider=pool", "--pool-range=127.201.0.0/29"];

let cluster: DevCluster;
let client: KubeClient;
let cloudLb: Launched;

beforeAll(async () => {
  cluster = await startDevCluster(
    "--service-cidr=127.97.0.0/16",
    "--pod-cidr=127.245.0.0/16",
    "--node-cidr=127.65.0.0/24",
  );
  client = connect({ kubeconfig: cluster.kubeconfig, clock: machineClock });
  cloudLb = await launchService("cloud-lb", `--kubeconfig=${cluster.kubeconfig}`, ...flags);
}, 90_000);

afterAll(async () => {
  client?.transport.close();
  await cloudLb?.stop();
  await cluster?.[Symbol.asyncDispose]();
});

const named = (name: string): { namespace: string; name: string } => ({ namespace: "default", name });

async function remove(...names: string[]): Promise<void> {
  for (const name of names) await client.delete("services", named(name));
  await eventually(async () => {
    const left = await Promise.all(names.map((name) => client.find("services", named(name))));
    if (left.some((one) => one !== undefined)) throw new Error("a Service is still there");
  });
}

test("a Service gets an address of mode VIP, the finalizer, and Events in the order of the cloud providers", async () => {
  await client.create("services", loadBalancer("first"));
  expect(await addressOf(client, "first")).toMatch(/^127\.201\.0\.[1-7]$/);
  const service = await client.get("services", named("first"));
  expect(service.metadata?.finalizers).toEqual([cleanupFinalizer]);
  expect(service.status?.loadBalancer?.ingress).toEqual([{ ip: addressesOf(service)[0], ipMode: "VIP" }]);
  await eventually(async () => {
    expect(await reasonsOf(client, "first")).toEqual(["EnsuringLoadBalancer", "IPAllocated", "EnsuredLoadBalancer"]);
    const { items } = await client.list("events", { namespace: "default" });
    const about = items.filter(({ involvedObject }) => involvedObject.name === "first");
    expect(about.map(({ count }) => count)).toEqual([1, 1, 1]);
  });
  await remove("first");
  await eventually(async () => {
    expect((await reasonsOf(client, "first")).slice(3)).toEqual(["DeletingLoadBalancer", "DeletedLoadBalancer"]);
  });
});

test("an address is kept over a restart, and nobody else gets it", async () => {
  await Promise.all(["kept-a", "kept-b"].map((name) => client.create("services", loadBalancer(name))));
  const before = await Promise.all(["kept-a", "kept-b"].map((name) => addressOf(client, name)));
  expect(new Set(before).size).toBe(2);
  await cloudLb.stop();
  cloudLb = await launchService("cloud-lb", `--kubeconfig=${cluster.kubeconfig}`, ...flags);
  await client.create("services", loadBalancer("kept-c"));
  expect(before).not.toContain(await addressOf(client, "kept-c"));
  expect(await Promise.all(["kept-a", "kept-b"].map((name) => addressOf(client, name)))).toEqual(before);
  await remove("kept-a", "kept-b", "kept-c");
});

test("a change of the type gives the address back and takes the finalizer away", async () => {
  await client.create("services", loadBalancer("changing"));
  await addressOf(client, "changing");
  await client.patch("services", named("changing"), { spec: { type: "ClusterIP" } });
  await eventually(async () => {
    const service = await client.get("services", named("changing"));
    expect(service.metadata?.finalizers).toBeUndefined();
    expect(addressesOf(service)).toEqual([]);
    expect(await reasonsOf(client, "changing")).toContain("DeletedLoadBalancer");
  });
  await client.patch("services", named("changing"), { spec: { type: "LoadBalancer" } });
  await addressOf(client, "changing");
  await remove("changing");
});

test("an exhausted pool leaves a Service pending with an Event, until an address is given back", async () => {
  const names = [1, 2, 3, 4, 5, 6, 7].map((n) => `many-${n}`);
  for (const name of names) await client.create("services", loadBalancer(name));
  const addresses = await Promise.all(names.map((name) => addressOf(client, name)));
  expect(new Set(addresses).size).toBe(7);
  await client.create("services", loadBalancer("too-many"));
  await eventually(async () => expect(await reasonsOf(client, "too-many")).toContain("SyncLoadBalancerFailed"));
  expect(addressesOf(await client.get("services", named("too-many")))).toEqual([]);
  await client.delete("services", named("many-4"));
  expect(await addressOf(client, "too-many")).toBe(addresses[3]);
  await remove(...names, "too-many");
});

test("an address that is asked for is given, or refused where another has it or no pool does", async () => {
  await client.create("services", loadBalancer("asks", { loadBalancerIP: "127.201.0.6" }));
  expect(await addressOf(client, "asks")).toBe("127.201.0.6");
  await client.create("services", loadBalancer("asks-too", {}, { "metallb.io/loadBalancerIPs": "127.201.0.6" }));
  await client.create("services", loadBalancer("asks-outside", {}, { "fairlead.dev/loadBalancerIPs": "127.202.0.1" }));
  for (const name of ["asks-too", "asks-outside"]) {
    await eventually(async () => expect(await reasonsOf(client, name)).toContain("SyncLoadBalancerFailed"));
    expect(addressesOf(await client.get("services", named(name)))).toEqual([]);
  }
  await client.delete("services", named("asks"));
  expect(await addressOf(client, "asks-too")).toBe("127.201.0.6");
  await remove("asks-too", "asks-outside");
});

test("Services with one key share an address as long as their ports differ", async () => {
  const key = { "metallb.io/allow-shared-ip": "together" };
  await client.create("services", loadBalancer("http", {}, key));
  const address = await addressOf(client, "http");
  await client.create("services", loadBalancer("dns", { ports: [{ port: 53, protocol: "UDP" }] }, key));
  expect(await addressOf(client, "dns")).toBe(address);
  await client.create("services", loadBalancer("http-too", {}, key));
  expect(await addressOf(client, "http-too")).not.toBe(address);
  await remove("http", "dns", "http-too");
});

test("a status that somebody else overwrites is put right", async () => {
  await client.create("services", loadBalancer("meddled"));
  const address = await addressOf(client, "meddled");
  await client.patchStatus("services", named("meddled"), { loadBalancer: { ingress: [{ ip: "127.202.0.9" }] } });
  await eventually(async () => expect(await addressOf(client, "meddled")).toBe(address));
  await remove("meddled");
});

test("a Service of another class is left alone", async () => {
  await client.create("services", loadBalancer("foreign", { loadBalancerClass: "example.org/other" }));
  await client.create("services", loadBalancer("own", { loadBalancerClass: "fairlead.dev/cloud-lb" }));
  await addressOf(client, "own");
  const foreign = await client.get("services", named("foreign"));
  expect(addressesOf(foreign)).toEqual([]);
  expect(foreign.metadata?.finalizers).toBeUndefined();
  await remove("foreign", "own");
});

test("a change of the nodes updates every load balancer, and none at all is said", async () => {
  await client.create("services", loadBalancer("noded"));
  await addressOf(client, "noded");
  const { items } = await client.list("nodes");
  const label = "node.kubernetes.io/exclude-from-external-load-balancers";
  const exclude = async (value: string | null): Promise<void> => {
    for (const { metadata } of items) {
      await client.patch("nodes", { name: metadata?.name ?? "" }, { metadata: { labels: { [label]: value } } });
    }
  };
  await exclude("");
  await eventually(async () => {
    expect(await reasonsOf(client, "noded")).toEqual(
      expect.arrayContaining(["UpdatedLoadBalancer", "UnAvailableLoadBalancer"]),
    );
  });
  await exclude(null);
  await remove("noded");
});

test("a second process waits, and takes over when the first one stops", async () => {
  await client.create("services", loadBalancer("handed"));
  const address = await addressOf(client, "handed");
  const second = await launchService("cloud-lb", `--kubeconfig=${cluster.kubeconfig}`, ...flags);
  await Promise.all(["both-1", "both-2", "both-3"].map((name) => client.create("services", loadBalancer(name))));
  const all = await Promise.all(["both-1", "both-2", "both-3"].map((name) => addressOf(client, name)));
  expect(new Set([address, ...all]).size).toBe(4);
  expect(second.stdout()).not.toMatch(/"message":"leads"/);
  await cloudLb.stop();
  cloudLb = second;
  await eventually(() => expect(second.stdout()).toMatch(/"message":"leads"/), { timeoutMs: 15_000 });
  await client.create("services", loadBalancer("after"));
  expect([address, ...all]).not.toContain(await addressOf(client, "after"));
  expect(await addressOf(client, "handed")).toBe(address);
  await remove("handed", "both-1", "both-2", "both-3", "after");
});

/** Reasons of the Events that `kubectl describe` prints, from top to bottom. */
function reasonsIn(text: string): string[] {
  const lines = text.slice(text.indexOf("Events:")).split("\n");
  return lines.flatMap((line) => /^ +(?:Normal|Warning) +(\w+)/.exec(line)?.[1] ?? []);
}

describe.skipIf(needs("kubectl"))("kubectl", () => {
  const kubectl = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)("kubectl", [`--kubeconfig=${cluster.kubeconfig}`, ...args])).stdout;

  test("shows a LoadBalancer Service as on a cloud", async () => {
    await client.create("services", loadBalancer("shown", { loadBalancerSourceRanges: ["127.0.0.0/8"] }));
    const address = await addressOf(client, "shown");
    expect(await kubectl("get", "svc", "shown")).toMatch(new RegExp(`LoadBalancer +[0-9.]+ +${address} +80:\\d+/TCP`));
    await eventually(async () => {
      const text = await kubectl("describe", "svc", "shown");
      expect(text).toMatch(new RegExp(`LoadBalancer Ingress: +${address} \\(VIP\\)`));
      expect(text).toMatch(/LoadBalancer Source Ranges: +127\.0\.0\.0\/8/);
      expect(text).toMatch(/NodePort: +<unset> +\d+\/TCP/);
      expect(text).toMatch(/Normal +EnsuringLoadBalancer +.* service-controller +Ensuring load balancer/);
      expect(text).toMatch(/Normal +EnsuredLoadBalancer +.* service-controller +Ensured load balancer/);
      expect(reasonsIn(text)).toEqual(["EnsuringLoadBalancer", "IPAllocated", "EnsuredLoadBalancer"]);
    });
    await client.patch("services", named("shown"), { spec: { type: "ClusterIP", loadBalancerSourceRanges: null } });
    await eventually(async () => {
      const text = await kubectl("describe", "svc", "shown");
      expect(text).not.toContain("LoadBalancer Ingress");
      expect(text).toMatch(/Normal +Type +.* service-controller +LoadBalancer -> ClusterIP/);
      expect(reasonsIn(text).slice(3)).toEqual(["Type", "DeletingLoadBalancer", "DeletedLoadBalancer"]);
    });
    await remove("shown");
  });

  test("shows a Service without node ports that has its address all the same", async () => {
    const more = { allocateLoadBalancerNodePorts: false, loadBalancerIP: "127.201.0.5" };
    await client.create("services", loadBalancer("portless", more));
    expect(await addressOf(client, "portless")).toBe("127.201.0.5");
    expect(await kubectl("get", "svc", "portless")).toMatch(/ 127\.201\.0\.5 +80\/TCP /);
    const text = await kubectl("describe", "svc", "portless");
    expect(text).toMatch(/Desired LoadBalancer IP: +127\.201\.0\.5/);
    expect(text).not.toContain("NodePort:");
    await remove("portless");
  });

  test("shows one that waits as pending, with the reason, and what it waits for", async () => {
    await client.create("services", loadBalancer("waiting", { loadBalancerIP: "127.202.0.1" }));
    await eventually(async () => {
      expect(await kubectl("describe", "svc", "waiting")).toMatch(
        /Warning +SyncLoadBalancerFailed +.* service-controller +Error syncing load balancer: failed to ensure load balancer: no address pool holds 127\.202\.0\.1/,
      );
    });
    expect(await kubectl("get", "svc", "waiting")).toContain("<pending>");
    await remove("waiting");
  });
});
