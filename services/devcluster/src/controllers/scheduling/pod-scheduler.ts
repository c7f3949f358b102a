/** Gives each pod a node. */
import type { Startable } from "@fairlead/host";
import type { Pod } from "@fairlead/kube/objects";
import { timestamp } from "../../api/metadata.ts";
import { isLeaving } from "../ownership.ts";
import { isActive } from "../pod-state.ts";
import { keyOf, QueueController, splitKey } from "../queue-controller.ts";
import type { ControllerContext } from "../queue-controller.ts";
import { place } from "./node-fit.ts";

const schedulerName = "default-scheduler";

/** Makes the controller. */
export function createPodScheduler(context: ControllerContext): Startable {
  const { api, clock } = context;

  function process(key: string): void {
    const { namespace, name } = splitKey(key);
    const pod = api.find("pods", namespace, name);
    if (!pod || !isWaiting(pod)) return;
    const placement = place(pod, api.list("nodes").items, podCounter());
    if ("reason" in placement) {
      noteFailure(pod, placement.reason);
      return;
    }
    const { node } = placement;
    api.modify("pods", namespace, name, (copy) => {
      if (copy.spec) copy.spec.nodeName = node;
      return copy;
    });
    const message = `Successfully assigned ${namespace}/${name} to ${node}`;
    api.recordEvent(pod, { type: "Normal", reason: "Scheduled", message, component: schedulerName });
  }

  function podCounter(): (node: string) => number {
    const counts = new Map<string, number>();
    for (const pod of api.list("pods").items) {
      const node = pod.spec?.nodeName;
      if (node && isActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    return (node) => counts.get(node) ?? 0;
  }

  function noteFailure(pod: Pod, message: string): void {
    const { namespace = "", name = "" } = pod.metadata ?? {};
    const known = pod.status?.conditions?.find((condition) => condition.type === "PodScheduled");
    if (known?.message === message) return;
    const now = timestamp(clock.now());
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message };
    api.modify(
      "pods",
      namespace,
      name,
      (copy) => {
        const others = (copy.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
        const conditions = [...others, { ...condition, lastTransitionTime: known?.lastTransitionTime ?? now }];
        return { ...copy, status: { ...copy.status, conditions } };
      },
      "status",
    );
    api.recordEvent(pod, { type: "Warning", reason: "FailedScheduling", message, component: schedulerName });
  }

  return new QueueController({
    ...context,
    name: schedulerName,
    process,
    watch: (keys) => [
      api.watch("pods", {}, ({ type, object }) => {
        if (type !== "DELETED" && isWaiting(object)) keys.add(keyOf(object));
      }),
      // A node that came, or came back, may take what fits nowhere else.
      api.watch("nodes", {}, () => {
        for (const pod of api.list("pods").items) if (isWaiting(pod)) keys.add(keyOf(pod));
      }),
    ],
  });
}

function isWaiting(pod: Pod): boolean {
  const ours = (pod.spec?.schedulerName ?? schedulerName) === schedulerName;
  return ours && !pod.spec?.nodeName && isActive(pod) && !isLeaving(pod);
}
