/** A namespace of the API as the network sees it. Pure. */
import type { Namespace as ApiNamespace } from "@fairlead/kube";
import { namespaceName } from "@fairlead/types";
import type { Namespace } from "@fairlead/types";

/** The normalised namespace. One that is on its way out still is one. */
export function normaliseNamespace({ metadata }: ApiNamespace): Namespace {
  return { name: namespaceName(metadata?.name ?? "", "metadata.name") };
}
