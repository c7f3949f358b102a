import type { Deployment, ReplicaSet } from "@fairlead/kube/objects";
import { describe, expect, it } from "vitest";
import { controlledCluster, deployment, template } from "./controller-cluster.ts";
import type { ControlledCluster } from "./controller-cluster.ts";

const get = (cluster: ControlledCluster): Deployment => cluster.api.get("deployments", "default", "web");
const sets = (cluster: ControlledCluster): ReplicaSet[] => [...cluster.api.list("replicasets").items];
const sizes = (cluster: ControlledCluster): number[] =>
  sets(cluster)
    .map((set) => set.spec?.replicas ?? 0)
    .sort((a, b) => a - b);
const condition = (cluster: ControlledCluster, type: string) =>
  get(cluster).status?.conditions?.find((one) => one.type === type);

function change(cluster: ControlledCluster, spec: Partial<NonNullable<Deployment["spec"]>>): void {
  cluster.api.modify("deployments", "default", "web", (copy) => ({ ...copy, spec: { ...copy.spec!, ...spec } }));
}

const setImage = (cluster: ControlledCluster, version: number) =>
  change(cluster, { template: template("web", `example.org/app:${version}`) });

describe("Deployment", () => {
  it("makes a ReplicaSet named by the template's hash, and reports when all is there", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("deployments", deployment("web", 3));
    await cluster.settle();
    const [set] = sets(cluster);
    const hash = set?.metadata?.labels?.["pod-template-hash"] ?? "";
    expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{6,10}$/);
    expect(set?.metadata).toMatchObject({ name: `web-${hash}`, labels: { app: "web", "pod-template-hash": hash } });
    expect(set?.spec?.selector.matchLabels).toEqual({ app: "web", "pod-template-hash": hash });
    expect(get(cluster).metadata?.annotations?.["deployment.kubernetes.io/revision"]).toBe("1");
    expect(get(cluster).status).toMatchObject({
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      observedGeneration: 1,
    });
    expect(condition(cluster, "Available")).toMatchObject({ status: "True", reason: "MinimumReplicasAvailable" });
    expect(condition(cluster, "Progressing")).toMatchObject({
      status: "True",
      reason: "NewReplicaSetAvailable",
      message: `ReplicaSet "web-${hash}" has successfully progressed.`,
    });
    expect(cluster.eventsOf("Deployment", "web")).toEqual([
      `ScalingReplicaSet: Scaled up replica set web-${hash} from 0 to 3`,
    ]);
    expect(cluster.errors).toEqual([]);
    expect(cluster.log.records).toEqual([]);
  });

  it.for([
    { maxSurge: 1, maxUnavailable: 0, replicas: 3, most: 4, least: 3 },
    { maxSurge: "25%", maxUnavailable: "25%", replicas: 4, most: 5, least: 3 },
    { maxSurge: 0, maxUnavailable: 1, replicas: 3, most: 3, least: 2 },
    { maxSurge: "100%", maxUnavailable: 0, replicas: 3, most: 6, least: 3 },
  ])("rolls forward within surge $maxSurge and unavailable $maxUnavailable of $replicas", async (row) => {
    await using cluster = await controlledCluster({ readyAtOnce: false });
    const strategy = {
      type: "RollingUpdate",
      rollingUpdate: { maxSurge: row.maxSurge, maxUnavailable: row.maxUnavailable },
    };
    cluster.api.create("deployments", deployment("web", row.replicas, { strategy }));
    await cluster.settle();
    for (const pod of cluster.pods("app=web")) cluster.setReady(pod, true);
    await cluster.settle();
    // From here on every write is watched: at no moment may there be too many pods, or too few that serve.
    let [most, least] = [0, Number.POSITIVE_INFINITY];
    const end = cluster.api.watch("pods", {}, () => {
      const alive = cluster.pods("app=web").filter((pod) => !pod.metadata?.deletionTimestamp);
      const ready = alive.filter((pod) =>
        pod.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True"),
      );
      most = Math.max(most, alive.length);
      least = Math.min(least, ready.length);
    });
    setImage(cluster, 2);
    for (let round = 0; round < 20; round += 1) {
      await cluster.settle();
      const starting = cluster
        .pods("app=web")
        .find((pod) => !pod.status?.conditions?.some((one) => one.type === "Ready"));
      if (starting) cluster.setReady(starting, true);
    }
    await cluster.settle();
    end();
    expect(new Set(cluster.pods("app=web").map((pod) => pod.spec?.containers[0]?.image))).toEqual(
      new Set(["example.org/app:2"]),
    );
    expect(sizes(cluster)).toEqual([0, row.replicas]);
    expect(get(cluster).status).toMatchObject({
      replicas: row.replicas,
      updatedReplicas: row.replicas,
      availableReplicas: row.replicas,
    });
    expect(get(cluster).status).not.toHaveProperty("unavailableReplicas");
    expect({ most, least }).toEqual({ most: row.most, least: row.least });
  });

  it("waits with the old pods for as long as the new ones are not available", async () => {
    await using cluster = await controlledCluster({ readyAtOnce: false });
    cluster.api.create("deployments", deployment("web", 3));
    await cluster.settle();
    for (const pod of cluster.pods("app=web")) cluster.setReady(pod, true);
    await cluster.settle();
    setImage(cluster, 2);
    await cluster.pass(30);
    expect(sizes(cluster)).toEqual([1, 3]);
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "True", reason: "ReplicaSetUpdated" });
    expect(condition(cluster, "Available")).toMatchObject({ status: "True" });
  });

  it("says so when it makes no progress before the deadline", async () => {
    await using cluster = await controlledCluster({ readyAtOnce: false });
    cluster.api.create("deployments", deployment("web", 1, { progressDeadlineSeconds: 20 }));
    await cluster.pass(19);
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "True" });
    await cluster.pass(2);
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "False", reason: "ProgressDeadlineExceeded" });
    for (const pod of cluster.pods("app=web")) cluster.setReady(pod, true);
    await cluster.settle();
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "True", reason: "NewReplicaSetAvailable" });
  });

  it("goes back to a former template with its old ReplicaSet and a new revision", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("deployments", deployment("web", 2));
    await cluster.settle();
    const [first] = sets(cluster);
    setImage(cluster, 2);
    await cluster.settle();
    setImage(cluster, 1);
    await cluster.settle();
    const again = cluster.api.get("replicasets", "default", first?.metadata?.name ?? "");
    expect(sets(cluster)).toHaveLength(2);
    expect(again.spec?.replicas).toBe(2);
    expect(again.metadata?.annotations).toMatchObject({
      "deployment.kubernetes.io/revision": "3",
      "deployment.kubernetes.io/revision-history": "1",
    });
    expect(get(cluster).metadata?.annotations?.["deployment.kubernetes.io/revision"]).toBe("3");
  });

  it("keeps no more old ReplicaSets than revisionHistoryLimit", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("deployments", deployment("web", 1, { revisionHistoryLimit: 2 }));
    for (const version of [2, 3, 4, 5]) {
      await cluster.settle();
      setImage(cluster, version);
    }
    await cluster.settle();
    const images = sets(cluster).map((set) => set.spec?.template?.spec?.containers[0]?.image);
    expect(new Set(images)).toEqual(new Set(["example.org/app:3", "example.org/app:4", "example.org/app:5"]));
    expect(images).toHaveLength(3);
  });

  it("removes all old pods before it makes new ones, when asked to recreate", async () => {
    await using cluster = await controlledCluster({ stopAtOnce: false });
    cluster.api.create("deployments", deployment("web", 2, { strategy: { type: "Recreate" } }));
    await cluster.settle();
    setImage(cluster, 2);
    await cluster.settle();
    expect(sets(cluster)).toHaveLength(1);
    expect(cluster.pods("app=web").every((pod) => pod.metadata?.deletionTimestamp !== undefined)).toBe(true);
    for (const pod of cluster.pods("app=web")) {
      cluster.api.delete("pods", "default", pod.metadata?.name ?? "", { gracePeriodSeconds: 0 });
    }
    await cluster.settle();
    const images = cluster.pods("app=web").map((pod) => pod.spec?.containers[0]?.image);
    expect(images).toEqual(["example.org/app:2", "example.org/app:2"]);
    expect(condition(cluster, "Progressing")).toMatchObject({ reason: "NewReplicaSetAvailable" });
  });

  it("keeps its pods' template while it is paused, but not their number", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("deployments", deployment("web", 2));
    await cluster.settle();
    change(cluster, { paused: true, replicas: 4, template: template("web", "example.org/app:2") });
    await cluster.settle();
    expect(sizes(cluster)).toEqual([4]);
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "Unknown", reason: "DeploymentPaused" });
    change(cluster, { paused: false });
    await cluster.settle();
    expect(sizes(cluster)).toEqual([0, 4]);
    expect(get(cluster).status).toMatchObject({ updatedReplicas: 4, availableReplicas: 4 });
  });

  it("keeps the share of the new version when its size changes in the middle", async () => {
    await using cluster = await controlledCluster({ readyAtOnce: false });
    const strategy = { type: "RollingUpdate", rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } };
    cluster.api.create("deployments", deployment("web", 10, { strategy }));
    await cluster.settle();
    for (const pod of cluster.pods("app=web")) cluster.setReady(pod, true);
    await cluster.settle();
    setImage(cluster, 2);
    await cluster.settle();
    expect(sizes(cluster)).toEqual([5, 8]);
    change(cluster, { replicas: 15 });
    await cluster.settle();
    // The example of Kubernetes' own documentation: 13 pods become 18, three of five new ones for the larger set.
    expect(sizes(cluster)).toEqual([7, 11]);
    expect(cluster.pods("app=web")).toHaveLength(18);
  });

  it("scales without a new revision, also to nothing and back", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("deployments", deployment("web", 3));
    await cluster.settle();
    for (const replicas of [6, 0, 2]) {
      change(cluster, { replicas });
      await cluster.settle();
      expect(sizes(cluster)).toEqual([replicas]);
      expect(cluster.pods("app=web")).toHaveLength(replicas);
      expect(get(cluster).status?.availableReplicas ?? 0).toBe(replicas);
    }
    expect(get(cluster).metadata?.annotations?.["deployment.kubernetes.io/revision"]).toBe("1");
  });

  it("does nothing once all is as it should be, not even when the controllers start again", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("deployments", deployment("web", 3));
    await cluster.settle();
    const before = cluster.api.revision;
    await cluster.pass(1200);
    await cluster.restart();
    await cluster.pass(10);
    expect(cluster.api.revision).toBe(before);
  });

  it("has no deadline where it is set to the largest number", async () => {
    await using cluster = await controlledCluster({ readyAtOnce: false });
    cluster.api.create("deployments", deployment("web", 1, { progressDeadlineSeconds: 2_147_483_647 }));
    await cluster.pass(5);
    expect(condition(cluster, "Progressing")).toMatchObject({ status: "True" });
  });
});
