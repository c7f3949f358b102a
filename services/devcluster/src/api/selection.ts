/** A {@link Selection} as one test of an object. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { Selection } from "./cluster-api.ts";
import { badRequest } from "./errors.ts";
import { fieldMatcher, labelMatcher } from "./selectors.ts";
import type { Strategy } from "./strategy.ts";

/**
 * Compiles a selection. A field that the resource does not offer is refused as BadRequest, as soon as there is an object to
 * ask (`sample`); the namespace is the caller's to check where it narrows a list by index.
 */
export function objectMatcher(
  selection: Selection,
  strategy: Strategy<KubeObject>,
  sample: KubeObject | undefined,
): (object: KubeObject) => boolean {
  const { namespace, labelSelector, fieldSelector } = selection;
  const labels = labelSelector ? labelMatcher(labelSelector) : undefined;
  const fields = fieldSelector ? fieldMatcher(fieldSelector) : undefined;
  if (fields && sample) {
    const known = fieldsOf(sample, strategy);
    const unknown = fields.fields.find((field) => known[field] === undefined);
    if (unknown !== undefined) throw badRequest(`field label not supported: ${unknown}`);
  }
  return (object) =>
    (namespace === undefined || object.metadata?.namespace === namespace) &&
    (!labels || labels(object.metadata?.labels)) &&
    (!fields || fields.matches(fieldsOf(object, strategy)));
}

function fieldsOf(object: KubeObject, strategy: Strategy<KubeObject>): Readonly<Record<string, string>> {
  return {
    "metadata.name": object.metadata?.name ?? "",
    "metadata.namespace": object.metadata?.namespace ?? "",
    ...strategy.selectableFields?.(object),
  };
}
