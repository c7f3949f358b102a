/** Which pods go first when there are too many (Kubernetes' `ActivePodsWithRanks`). */
import type { Pod } from "@fairlead/kube/objects";
import { isReady, readySince, restartsOf } from "../pod-state.ts";

const costAnnotation = "controller.kubernetes.io/pod-deletion-cost";

/** The pods, those to delete first at the front. */
export function scaleDownOrder(pods: readonly Pod[]): Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of pods) {
    const node = pod.spec?.nodeName ?? "";
    perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  return pods
    .map((pod) => ({ pod, rank: rankOf(pod, perNode.get(pod.spec?.nodeName ?? "") ?? 0) }))
    .sort((a, b) => compare(a.rank, b.rank))
    .map(({ pod }) => pod);
}

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

// Lower goes first, place by place: no node yet, not running yet, not ready, cheap by its own word, on the node with most of its
// kind, ready for the shortest time, started again most often, youngest.
function rankOf(pod: Pod, neighbours: number): readonly number[] {
  return [
    pod.spec?.nodeName ? 1 : 0,
    phaseRank[pod.status?.phase ?? ""] ?? 0,
    isReady(pod) ? 1 : 0,
    costOf(pod),
    -neighbours,
    -(readySince(pod) ?? 0),
    -restartsOf(pod),
    -Date.parse(pod.metadata?.creationTimestamp ?? ""),
  ];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0 && !Number.isNaN(difference)) return difference;
  }
  return 0;
}

// A 32-bit integer; anything else counts as nothing said.
function costOf(pod: Pod): number {
  const text = pod.metadata?.annotations?.[costAnnotation] ?? "0";
  return /^(0|-?[1-9]\d{0,9})$/.test(text) ? Number(text) : 0;
}
