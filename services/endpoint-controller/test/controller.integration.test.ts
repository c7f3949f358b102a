import { startDevCluster } from "@fairlead/testkit";
import type { DevCluster } from "@fairlead/testkit";
import { setTimeout as sleep } from "node:timers/promises";
import { podFeedKey, serviceFeedKey, serviceKey } from "@fairlead/types";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  managedByLabel,
  mirrorController,
  serviceNameLabel,
  sliceController,
  triggerTimeAnnotation,
} from "../src/plan/labels.ts";
import { ControllerRig } from "./support/controller-rig.ts";

let cluster: DevCluster;
let rig: ControllerRig;
let namespaces = 0;
let ns: string;

beforeAll(async () => {
  cluster = await startDevCluster();
});

afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

beforeEach(async () => {
  rig = new ControllerRig({ kubeconfig: cluster.kubeconfig });
  await rig.node();
  ns = await rig.namespace(`test-${(namespaces += 1)}`);
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  // Whatever happens, nobody is told of a failure that was none: races with other writers settle in silence.
  const told = [...rig.log.messages("warn"), ...rig.log.messages("error")];
  if (told.length > 0) throw new Error(`it complained: ${told.join("; ")}`);
});

const web = (name = "web"): { namespace: string; name: string } => ({ namespace: ns, name });

/** Waits for the quiet after a change, then says how many writes a while of nothing takes. */
async function writesWhileNothingHappens(): Promise<number> {
  let before = await rig.writes();
  await rig.eventually(async () => {
    await sleep(300);
    const now = await rig.writes();
    const quiet = now === before;
    before = now;
    expect(quiet).toBe(true);
  });
  await sleep(500);
  return (await rig.writes()) - before;
}

test("namespaces and pods are on their feeds for as long as they exist", async () => {
  await rig.start();
  const more = await rig.namespace(`${ns}-more`);
  await rig.eventually(() => expect([...rig.namespaces.namespaces]).toEqual(expect.arrayContaining([ns, more])));
  await rig.pod(more, "web-1", { app: "web", ip: "127.244.200.1", ready: false });
  const key = podFeedKey(more, "web-1");
  const value = { kind: "pod", pod: { namespace: more, name: "web-1", addresses: ["127.244.200.1"] } };
  await rig.eventually(() => expect(rig.pods.values.get(key)).toEqual(value));
  await rig.ready(more, "web-1", true);
  await rig.removePod(more, "web-1");
  await rig.eventually(() => expect(rig.pods.values.has(key)).toBe(false));
  await rig.client.transport.request({ method: "DELETE", path: `/api/v1/namespaces/${more}` });
  await rig.eventually(() => expect(rig.namespaces.namespaces.has(more)).toBe(false));
  expect(rig.view.namespaces.size).toBe(0);
});

test("a Service's pods come and go with their readiness, in slices, Endpoints and feed alike", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.eventually(async () => expect(await rig.slices(ns, "web")).toMatchObject([{ endpoints: [], ports: [] }]));
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  await rig.pod(ns, "b", { app: "web", ip: "127.244.9.2", ready: false });
  await rig.eventually(() => {
    expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]);
    expect(rig.onFeed(ns, "web").get("127.244.9.2")).toMatchObject({
      ready: false,
      serving: false,
      terminating: false,
      zone: "zone-a",
    });
  });
  await rig.ready(ns, "b", true);
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1", "127.244.9.2"]));
  await rig.client.delete("pods", web("a"));
  await rig.eventually(() =>
    expect(rig.onFeed(ns, "web").get("127.244.9.1")).toMatchObject({ ready: false, serving: true, terminating: true }),
  );
  await rig.eventually(async () => {
    const endpoints = await rig.client.get("endpoints", web());
    expect(endpoints.subsets).toMatchObject([
      { addresses: [{ ip: "127.244.9.2" }], ports: [{ port: 8080, protocol: "TCP" }] },
    ]);
    expect(endpoints.subsets?.[0]).not.toHaveProperty("notReadyAddresses");
  });
  await rig.removePod(ns, "a");
  await rig.eventually(() => expect([...rig.onFeed(ns, "web").keys()]).toEqual(["127.244.9.2"]));
  expect(rig.view.services.get(serviceKey(ns, "web"))).toMatchObject({ name: "web", ports: [{ port: 80 }] });
  expect(await rig.slices(ns, "web")).toMatchObject([
    { metadata: { labels: { [managedByLabel]: sliceController } }, ports: [{ port: 8080 }] },
  ]);
});

test("nothing is written while nothing happens, and a write's echo causes none", async () => {
  await rig.start();
  await rig.service(ns, "web");
  for (const n of [1, 2, 3]) await rig.pod(ns, `p${n}`, { app: "web", ip: `127.244.9.${n}` });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toHaveLength(3));
  expect(await writesWhileNothingHappens()).toBe(0);
  // What is no news to endpoints is none to the API, and none to the feed.
  const batches = rig.batches.length;
  const before = await rig.writes();
  await rig.client.patch("pods", web("p1"), { metadata: { annotations: { note: "new" }, labels: { tier: "front" } } });
  await rig.client.patchStatus(
    "nodes",
    { name: "bare-1" },
    { conditions: [{ type: "MemoryPressure", status: "False" }] },
  );
  await sleep(500);
  expect(await rig.writes()).toBe(before);
  expect(
    rig.batches.slice(batches).flatMap(({ changes }) => changes.filter(({ key }) => !key.startsWith("node.node-"))),
  ).toEqual([]);
});

test("a pod that flips quickly ends as it is", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  for (let n = 0; n < 25; n += 1) await rig.ready(ns, "a", n % 2 === 0);
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]));
  await rig.ready(ns, "a", false);
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual([]));
  expect(await writesWhileNothingHappens()).toBe(0);
  expect(rig.readyOnFeed(ns, "web")).toEqual([]);
});

test("200 pods that come at once are few writes", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await Promise.all(
    Array.from({ length: 200 }, (_, n) => rig.pod(ns, `p${n}`, { app: "web", ip: `127.244.9.${n + 1}` })),
  );
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toHaveLength(200));
  const slices = await rig.slices(ns, "web");
  // How they pack depends on how many came together; none is over the bound, and none stands twice.
  expect(Math.max(...slices.map(({ endpoints = [] }) => endpoints.length))).toBeLessThanOrEqual(100);
  expect(new Set(slices.flatMap(({ endpoints = [] }) => endpoints.flatMap(({ addresses }) => addresses))).size).toBe(
    200,
  );
  await rig.eventually(async () =>
    expect((await rig.client.get("endpoints", web())).subsets?.[0]?.addresses).toHaveLength(200),
  );
  // One or two slices and the Endpoints a time; a write for each pod alone would be 400 and more.
  const writes = await rig.writes();
  expect(writes).toBeGreaterThan(2);
  expect(writes).toBeLessThan(100);
  // Own writes are known before their echo, so none of them was in vain.
  expect(await rig.failedSyncs()).toBe(0);
  expect(await writesWhileNothingHappens()).toBe(0);
});

test("a Service deleted and made again under its name has slices of its own, and none of the former", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]));
  await rig.client.delete("services", web());
  const again = await rig.service(ns, "web");
  await rig.eventually(async () => {
    const slices = await rig.slices(ns, "web");
    expect(slices).toHaveLength(1);
    expect(slices[0]?.metadata?.ownerReferences?.[0]?.uid).toBe(again.metadata?.uid);
    expect(slices[0]?.endpoints).toHaveLength(1);
    const endpoints = await rig.client.get("endpoints", web());
    expect(endpoints.subsets?.[0]?.addresses).toHaveLength(1);
    expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]);
    expect(rig.view.services.get(serviceKey(ns, "web"))?.uid).toBe(again.metadata?.uid);
  });
  expect(await writesWhileNothingHappens()).toBe(0);
  await rig.client.delete("services", web());
  await rig.eventually(async () => {
    expect(await rig.client.find("endpoints", web())).toBeUndefined();
    expect(await rig.slices(ns, "web")).toEqual([]);
    expect(rig.view.services.has(serviceKey(ns, "web"))).toBe(false);
    expect(rig.view.slicesOf(serviceKey(ns, "web"))).toEqual([]);
  });
});

test("hand-made Endpoints are mirrored while the Service has no selector", async () => {
  await rig.start();
  await rig.client.create("services", { metadata: { namespace: ns, name: "web" }, spec: { ports: [{ port: 80 }] } });
  const subsets = [{ addresses: [{ ip: "127.244.8.1" }, { ip: "127.244.8.2" }], ports: [{ port: 8080 }] }];
  await rig.client.create("endpoints", { metadata: { ...web(), labels: { team: "a" } }, subsets });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.8.1", "127.244.8.2"]));
  expect(await rig.slices(ns, "web")).toMatchObject([
    { metadata: { labels: { [managedByLabel]: mirrorController, team: "a" } } },
  ]);
  expect(await writesWhileNothingHappens()).toBe(0);

  await rig.client.patch("endpoints", web(), {
    subsets: [{ addresses: [{ ip: "127.244.8.3" }], ports: [{ port: 8080 }] }],
  });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.8.3"]));

  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  await rig.client.patch("services", web(), { spec: { selector: { app: "web" } } });
  await rig.eventually(async () => {
    expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]);
    expect(await rig.slices(ns, "web")).toMatchObject([
      { metadata: { labels: { [managedByLabel]: sliceController } } },
    ]);
    expect((await rig.client.get("endpoints", web())).subsets).toMatchObject([{ addresses: [{ ip: "127.244.9.1" }] }]);
  });

  await rig.client.patch("services", web(), { spec: { selector: null } });
  await rig.eventually(async () => {
    expect(rig.readyOnFeed(ns, "web")).toEqual([]);
    expect(await rig.slices(ns, "web")).toEqual([]);
    expect(await rig.client.find("endpoints", web())).toBeUndefined();
  });
});

test("hand-made slices are published as they are, beside our own", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.client.create("endpointslices", {
    metadata: { namespace: ns, name: "web-by-hand", labels: { [serviceNameLabel]: "web" } },
    addressType: "IPv4",
    ports: [{ name: "", port: 9000 }],
    endpoints: [{ addresses: ["127.244.8.7"], conditions: { ready: true } }],
  });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.8.7"]));
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.8.7", "127.244.9.1"]));
  await rig.client.delete("endpointslices", web("web-by-hand"));
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]));
});

test("what somebody does to our slices and Endpoints is repaired", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  const whole = async (): Promise<void> => {
    const slices = await rig.slices(ns, "web");
    expect(slices).toMatchObject([{ endpoints: [{ addresses: ["127.244.9.1"], conditions: { ready: true } }] }]);
    expect((await rig.client.get("endpoints", web())).subsets).toMatchObject([{ addresses: [{ ip: "127.244.9.1" }] }]);
    expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]);
  };
  await rig.eventually(whole);
  const sliceName = async (): Promise<string> => (await rig.slices(ns, "web"))[0]?.metadata?.name ?? "";
  const attacks = [
    async () => rig.client.delete("endpointslices", web(await sliceName())),
    async () =>
      rig.client.patch("endpointslices", web(await sliceName()), { endpoints: [{ addresses: ["127.244.8.66"] }] }),
    async () =>
      rig.client.patch("endpointslices", web(await sliceName()), {
        metadata: { labels: { [serviceNameLabel]: "bank" } },
      }),
    async () =>
      rig.client.patch("endpointslices", web(await sliceName()), {
        metadata: { labels: { [managedByLabel]: null } },
        endpoints: [],
      }),
    async () => rig.client.delete("endpoints", web()),
    async () => rig.client.patch("endpoints", web(), { subsets: [] }),
  ];
  for (const [index, attack] of attacks.entries()) {
    await attack();
    // A slice that was taken out of our hands is not ours to delete.
    if (index === 3) {
      await rig.eventually(async () => expect(await rig.slices(ns, "web")).toHaveLength(2));
      const { items } = await rig.client.list("endpointslices", { namespace: ns, labelSelector: `!${managedByLabel}` });
      for (const { metadata } of items) await rig.client.delete("endpointslices", web(metadata?.name ?? ""));
    }
    await rig.eventually(whole);
  }
  expect(await writesWhileNothingHappens()).toBe(0);
});

test("a pod's weight is published when it changes, and a bad one is told once", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  const weight = (): number | undefined => rig.onFeed(ns, "web").get("127.244.9.1")?.weight;
  await rig.eventually(() => expect(weight()).toBe(1));
  const annotate = async (text: string | null): Promise<unknown> =>
    rig.client.patch("pods", web("a"), { metadata: { annotations: { "fairlead.dev/weight": text } } });
  await annotate("5");
  await rig.eventually(() => expect(weight()).toBe(5));
  await annotate("heavy");
  await rig.eventually(() => expect(weight()).toBe(1));
  for (const ready of [false, true, false, true]) {
    await rig.ready(ns, "a", ready);
    await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toHaveLength(ready ? 1 : 0));
  }
  await rig.eventually(async () => {
    const { items } = await rig.client.list("events", { namespace: ns });
    expect(items.filter(({ reason }) => reason === "InvalidField")).toMatchObject([
      { count: 1, involvedObject: { kind: "Pod", name: "a" } },
    ]);
  });
});

test("a name in DNS is published without endpoints; a Service that becomes one loses them", async () => {
  await rig.start();
  await rig.client.create("services", {
    metadata: web("db"),
    spec: { type: "ExternalName", externalName: "db.example.org" },
  });
  await rig.service(ns, "web");
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  await rig.eventually(() => {
    expect(rig.view.services.get(serviceKey(ns, "db"))).toMatchObject({
      type: "ExternalName",
      externalName: "db.example.org",
    });
    expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]);
  });
  await rig.client.patch("services", web(), {
    spec: { type: "ExternalName", externalName: "web.example.org", clusterIP: null, clusterIPs: null },
  });
  await rig.eventually(async () => {
    expect(rig.view.slicesOf(serviceKey(ns, "web"))).toEqual([]);
    expect(await rig.slices(ns, "web")).toEqual([]);
    expect(await rig.client.find("endpoints", web())).toBeUndefined();
  });
  expect(await rig.slices(ns, "db")).toEqual([]);
});

test("a headless Service without ports and one with publishNotReadyAddresses", async () => {
  await rig.start();
  await rig.service(ns, "web", { clusterIP: "None", ports: [] });
  await rig.service(ns, "early", { selector: { app: "web" }, publishNotReadyAddresses: true });
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1", ready: false });
  await rig.eventually(() => {
    expect(rig.onFeed(ns, "web").get("127.244.9.1")).toMatchObject({ ready: false });
    expect(rig.view.slicesOf(serviceKey(ns, "web"))).toMatchObject([{ headless: true, ports: [] }]);
    expect(rig.readyOnFeed(ns, "early")).toEqual(["127.244.9.1"]);
  });
  expect(await writesWhileNothingHappens()).toBe(0);
});

test("the trigger on the feed is the time of the cause, or none", async () => {
  await rig.start();
  const created = await rig.service(ns, "web");
  await rig.eventually(() => expect(rig.view.slicesOf(serviceKey(ns, "web"))).toHaveLength(1));
  const triggers = (): (number | undefined)[] =>
    rig.batches.flatMap(({ changes }) =>
      changes.flatMap((change) => (change.key.startsWith(`slice.${ns}.`) ? [change.trigger] : [])),
    );
  expect(triggers()).toEqual([Date.parse(created.metadata?.creationTimestamp ?? "")]);
  const pod = await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  const since = Date.parse(pod.status?.conditions?.[0]?.lastTransitionTime ?? "");
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toHaveLength(1));
  expect(triggers().at(-1)).toBe(since);
  const seen = triggers().length;
  await rig.client.patch("pods", web("a"), { metadata: { annotations: { "fairlead.dev/weight": "3" } } });
  await rig.eventually(() => expect(triggers()).toHaveLength(seen + 1));
  expect(triggers().at(-1)).toBeUndefined();
  expect((await rig.slices(ns, "web"))[0]?.metadata?.annotations?.[triggerTimeAnnotation]).toBeDefined();
});

test("in mode publish it writes nothing, and publishes what others write", async () => {
  await rig.service(ns, "web");
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  await rig.start("publish");
  await rig.eventually(() => expect(rig.view.services.has(serviceKey(ns, "web"))).toBe(true));
  await rig.client.create("endpointslices", {
    metadata: {
      namespace: ns,
      name: "web-1",
      labels: { [serviceNameLabel]: "web", [managedByLabel]: sliceController },
    },
    addressType: "IPv4",
    ports: [{ name: "", port: 8080 }],
    endpoints: [{ addresses: ["127.244.9.1"], targetRef: { kind: "Pod", namespace: ns, name: "a" } }],
  });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]));
  await rig.client.patch("pods", web("a"), { metadata: { annotations: { "fairlead.dev/weight": "3" } } });
  await rig.eventually(() => expect(rig.onFeed(ns, "web").get("127.244.9.1")?.weight).toBe(3));
  expect(await rig.writes()).toBe(0);
  expect(await rig.slices(ns, "web")).toHaveLength(1);
  expect(await rig.client.find("endpoints", web())).toBeUndefined();
});

test("restarted in the middle of things it ends where it should", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.service(ns, "gone");
  for (let n = 1; n <= 10; n += 1) await rig.pod(ns, `p${n}`, { app: "web", ip: `127.244.9.${n}` });
  await rig.stop();
  for (let n = 1; n <= 5; n += 1) await rig.removePod(ns, `p${n}`);
  for (let n = 11; n <= 20; n += 1) await rig.pod(ns, `p${n}`, { app: "web", ip: `127.244.9.${n}` });
  await rig.client.delete("services", web("gone"));
  const starting = rig.start();
  await rig.ready(ns, "p20", false);
  await starting;
  const expected = Array.from({ length: 14 }, (_, n) => `127.244.9.${n + 6}`).sort();
  await rig.eventually(async () => {
    expect(rig.readyOnFeed(ns, "web")).toEqual(expected);
    expect(rig.view.values.has(serviceFeedKey(ns, "gone"))).toBe(false);
    expect((await rig.client.get("endpoints", web())).subsets?.[0]?.addresses).toHaveLength(14);
  });
  expect(await writesWhileNothingHappens()).toBe(0);
  await rig.stop();
  await rig.start();
  // Nothing changed while it was away: nothing is written.
  expect(await writesWhileNothingHappens()).toBe(0);
  expect(await rig.writes()).toBe(0);
});

test("a namespace that goes with everything in it goes in silence", async () => {
  await rig.start();
  await rig.service(ns, "web");
  for (const n of [1, 2, 3]) await rig.pod(ns, `p${n}`, { app: "web", ip: `127.244.9.${n}` });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toHaveLength(3));
  await rig.client.delete("namespaces", { name: ns });
  for (const n of [1, 2, 3]) await rig.removePod(ns, `p${n}`);
  await rig.eventually(() => {
    expect(rig.view.services.has(serviceKey(ns, "web"))).toBe(false);
    expect(rig.view.slicesOf(serviceKey(ns, "web"))).toEqual([]);
  });
});

test("a pod whose Node comes later waits for it, and holds nobody up", async () => {
  await rig.start();
  await rig.service(ns, "web");
  await rig.pod(ns, "a", { app: "web", ip: "127.244.9.1" });
  await rig.client.create("pods", {
    metadata: { namespace: ns, name: "b", labels: { app: "web" } },
    spec: { nodeName: `late-${ns}`, containers: [{ name: "app", image: "fairlead/sleep" }] },
  });
  await rig.ready(ns, "b", true, "127.244.9.2");
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1"]));
  await rig.client.create("nodes", { metadata: { name: `late-${ns}` } });
  await rig.eventually(() => expect(rig.readyOnFeed(ns, "web")).toEqual(["127.244.9.1", "127.244.9.2"]));
  // It is said when it lasts: the third try.
  for (const record of rig.log.records.splice(0)) {
    expect(record.level === "warn" ? record.fields["error"] : undefined).toSatisfy(
      (error: unknown) => error === undefined || (error as { code?: string }).code === "NODE_MISSING",
    );
  }
});
