import type { Pod } from "@fairlead/kube/objects";
import { describe, expect, it } from "vitest";
import { addNode, controlledCluster, replicaSet } from "./controller-cluster.ts";
import type { ControlledCluster } from "./controller-cluster.ts";

function pod(name: string, spec: Partial<NonNullable<Pod["spec"]>> = {}): Pod {
  return {
    metadata: { name, namespace: "default" },
    spec: { containers: [{ name: "main", image: "example.org/app:1" }], ...spec },
  };
}

const nodesOf = (cluster: ControlledCluster) =>
  cluster
    .pods("app=web")
    .map((one) => one.spec?.nodeName ?? "none")
    .sort((a, b) => a.localeCompare(b));
const nodeOf = (cluster: ControlledCluster, name: string) => cluster.api.get("pods", "default", name).spec?.nodeName;
const scheduled = (cluster: ControlledCluster, name: string) =>
  cluster.api.get("pods", "default", name).status?.conditions?.find((one) => one.type === "PodScheduled");

describe("scheduling", () => {
  it("spreads pods over the nodes and says where they went", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("replicasets", replicaSet("web", 4));
    await cluster.settle();
    const nodes = nodesOf(cluster);
    expect(nodes).toEqual(["node-1", "node-1", "node-2", "node-2"]);
    const [first] = cluster.pods("app=web");
    const name = first?.metadata?.name ?? "";
    expect(scheduled(cluster, name)).toMatchObject({ status: "True" });
    expect(cluster.eventsOf("Pod", name)).toEqual([
      `Scheduled: Successfully assigned default/${name} to ${first?.spec?.nodeName}`,
    ]);
  });

  it("honours the node selector, or says why there is no node, until one comes", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("pods", pod("picky", { nodeSelector: { disk: "ssd" } }));
    await cluster.settle();
    const message = "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";
    expect(scheduled(cluster, "picky")).toMatchObject({ status: "False", reason: "Unschedulable", message });
    expect(cluster.eventsOf("Pod", "picky")).toEqual([`FailedScheduling: ${message}`]);
    addNode(cluster, "node-3", { disk: "ssd" });
    await cluster.settle();
    expect(nodeOf(cluster, "picky")).toBe("node-3");
    expect(scheduled(cluster, "picky")).toMatchObject({ status: "True" });
  });

  it("avoids nodes that are cordoned, tainted or not ready", async () => {
    await using cluster = await controlledCluster();
    cluster.api.modify("nodes", undefined, "node-1", (node) => ({
      ...node,
      spec: { ...node.spec, unschedulable: true },
    }));
    cluster.api.modify("nodes", undefined, "node-2", (node) => ({
      ...node,
      spec: { taints: [{ key: "team", value: "a", effect: "NoSchedule" }] },
    }));
    cluster.api.create("pods", pod("plain"));
    cluster.api.create("pods", pod("tolerant", { tolerations: [{ key: "team", operator: "Equal", value: "a" }] }));
    await cluster.settle();
    expect(nodeOf(cluster, "tolerant")).toBe("node-2");
    expect(scheduled(cluster, "plain")?.message).toBe(
      "0/2 nodes are available: 1 node(s) had untolerated taint {team: a}, 1 node(s) were unschedulable.",
    );
    cluster.api.modify("nodes", undefined, "node-1", (node) => ({ ...node, spec: {} }));
    await cluster.settle();
    expect(nodeOf(cluster, "plain")).toBe("node-1");
  });

  it("leaves pods alone that name a node or another scheduler", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("pods", pod("placed", { nodeName: "node-2" }));
    cluster.api.create("pods", pod("foreign", { schedulerName: "mine" }));
    await cluster.settle();
    expect(nodeOf(cluster, "placed")).toBe("node-2");
    expect(scheduled(cluster, "placed")).toMatchObject({ status: "True" });
    expect(nodeOf(cluster, "foreign")).toBeUndefined();
  });

  it("gives pods of a vanished node up after a while", async () => {
    await using cluster = await controlledCluster();
    cluster.api.create("replicasets", replicaSet("web", 2));
    await cluster.settle();
    cluster.api.delete("nodes", undefined, "node-2");
    await cluster.pass(39);
    expect(nodesOf(cluster)).toEqual(["node-1", "node-2"]);
    await cluster.pass(2);
    expect(cluster.pods("app=web").map((one) => one.spec?.nodeName)).toEqual(["node-1", "node-1"]);
  });
});
