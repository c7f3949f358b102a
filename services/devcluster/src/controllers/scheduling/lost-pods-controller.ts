/** Removes pods whose node is gone: nobody else would ever say that they ended. */
import type { Startable } from "@fairlead/host";
import type { Pod } from "@fairlead/kube/objects";
import { keyOf, QueueController, splitKey } from "../queue-controller.ts";
import type { ControllerContext } from "../queue-controller.ts";

/** How long a node may be missing before its pods are given up: as Kubernetes' pod garbage collector. */
export const nodeQuarantineMs = 40_000;

/** Makes the controller. */
export function createLostPodsController(context: ControllerContext): Startable {
  const { api } = context;

  function isLost(pod: Pod): boolean {
    const node = pod.spec?.nodeName;
    return node !== undefined && node !== "" && api.find("nodes", undefined, node) === undefined;
  }

  return new QueueController({
    ...context,
    name: "lost-pods-controller",
    process: (key) => {
      const { namespace, name } = splitKey(key);
      const pod = api.find("pods", namespace, name);
      if (pod && isLost(pod)) api.delete("pods", namespace, name, { gracePeriodSeconds: 0 });
    },
    watch: (keys) => [
      api.watch("pods", {}, ({ type, object }) => {
        if (type !== "DELETED" && isLost(object)) keys.addAfter(keyOf(object), nodeQuarantineMs);
      }),
      api.watch("nodes", {}, ({ type, object }) => {
        if (type !== "DELETED") return;
        const { items } = api.list("pods", { fieldSelector: `spec.nodeName=${object.metadata?.name ?? ""}` });
        for (const pod of items) keys.addAfter(keyOf(pod), nodeQuarantineMs);
      }),
    ],
  });
}
