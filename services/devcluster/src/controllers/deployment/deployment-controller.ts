/** Leads the ReplicaSets of Deployments from one template to the next. */
import type { Startable } from "@fairlead/host";
import type { Deployment, ReplicaSet } from "@fairlead/kube/objects";
import { controllerOf } from "../ownership.ts";
import { joinKey, keyOf, QueueController } from "../queue-controller.ts";
import type { ControllerContext } from "../queue-controller.ts";
import { DeploymentWork, selects } from "./deployment-work.ts";

/** Makes the controller. */
export function createDeploymentController(context: ControllerContext): Startable {
  const { api } = context;
  const work = new DeploymentWork(context);

  function deploymentsOf(set: ReplicaSet): string[] {
    const { namespace = "", labels = {} } = set.metadata ?? {};
    const controller = controllerOf(set);
    if (controller) return controller.kind === "Deployment" ? [joinKey(namespace, controller.name)] : [];
    const { items } = api.list("deployments", { namespace });
    return items.filter((deployment: Deployment) => selects(deployment, labels)).map((one) => keyOf(one));
  }

  return new QueueController({
    ...context,
    name: "deployment-controller",
    process: (key, keys) => work.process(key, keys),
    watch: (keys) => [
      api.watch("deployments", {}, ({ object }) => keys.add(keyOf(object))),
      api.watch("replicasets", {}, ({ object }) => {
        for (const key of deploymentsOf(object)) keys.add(key);
      }),
      // Recreate waits until the last old pod is gone.
      api.watch("pods", {}, ({ type, object }) => {
        const owner = type === "DELETED" ? controllerOf(object) : undefined;
        const set =
          owner?.kind === "ReplicaSet" ? api.find("replicasets", object.metadata?.namespace, owner.name) : undefined;
        for (const key of set ? deploymentsOf(set) : []) keys.add(key);
      }),
    ],
  });
}
