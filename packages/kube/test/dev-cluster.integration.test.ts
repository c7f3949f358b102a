import { eventually, RecordingLogger, seededRandom, startDevCluster } from "@fairlead/testkit";
import type { DevCluster } from "@fairlead/testkit";
import type { Clock } from "@fairlead/types";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  connect,
  EventRecorder,
  Informer,
  isAlreadyExists,
  isConflict,
  isNotFound,
  KubeApiError,
} from "../src/index.ts";
import type { KubeClient, KubeResource, ResourceTypes, Service } from "../src/index.ts";

// The clock of the machine; src may not reach for it, a test may.
const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

let cluster: DevCluster;
let client: KubeClient;

beforeAll(async () => {
  cluster = await startDevCluster();
  client = connect({ kubeconfig: cluster.kubeconfig, clock });
});

afterAll(async () => {
  client?.transport.close();
  await cluster?.[Symbol.asyncDispose]();
});

function service(name: string, labels: Record<string, string> = {}): Service {
  return { metadata: { namespace: "default", name, labels }, spec: { ports: [{ port: 80 }] } };
}

function follow<R extends KubeResource>(
  resource: R,
  labelSelector?: string,
): { informer: Informer<R>; seen: string[]; errors: unknown[] } {
  const seen: string[] = [];
  const errors: unknown[] = [];
  const informer = new Informer<R>({
    client,
    resource,
    clock,
    random: seededRandom(1),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    onChange: ({ type, object }: { type: string; object: ResourceTypes[R] }) =>
      seen.push(`${type} ${object.metadata?.name}`),
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => informer.stop());
  return { informer, seen, errors };
}

test("creates, reads, replaces, patches and deletes with a client certificate", async () => {
  const target = { namespace: "default", name: "crud" };
  const created = await client.create("services", service("crud"));
  expect(created.spec?.clusterIP).toMatch(/^127\.96\./);
  expect(await client.get("services", target)).toEqual(created);
  const replaced = await client.replace("services", {
    ...created,
    metadata: { ...created.metadata, labels: { a: "b" } },
  });
  expect(replaced.metadata?.labels).toEqual({ a: "b" });
  await expect(client.replace("services", created)).rejects.toSatisfy(isConflict);
  await expect(client.create("services", service("crud"))).rejects.toSatisfy(isAlreadyExists);
  const patched = await client.patch("services", target, { metadata: { labels: { a: null, c: "d" } } });
  expect(patched.metadata?.labels).toEqual({ c: "d" });
  await expect(client.delete("services", target, "a uid that it has not")).rejects.toSatisfy(isConflict);
  await client.delete("services", target, created.metadata?.uid ?? "");
  await client.delete("services", target);
  expect(await client.find("services", target)).toBeUndefined();
  await expect(client.get("services", target)).rejects.toSatisfy(isNotFound);
});

test("says which field the server refuses", async () => {
  const wrong = { ...service("wrong"), spec: { ports: [{ port: 70_000 }] } };
  const error: unknown = await client.create("services", wrong).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(KubeApiError);
  expect(error).toMatchObject({ code: "Invalid", message: expect.stringContaining("spec.ports[0].port") });
});

test("patches a status and nothing else", async () => {
  const target = { namespace: "default", name: "balanced" };
  await client.create("services", { ...service("balanced"), spec: { type: "LoadBalancer", ports: [{ port: 80 }] } });
  const patched = await client.patchStatus("services", target, { loadBalancer: { ingress: [{ ip: "127.200.0.7" }] } });
  expect(patched.status?.loadBalancer?.ingress).toMatchObject([{ ip: "127.200.0.7" }]);
  await client.patch("services", target, { spec: { sessionAffinity: "ClientIP" }, status: {} });
  const now = await client.get("services", target);
  expect(now.status?.loadBalancer?.ingress).toMatchObject([{ ip: "127.200.0.7" }]);
  expect(now.spec?.sessionAffinity).toBe("ClientIP");
});

test("lists in pages", async () => {
  await Promise.all([1, 2, 3, 4, 5].map((n) => client.create("services", service(`page-${n}`, { page: "yes" }))));
  const { items, resourceVersion } = await client.list("services", { labelSelector: "page=yes", limit: 2 });
  expect(items.map(({ metadata }) => metadata?.name)).toEqual(["page-1", "page-2", "page-3", "page-4", "page-5"]);
  expect(resourceVersion).toMatch(/^\d+$/);
});

test("applies in a race of many writers, and every one has its say", async () => {
  const target = { namespace: "default", name: "raced" };
  await Promise.all(
    ["a", "b", "c", "d"].map((label) =>
      client.apply("services", target, (current = service("raced")) => ({
        ...current,
        metadata: { ...current.metadata, labels: { ...current.metadata?.labels, [label]: "yes" } },
      })),
    ),
  );
  expect((await client.get("services", target)).metadata?.labels).toEqual({ a: "yes", b: "yes", c: "yes", d: "yes" });
});

test("follows a selection through additions, changes and removals", async () => {
  const { informer, seen } = follow("services", "follow=yes");
  await informer.start();
  await informer.synced;
  const target = { namespace: "default", name: "followed" };
  await client.create("services", service("followed", { follow: "yes" }));
  await client.create("services", service("ignored"));
  await client.patch("services", target, { spec: { sessionAffinity: "ClientIP" } });
  await client.patch("services", target, { metadata: { labels: { follow: "no" } } });
  await client.patch("services", target, { metadata: { labels: { follow: "yes" } } });
  await client.delete("services", target);
  const sequence = ["added", "updated", "removed", "added", "removed"];
  await eventually(() => expect(seen).toEqual(sequence.map((type) => `${type} followed`)));
});

test("writes Events that the API shows", async () => {
  const log = new RecordingLogger();
  const about = await client.create("services", service("eventful"));
  const recorder = new EventRecorder({ client, component: "test", clock, log });
  const subject = {
    apiVersion: "v1",
    kind: "Service",
    namespace: "default",
    name: "eventful",
    uid: about.metadata?.uid ?? "",
  };
  recorder.record(subject, { type: "Warning", reason: "PortRefused", message: "port 80 may not be bound" });
  await recorder.drained();
  expect(log.records).toEqual([]);
  const { items } = await client.list("events", { namespace: "default" });
  expect(items.find(({ reason }) => reason === "PortRefused")).toMatchObject({
    type: "Warning",
    message: "port 80 may not be bound",
    count: 1,
    involvedObject: { kind: "Service", name: "eventful" },
    source: { component: "test" },
  });
});

test("is right again after the server was restarted, whose old resourceVersions are gone", async () => {
  const { informer, seen, errors } = follow("services", "restart=yes");
  await informer.start();
  await informer.synced;
  await client.create("services", service("before", { restart: "yes" }));
  await eventually(() => expect(seen).toEqual(["added before"]));
  const uid = informer.get("default", "before")?.metadata?.uid;
  await cluster.restart("SIGTERM");
  await eventually(() => client.get("services", { namespace: "default", name: "before" }), { timeoutMs: 20_000 });
  await client.create("services", service("after", { restart: "yes" }));
  await eventually(() => expect(informer.get("default", "after")).toBeDefined(), { timeoutMs: 30_000 });
  await client.delete("services", { namespace: "default", name: "before" });
  await client.create("services", service("before", { restart: "yes" }));
  const changes = ["added before", "added after", "removed before", "added before"];
  await eventually(() => expect(seen).toEqual(changes), { timeoutMs: 20_000 });
  expect(informer.get("default", "before")?.metadata?.uid).not.toBe(uid);
  for (const error of errors) expect(error).toMatchObject({ code: "KUBE_CONNECTION" });
});
