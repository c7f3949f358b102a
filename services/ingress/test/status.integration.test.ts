/** Several replicas beside one API: one writes the status, the last one takes it back. */
import { createMemoryFeed } from "@fairlead/bus";
import { silentLogger, systemClock, systemRandom } from "@fairlead/host";
import { connect } from "@fairlead/kube";
import type { KubeClient } from "@fairlead/kube";
import { eventually, startDevCluster } from "@fairlead/testkit";
import type { DevCluster } from "@fairlead/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { composeIngress } from "../src/compose.ts";
import type { IngressService } from "../src/compose.ts";
import { readIngressConfig } from "../src/config.ts";
import { ingress, ingressClass } from "./support/ingress-objects.ts";

let cluster: DevCluster;
let client: KubeClient;
const running = new Set<IngressService>();

beforeAll(async () => {
  cluster = await startDevCluster(
    "--node-cidr=127.34.3.0/24",
    "--pod-cidr=127.34.192.0/18",
    "--service-cidr=127.34.32.0/19",
  );
  client = connect({ kubeconfig: cluster.kubeconfig, clock: systemClock });
  await client.create("ingressclasses", ingressClass());
  await client.create("ingresses", ingress("web", { "a.example.org": [{ path: "/" }] }));
});

afterAll(async () => {
  await Promise.all([...running].map((service) => service.stop()));
  client?.transport.close();
  await cluster?.[Symbol.asyncDispose]();
});

async function start(address: string, ...more: string[]): Promise<IngressService> {
  const memory = createMemoryFeed({ clock: systemClock });
  await memory.publisher().takeOver(new Map());
  const argv = [
    `--kubeconfig=${cluster.kubeconfig}`,
    "--http-address=127.0.0.1:0",
    "--https-address=127.0.0.1:0",
    "--health-address=127.0.0.1:0",
    `--publish-address=${address}`,
    ...more,
  ];
  const service = composeIngress(readIngressConfig({ argv, env: {} }), {
    feed: memory.feed,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
  });
  running.add(service);
  await service.start();
  return service;
}

async function stop(service: IngressService): Promise<void> {
  running.delete(service);
  await service.stop();
}

async function status(): Promise<(string | undefined)[]> {
  const found = await client.get("ingresses", { namespace: "default", name: "web" });
  return (found.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
}

async function leads(service: IngressService): Promise<boolean> {
  const text = await (await fetch(`${service.healthUrl}/metrics`)).text();
  return /^fairlead_ingress_leader 1$/m.test(text);
}

test("one replica writes the status; when it stops the next one does, and the last takes it back", async () => {
  const first = await start("127.0.0.1");
  await eventually(async () => expect(await status()).toEqual(["127.0.0.1"]));
  const second = await start("127.0.0.2");
  await eventually(async () => expect((await fetch(`${second.healthUrl}/readyz`)).status).toBe(200));
  expect([await leads(first), await leads(second)]).toEqual([true, false]);
  expect(await status()).toEqual(["127.0.0.1"]);
  await stop(first);
  await eventually(async () => expect(await status()).toEqual(["127.0.0.2"]));
  expect(await leads(second)).toBe(true);
  await stop(second);
  expect(await status()).toEqual([]);
});

test("told not to, it leaves the status", async () => {
  const only = await start("127.0.0.3", "--no-update-status-on-shutdown");
  await eventually(async () => expect(await status()).toEqual(["127.0.0.3"]));
  await stop(only);
  expect(await status()).toEqual(["127.0.0.3"]);
});

test("beside another pod of its labels it leaves the status, and takes it back once that is gone", async () => {
  const pod = (name: string, hash: string) => ({
    metadata: { namespace: "default", name, labels: { app: "ingress", "pod-template-hash": hash } },
    spec: { containers: [{ name: "main", image: "luksa/kubia" }] },
  });
  await client.create("pods", pod("replica-1", "one"));
  await client.create("pods", pod("replica-2", "two"));
  await eventually(async () => {
    const { items } = await client.list("pods", { namespace: "default" });
    expect(items.map((one) => one.status?.phase)).toEqual(["Running", "Running"]);
  });
  const first = await start("127.0.0.4", "--pod-name=replica-1", "--pod-namespace=default");
  await eventually(async () => expect(await status()).toEqual(["127.0.0.4"]));
  await stop(first);
  expect(await status()).toEqual(["127.0.0.4"]);
  await client.delete("pods", { namespace: "default", name: "replica-2" });
  await eventually(async () => expect((await client.list("pods", { namespace: "default" })).items).toHaveLength(1));
  const last = await start("127.0.0.4", "--pod-name=replica-1", "--pod-namespace=default");
  await eventually(async () => expect(await leads(last)).toBe(true));
  await eventually(async () => expect((await fetch(`${last.healthUrl}/readyz`)).status).toBe(200));
  await stop(last);
  expect(await status()).toEqual([]);
});
