/** JSON merge patch (RFC 7386): objects merge, `null` removes, everything else replaces. */
import { copyOf, isObject, own, put } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";

/** A new object; neither argument is changed or shared. Nesting must have been checked. */
export function applyMergePatch(patch: JsonObject, current: unknown): JsonObject {
  const result: JsonObject = isObject(current) ? copyOf(current) : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (isObject(value)) put(result, key, applyMergePatch(value, own(result, key)));
    else put(result, key, copyOf(value));
  }
  return result;
}
