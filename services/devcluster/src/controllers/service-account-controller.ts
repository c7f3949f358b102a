/** Gives every namespace its ServiceAccount `default`, which pods name unless told otherwise. */
import type { Startable } from "@fairlead/host";
import { isLeaving } from "./ownership.ts";
import { joinKey, QueueController, splitKey } from "./queue-controller.ts";
import type { ControllerContext } from "./queue-controller.ts";

const accountName = "default";

/** Makes the controller. */
export function createServiceAccountController(context: ControllerContext): Startable {
  const { api } = context;

  function process(key: string): void {
    const { name } = splitKey(key);
    const namespace = api.find("namespaces", undefined, name);
    if (!namespace || isLeaving(namespace) || api.find("serviceaccounts", name, accountName)) return;
    api.create("serviceaccounts", { metadata: { name: accountName, namespace: name } });
  }

  return new QueueController({
    ...context,
    name: "service-account-controller",
    process,
    watch: (keys) => [
      api.watch("namespaces", {}, ({ object }) => keys.add(joinKey("", object.metadata?.name ?? ""))),
      api.watch("serviceaccounts", { fieldSelector: `metadata.name=${accountName}` }, ({ type, object }) => {
        if (type === "DELETED") keys.add(joinKey("", object.metadata?.namespace ?? ""));
      }),
    ],
  });
}
