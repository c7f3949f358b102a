/** An object as a real server's decoder would have it: without unknown fields and nulls. */
import { isObject, put } from "../patch/json-value.ts";
import type { JsonObject } from "../patch/json-value.ts";
import type { FieldType, Structure } from "./structure.ts";

/**
 * A copy that holds only what the model knows. A null is dropped, in a map of strings it becomes the empty string; an empty map is
 * dropped, as Go's `omitempty` does; a number for a quantity becomes its text. Values of the wrong type stay as they are: they are
 * for validation to refuse.
 */
export function prune(structure: Structure, model: string, object: JsonObject): JsonObject {
  const fields = structure[model]?.fields ?? {};
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(object)) {
    const type = Object.hasOwn(fields, key) ? fields[key] : undefined;
    if (!type || value === null || value === undefined || (isEmptyMap(type, value) && !type.required)) continue;
    result[key] = pruneField(structure, type, value);
  }
  return result;
}

function pruneField(structure: Structure, type: FieldType, value: unknown): unknown {
  if (type.shape === "list" && Array.isArray(value)) {
    return value.map((item: unknown) => pruneOne(structure, type, item));
  }
  if (type.shape === "map" && isObject(value)) {
    const result: JsonObject = {};
    for (const [key, item] of Object.entries(value)) put(result, key, pruneOne(structure, type, item ?? emptyOf(type)));
    return result;
  }
  return pruneOne(structure, type, value);
}

function pruneOne(structure: Structure, type: FieldType, value: unknown): unknown {
  if (type.model && isObject(value)) return prune(structure, type.of, value);
  if (type.of === "quantity" && typeof value === "number") return String(value);
  return value;
}

function isEmptyMap(type: FieldType, value: unknown): boolean {
  return type.shape === "map" && isObject(value) && Object.keys(value).length === 0;
}

/** Go's zero value of a map's item. */
function emptyOf(type: FieldType): unknown {
  if (type.model) return {};
  return type.of === "quantity" ? "0" : "";
}
