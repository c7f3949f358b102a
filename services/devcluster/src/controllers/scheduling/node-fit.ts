/** Which node a pod may run on, and which it should. Pure. */
import type { Node, Pod } from "@fairlead/kube/objects";

/** Either the node's name, or why there is none, in the words of the Kubernetes scheduler. */
export type Placement = { readonly node: string } | { readonly reason: string };

/** Chooses the node with the fewest pods among those that the pod fits; of equals the first by name. */
export function place(pod: Pod, nodes: readonly Node[], podsOn: (node: string) => number): Placement {
  const reasons = new Map<string, number>();
  const fitting: string[] = [];
  for (const node of nodes) {
    const obstacle = obstacleOf(pod, node);
    if (obstacle === undefined) fitting.push(node.metadata?.name ?? "");
    else reasons.set(obstacle, (reasons.get(obstacle) ?? 0) + 1);
  }
  const [best] = fitting
    .map((name) => ({ name, pods: podsOn(name) }))
    .sort((a, b) => a.pods - b.pods || (a.name < b.name ? -1 : 1));
  if (best) return { node: best.name };
  if (nodes.length === 0) return { reason: "no nodes available to schedule pods" };
  const list = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return { reason: `0/${nodes.length} nodes are available: ${list.join(", ")}.` };
}

function obstacleOf(pod: Pod, node: Node): string | undefined {
  if (node.spec?.unschedulable === true) return "node(s) were unschedulable";
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  if (ready?.status !== "True") return "node(s) were not ready";
  const labels = node.metadata?.labels ?? {};
  const wanted = Object.entries(pod.spec?.nodeSelector ?? {});
  if (wanted.some(([key, value]) => labels[key] !== value)) {
    return "node(s) didn't match Pod's node affinity/selector";
  }
  const taint = node.spec?.taints?.find((one) => one.effect !== "PreferNoSchedule" && !isTolerated(pod, one));
  return taint ? `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}` : undefined;
}

type Taint = NonNullable<NonNullable<Node["spec"]>["taints"]>[number];

function isTolerated(pod: Pod, taint: Taint): boolean {
  return (pod.spec?.tolerations ?? []).some(({ key, operator = "Equal", value = "", effect }) => {
    if (effect && effect !== taint.effect) return false;
    // Without a key, "Exists" tolerates everything.
    if (!key) return operator === "Exists";
    return key === taint.key && (operator === "Exists" || value === (taint.value ?? ""));
  });
}
