/** Empties namespaces that are being deleted, then lets them go. */
import type { Startable } from "@fairlead/host";
import type { KubeObject } from "@fairlead/kube/objects";
import { namespaceFinalizer } from "../strategies/cluster/namespace-strategy.ts";
import { resourceNames } from "../strategies/names.ts";
import { isLeaving } from "./ownership.ts";
import { QueueController, splitKey, joinKey } from "./queue-controller.ts";
import type { ControllerContext } from "./queue-controller.ts";

const namespaced = resourceNames.filter((names) => names.namespaced).map((names) => names.resource);

/** Makes the controller. */
export function createNamespaceController(context: ControllerContext): Startable {
  const { api } = context;

  function process(key: string): void {
    const { name } = splitKey(key);
    const namespace = api.find("namespaces", undefined, name);
    if (!namespace || !isLeaving(namespace)) return;
    if (empty(name) > 0) return;
    api.modify("namespaces", undefined, name, (copy) => {
      const finalizers = (copy.spec?.finalizers ?? []).filter((one) => one !== namespaceFinalizer);
      return { ...copy, spec: { ...copy.spec, finalizers } };
    });
  }

  /** Deletes all that is in the namespace and not on its way already; answers with how much is still there. */
  function empty(namespace: string): number {
    let left = 0;
    for (const resource of namespaced) {
      for (const object of api.list(resource, { namespace }).items as readonly KubeObject[]) {
        const { name = "" } = object.metadata ?? {};
        if (!isLeaving(object)) api.delete(resource, namespace, name, { propagationPolicy: "Background" });
      }
      left += api.list(resource, { namespace }).items.length;
    }
    return left;
  }

  return new QueueController({
    ...context,
    name: "namespace-controller",
    process,
    watch: (keys) => [
      api.watch("namespaces", {}, ({ object }) => {
        if (isLeaving(object)) keys.add(joinKey("", object.metadata?.name ?? ""));
      }),
      ...namespaced.map((resource) =>
        api.watch(resource, {}, ({ type, object }) => {
          const name = object.metadata?.namespace ?? "";
          const namespace = type === "DELETED" ? api.find("namespaces", undefined, name) : undefined;
          if (namespace && isLeaving(namespace)) keys.add(joinKey("", name));
        }),
      ),
    ],
  });
}
