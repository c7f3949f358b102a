import type { Pod, ReplicationController } from "@fairlead/kube/objects";
import { describe, expect, it } from "vitest";
import { scaleDownOrder } from "../src/controllers/replicas/scale-down-order.ts";
import { controlledCluster, replicaSet, template } from "./controller-cluster.ts";

const names = (pods: readonly Pod[]): string[] => pods.map((pod) => pod.metadata?.name ?? "").sort();

describe("ReplicaSet", () => {
  it("keeps as many pods as asked for, and says so", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("replicasets", replicaSet("web", 3));
    await cluster.settle();
    const pods = cluster.pods("app=web");
    expect(pods).toHaveLength(3);
    const set = cluster.api.get("replicasets", "default", "web");
    expect(set.status).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      observedGeneration: 1,
    });
    const [first] = pods;
    expect(first?.metadata?.name).toMatch(/^web-[a-z0-9]{5}$/);
    expect(first?.metadata?.ownerReferences).toEqual([
      {
        apiVersion: "apps/v1",
        kind: "ReplicaSet",
        name: "web",
        uid: set.metadata?.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
    expect(cluster.eventsOf("ReplicaSet", "web").sort()).toEqual(
      names(pods).map((name) => `SuccessfulCreate: Created pod: ${name}`),
    );
    expect(cluster.errors).toEqual([]);
    expect(cluster.log.records).toEqual([]);
  });

  it("follows a new size up and down", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("replicasets", replicaSet("web", 3));
    await cluster.settle();
    const before = names(cluster.pods("app=web"));
    const scale = (replicas: number) =>
      cluster.api.modify("replicasets", "default", "web", (copy) => ({
        ...copy,
        spec: { ...replicaSet("web", replicas).spec!, replicas },
      }));
    scale(6);
    await cluster.settle();
    expect(names(cluster.pods("app=web"))).toEqual(expect.arrayContaining(before));
    expect(cluster.pods("app=web")).toHaveLength(6);
    scale(2);
    await cluster.settle();
    expect(cluster.pods("app=web")).toHaveLength(2);
    expect(cluster.api.get("replicasets", "default", "web").status).toMatchObject({
      replicas: 2,
      observedGeneration: 3,
    });
  });

  it("replaces a deleted pod while the old one is still stopping", async () => {
    await using cluster = await controlledCluster({ stopAtOnce: false });
    cluster.api.create("replicasets", replicaSet("web", 2));
    await cluster.settle();
    const [victim] = names(cluster.pods("app=web"));
    cluster.api.delete("pods", "default", victim ?? "");
    await cluster.settle();
    const pods = cluster.pods("app=web");
    expect(pods).toHaveLength(3);
    expect(pods.filter((pod) => pod.metadata?.deletionTimestamp)).toHaveLength(1);
  });

  it("adopts pods that it finds and releases pods whose labels changed", async () => {
    await using cluster = await controlledCluster();
    const { metadata, spec } = template("web");
    cluster.api.create("pods", { metadata: { ...metadata, name: "stray", namespace: "default" }, spec: spec! });
    cluster.api.create("replicasets", replicaSet("web", 2));
    await cluster.settle();
    expect(cluster.pods("app=web")).toHaveLength(2);
    expect(cluster.api.get("pods", "default", "stray").metadata?.ownerReferences).toHaveLength(1);
    cluster.api.modify("pods", "default", "stray", (pod) => ({
      ...pod,
      metadata: { ...pod.metadata, labels: { app: "debug" } },
    }));
    await cluster.settle();
    expect(cluster.api.get("pods", "default", "stray").metadata).not.toHaveProperty("ownerReferences");
    expect(cluster.pods("app=web")).toHaveLength(2);
  });

  it("takes pods of another controller for nobody's business", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("replicasets", replicaSet("a", 2));
    await cluster.settle();
    cluster.api.create(
      "replicasets",
      replicaSet("b", 1, { selector: { matchLabels: { app: "a" } }, template: template("a") }),
    );
    await cluster.settle();
    expect(cluster.pods("app=a")).toHaveLength(3);
  });

  it("counts a pod as available once it was ready for minReadySeconds", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("replicasets", replicaSet("web", 1, { minReadySeconds: 10 }));
    await cluster.settle();
    expect(cluster.api.get("replicasets", "default", "web").status).not.toHaveProperty("availableReplicas");
    await cluster.pass(9);
    expect(cluster.api.get("replicasets", "default", "web").status).not.toHaveProperty("availableReplicas");
    await cluster.pass(1);
    expect(cluster.api.get("replicasets", "default", "web").status).toMatchObject({
      readyReplicas: 1,
      availableReplicas: 1,
    });
  });

  it("says why it cannot make pods, and makes them once it can", async () => {
    await using cluster = await controlledCluster();
    const broken = template("web");
    // A template is checked when it is written, so only what the API does afterwards can fail: the name is too long here.
    cluster.api.create(
      "replicasets",
      replicaSet("web", 1, { template: { ...broken, metadata: { ...broken.metadata, finalizers: ["not a name"] } } }),
    );
    await cluster.settle();
    expect(cluster.eventsOf("ReplicaSet", "web").join()).toContain("FailedCreate: Error creating: ");
    expect(cluster.api.get("replicasets", "default", "web").status?.conditions).toMatchObject([
      { type: "ReplicaFailure", status: "True", reason: "FailedCreate" },
    ]);
    cluster.api.modify("replicasets", "default", "web", (copy) => ({
      ...copy,
      spec: { ...copy.spec!, template: template("web") },
    }));
    await cluster.settle();
    expect(cluster.pods("app=web")).toHaveLength(1);
    expect(cluster.api.get("replicasets", "default", "web").status).not.toHaveProperty("conditions");
  });
});

describe("ReplicationController", () => {
  it("works alike, with a plain selector", async () => {
    await using cluster = await controlledCluster();
    const controller: ReplicationController = {
      metadata: { name: "web", namespace: "default" },
      spec: { replicas: 2, template: template("web") },
    };
    cluster.api.create("replicationcontrollers", controller);
    await cluster.settle();
    const [pod] = cluster.pods("app=web");
    expect(pod?.metadata?.ownerReferences?.[0]).toMatchObject({
      apiVersion: "v1",
      kind: "ReplicationController",
      name: "web",
    });
    expect(cluster.api.get("replicationcontrollers", "default", "web").status).toMatchObject({
      replicas: 2,
      readyReplicas: 2,
    });
  });
});

describe("order of scaling down", () => {
  const now = "2026-01-01T00:00:00Z";
  const pod = (
    name: string,
    o: { node?: string; phase?: string; readyAt?: string; cost?: string; restarts?: number; made?: string },
  ): Pod => ({
    metadata: {
      name,
      creationTimestamp: o.made ?? now,
      ...(o.cost === undefined ? {} : { annotations: { "controller.kubernetes.io/pod-deletion-cost": o.cost } }),
    },
    spec: { containers: [], ...(o.node === undefined ? {} : { nodeName: o.node }) },
    status: {
      phase: o.phase ?? "Running",
      ...(o.readyAt === undefined
        ? {}
        : { conditions: [{ type: "Ready", status: "True", lastTransitionTime: o.readyAt }] }),
      containerStatuses: [{ name: "main", image: "", imageID: "", ready: true, restartCount: o.restarts ?? 0 }],
    },
  });
  const on = { node: "node-1", readyAt: now };

  it.for([
    ["no node before one", pod("first", { phase: "Pending" }), pod("second", { node: "node-1", phase: "Pending" })],
    ["pending before running", pod("first", { node: "a", phase: "Pending" }), pod("second", { node: "b" })],
    ["not ready before ready", pod("first", { node: "a" }), pod("second", { node: "b", readyAt: now })],
    ["cheap before dear", pod("first", { ...on, cost: "-5" }), pod("second", { ...on, cost: "100" })],
    ["ready lately before ready long", pod("first", { ...on, readyAt: "2026-01-01T00:00:09Z" }), pod("second", on)],
    ["often restarted before never", pod("first", { ...on, restarts: 4 }), pod("second", on)],
    ["young before old", pod("first", { ...on, made: "2026-01-01T00:00:09Z" }), pod("second", on)],
  ] as const)("%s", ([, first, second]) => {
    expect(names(scaleDownOrder([second, first]).slice(0, 1))).toEqual(["first"]);
    expect(names(scaleDownOrder([first, second]).slice(0, 1))).toEqual(["first"]);
  });

  it("takes pods of a crowded node before a lonely one", () => {
    const crowd = [pod("a", on), pod("b", on), pod("c", { ...on, node: "node-2" })];
    expect(scaleDownOrder(crowd).at(-1)?.metadata?.name).toBe("c");
  });
});
