/** The names of models in OpenAPI documents. The client library shortened them, so the package of each has to be found again. */
import { SCALE_KIND, SERVED_KINDS } from "./kinds.ts";

const META_PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1";

/** Types of `meta/v1` among the models that can be reached. */
const META_MODELS: ReadonlySet<string> = new Set([
  "V1Condition",
  "V1DeleteOptions",
  "V1LabelSelector",
  "V1LabelSelectorRequirement",
  "V1ListMeta",
  "V1ManagedFieldsEntry",
  "V1ObjectMeta",
  "V1OwnerReference",
  "V1Preconditions",
  "V1ShardInfo",
  "V1Status",
  "V1StatusCause",
  "V1StatusDetails",
]);

/** Models that no kind leads to, but requests and answers hold. */
export const META_ROOTS: readonly string[] = ["V1ListMeta", "V1Status", "V1DeleteOptions"];

/** Package of a group's types, from its API name: `apps` and `discovery.k8s.io` give `io.k8s.api.apps` and `io.k8s.api.discovery`. */
export function packageOf(group: string, version: string): string {
  return `io.k8s.api.${group === "" ? "core" : (group.split(".", 1)[0] ?? group)}.${version}`;
}

/**
 * The schema name of each model. A model belongs to the first kind that reaches it; `reach` lists the models reachable from one.
 * Core kinds come first, so what several groups share is found in the core group, where it is defined.
 */
export function schemaNames(reach: (root: string) => readonly string[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const model of META_MODELS) names.set(model, `${META_PACKAGE}.${shortName(model)}`);
  for (const { group, version, model: root } of [...SERVED_KINDS, SCALE_KIND]) {
    for (const model of reach(root)) {
      if (!names.has(model)) names.set(model, `${packageOf(group, version)}.${shortName(model)}`);
    }
  }
  return names;
}

/** `ServiceSpec` of `V1ServiceSpec`, `EndpointPort` of `DiscoveryV1EndpointPort`. */
function shortName(model: string): string {
  return model.replace(/^(?:[A-Z][a-z]+)?V\d+(?:(?:alpha|beta)\d+)?/, "");
}
