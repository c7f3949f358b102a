/** Checks an object against its model, as far as a real server's decoder does: unknown fields and wrong types. */
import type { FieldCause } from "../api/errors.ts";
import { own } from "../patch/json-value.ts";
import type { JsonObject } from "../patch/json-value.ts";
import { itemFault, shapeFault } from "./value-faults.ts";
import type { FieldType, Structure } from "./structure.ts";

/** Faults reported for one object; the rest is left out, so that a large bad object does not make a larger answer. */
export const MAX_REPORTED_FAULTS = 50;

export interface SchemaFaults {
  /** Paths of fields that the model does not have, for example `spec.ports[0].foo`. */
  readonly unknown: readonly string[];
  /**
   * Values of the wrong type (`FieldValueTypeInvalid`), which a real server's decoder refuses, and missing fields
   * (`FieldValueRequired`), which its validation refuses.
   */
  readonly typeErrors: readonly FieldCause[];
}

/**
 * Required by the published schema, but filled in, or never checked, by a real server. Beside these, nothing is required in the
 * parts that clients do not write: the status and the bookkeeping of field managers.
 */
const NOT_REQUIRED: ReadonlySet<string> = new Set([
  "CoreV1Event.involvedObject",
  "CoreV1Event.metadata",
  "V1EndpointSlice.endpoints",
]);
const UNCHECKED_BELOW: ReadonlySet<string> = new Set(["status", "metadata.managedFields"]);

/** Every fault of an object of the given model, up to {@link MAX_REPORTED_FAULTS} of each sort. */
export function findFaults(structure: Structure, model: string, object: unknown): SchemaFaults {
  const walk: Walk = { structure, unknown: [], typeErrors: [] };
  visitModel(walk, model, object, "");
  return {
    unknown: walk.unknown.slice(0, MAX_REPORTED_FAULTS),
    typeErrors: walk.typeErrors.slice(0, MAX_REPORTED_FAULTS),
  };
}

interface Walk {
  readonly structure: Structure;
  readonly unknown: string[];
  readonly typeErrors: FieldCause[];
}

/** Recursion ends with the model tree, which has no cycles: what nests deeper is unknown or of type `any`, and is not entered. */
function visitModel(walk: Walk, modelName: string, value: unknown, path: string): void {
  const model = walk.structure[modelName];
  if (!model) return;
  const fault = shapeFault(value, "object");
  if (fault !== undefined) {
    report(walk, path, fault);
    return;
  }
  const object = value as JsonObject;
  for (const [key, child] of Object.entries(object)) {
    if (walk.unknown.length >= MAX_REPORTED_FAULTS && walk.typeErrors.length >= MAX_REPORTED_FAULTS) return;
    const type = Object.hasOwn(model.fields, key) ? model.fields[key] : undefined;
    if (!type) walk.unknown.push(join(path, key));
    else if (child !== null && child !== undefined) visitField(walk, type, child, join(path, key));
  }
  if (UNCHECKED_BELOW.has(topOf(path))) return;
  for (const [key, type] of Object.entries(model.fields)) {
    if (!type.required || NOT_REQUIRED.has(`${modelName}.${key}`)) continue;
    if ((own(object, key) ?? null) === null && !UNCHECKED_BELOW.has(join(path, key))) {
      walk.typeErrors.push({ reason: "FieldValueRequired", field: join(path, key), message: "Required value" });
    }
  }
}

function visitField(walk: Walk, type: FieldType, value: unknown, path: string): void {
  if (type.shape === "one") {
    visitOne(walk, type, value, path);
    return;
  }
  const fault = shapeFault(value, type.shape);
  if (fault !== undefined) {
    report(walk, path, fault);
    return;
  }
  const entries = Array.isArray(value)
    ? value.map((item: unknown, index) => [`${path}[${index}]`, item] as const)
    : Object.entries(value as JsonObject).map(([key, item]) => [`${path}[${key}]`, item] as const);
  for (const [itemPath, item] of entries) {
    if (walk.typeErrors.length >= MAX_REPORTED_FAULTS) return;
    // A null in a map reads as the empty value; in a list it would be an item that says nothing.
    if (item === null && type.shape === "map") continue;
    visitOne(walk, type, item, itemPath);
  }
}

function visitOne(walk: Walk, type: FieldType, value: unknown, path: string): void {
  if (type.model) {
    visitModel(walk, type.of, value, path);
    return;
  }
  const fault = itemFault(value, type.of);
  if (fault !== undefined) report(walk, path, fault);
}

function report(walk: Walk, field: string, message: string): void {
  walk.typeErrors.push({ reason: "FieldValueTypeInvalid", field: field === "" ? "<root>" : field, message });
}

function join(path: string, key: string): string {
  return path === "" ? key : `${path}.${key}`;
}

/** `status` of `status.conditions[0]`, and the two segments that {@link UNCHECKED_BELOW} may name. */
function topOf(path: string): string {
  const [first = "", second] = path.split(/[.[]/, 2);
  return first === "metadata" && second !== undefined ? `${first}.${second}` : first;
}
