import { describe, expect, it } from "vitest";
import { controlledCluster, deployment, replicaSet } from "./controller-cluster.ts";
import type { ControlledCluster } from "./controller-cluster.ts";

const uids = (cluster: ControlledCluster) => new Set(cluster.pods("app=web").map((pod) => pod.metadata?.uid));

describe("garbage collection", () => {
  it("deletes the whole chain below a deleted Deployment", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("deployments", deployment("web", 3));
    await cluster.settle();
    cluster.api.delete("deployments", "default", "web", { propagationPolicy: "Background" });
    await cluster.settle();
    expect(cluster.api.list("replicasets").items).toEqual([]);
    expect(cluster.pods()).toEqual([]);
  });

  it("keeps the owner until its dependents are gone, in the foreground", async () => {
    await using cluster = await controlledCluster({ stopAtOnce: false });
    cluster.api.create("deployments", deployment("web", 2));
    await cluster.settle();
    cluster.api.delete("deployments", "default", "web", { propagationPolicy: "Foreground" });
    await cluster.settle();
    expect(cluster.api.get("deployments", "default", "web").metadata?.finalizers).toEqual(["foregroundDeletion"]);
    expect(cluster.pods("app=web")).toHaveLength(2);
    for (const pod of cluster.pods("app=web")) {
      expect(pod.metadata?.deletionTimestamp).toBeDefined();
      cluster.api.delete("pods", "default", pod.metadata?.name ?? "", { gracePeriodSeconds: 0 });
    }
    await cluster.settle();
    expect(cluster.pods()).toEqual([]);
    expect(cluster.api.list("replicasets").items).toEqual([]);
    expect(cluster.api.list("deployments").items).toEqual([]);
  });

  it("leaves the dependents alone when asked to orphan them, and a new owner adopts them", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("replicasets", replicaSet("web", 2));
    await cluster.settle();
    const before = uids(cluster);
    cluster.api.delete("replicasets", "default", "web", { propagationPolicy: "Orphan" });
    await cluster.settle();
    expect(cluster.api.list("replicasets").items).toEqual([]);
    expect(cluster.pods("app=web").map((pod) => pod.metadata?.ownerReferences)).toEqual([undefined, undefined]);
    cluster.api.create("replicasets", replicaSet("web", 2));
    await cluster.settle();
    expect(uids(cluster)).toEqual(before);
  });

  it("keeps an object while one of its owners is left, and forgets the other", async () => {
    await using cluster = await controlledCluster();
    const owners = ["a", "b"].map((name) => {
      const owner = cluster.api.create("configmaps", { metadata: { name, namespace: "default" } });
      return { apiVersion: "v1", kind: "ConfigMap", name, uid: owner.metadata?.uid ?? "" };
    });
    cluster.api.create("secrets", { metadata: { name: "owned", namespace: "default", ownerReferences: owners } });
    cluster.api.delete("configmaps", "default", "a");
    await cluster.settle();
    expect(cluster.api.get("secrets", "default", "owned").metadata?.ownerReferences).toEqual([owners[1]]);
    cluster.api.delete("configmaps", "default", "b");
    await cluster.settle();
    expect(cluster.api.find("secrets", "default", "owned")).toBeUndefined();
  });

  it("deletes what names an owner of another uid, but not what names an unknown kind", async () => {
    await using cluster = await controlledCluster();
    const reference = {
      apiVersion: "v1",
      kind: "ConfigMap",
      name: "gone",
      uid: "00000000-0000-0000-0000-000000000000",
    };
    const metadata = (name: string, kind: string) => ({
      name,
      namespace: "default",
      ownerReferences: [{ ...reference, kind }],
    });
    cluster.api.create("secrets", { metadata: metadata("lost", "ConfigMap") });
    cluster.api.create("secrets", { metadata: metadata("foreign", "Unicorn") });
    await cluster.settle();
    expect(cluster.api.list("secrets").items.map((one) => one.metadata?.name)).toEqual(["foreign"]);
  });
});

describe("namespaces", () => {
  it("are emptied and then gone", async () => {
    await using cluster = await controlledCluster({ stopAtOnce: false });
    const { metadata, spec } = replicaSet("web", 2);
    cluster.api.create("replicasets", { metadata: { ...metadata, namespace: "other" }, spec: spec! });
    cluster.api.create("services", { metadata: { name: "web", namespace: "other" }, spec: { ports: [{ port: 80 }] } });
    await cluster.settle();
    cluster.api.delete("namespaces", undefined, "other");
    await cluster.settle();
    expect(cluster.api.get("namespaces", undefined, "other").status?.phase).toBe("Terminating");
    expect(cluster.api.list("services", { namespace: "other" }).items).toEqual([]);
    for (const pod of cluster.pods()) {
      cluster.api.delete("pods", "other", pod.metadata?.name ?? "", { gracePeriodSeconds: 0 });
    }
    await cluster.settle();
    expect(cluster.api.find("namespaces", undefined, "other")).toBeUndefined();
    expect(cluster.log.records).toEqual([]);
  });

  it("have a default ServiceAccount, again once it is deleted", async () => {
    await using cluster = await controlledCluster();
    expect(cluster.api.find("serviceaccounts", "other", "default")).toBeDefined();
    cluster.api.delete("serviceaccounts", "other", "default");
    await cluster.settle();
    expect(cluster.api.find("serviceaccounts", "other", "default")).toBeDefined();
  });
});
