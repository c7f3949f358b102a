/**
 * Strategic merge patch: like a merge patch, but lists with a merge key merge item by item, and `$…` keys direct how. The rules
 * of each field come from schema/list-rules.ts. What the directives mean is written down in the Kubernetes contributor docs
 * (sig-api-machinery, strategic-merge-patch).
 */
import { fieldRule } from "../schema/list-rules.ts";
import { badRequest } from "../api/errors.ts";
import { copyOf, isObject, own, put, sameJson } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";
import { deletePrimitives, mergeLists } from "./strategic-lists.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_PRIMITIVES = "$deleteFromPrimitiveList/";
const ELEMENT_ORDER = "$setElementOrder/";

/**
 * A new object of the given model; neither argument is changed. Throws ApiError 400 for a malformed directive and 422 for a list
 * item without its merge key. Nesting must have been checked.
 */
export function applyStrategicMerge(patch: JsonObject, current: JsonObject, model: string | undefined): JsonObject {
  const directive = own(patch, DIRECTIVE);
  if (directive === "delete") return {};
  if (directive === "replace") return copyOf(withoutDirective(patch));
  if (directive !== undefined && directive !== "merge") {
    throw badRequest(`invalid value for ${DIRECTIVE}: ${JSON.stringify(directive)}, supported: merge, replace, delete`);
  }
  const result: JsonObject = copyOf(current);
  retainKeys(patch, result);
  for (const field of touchedFields(patch)) mergeField(patch, result, field, model);
  return result;
}

/** The fields a patch speaks about, those it only reorders or deletes from included. */
function touchedFields(patch: JsonObject): Set<string> {
  const fields = new Set<string>();
  for (const key of Object.keys(patch)) {
    if (key === DIRECTIVE || key === RETAIN_KEYS) continue;
    if (key.startsWith(DELETE_PRIMITIVES)) fields.add(key.slice(DELETE_PRIMITIVES.length));
    else if (key.startsWith(ELEMENT_ORDER)) fields.add(key.slice(ELEMENT_ORDER.length));
    else fields.add(key);
  }
  return fields;
}

function mergeField(patch: JsonObject, result: JsonObject, field: string, model: string | undefined): void {
  const rule = fieldRule(model, field);
  const given = Object.hasOwn(patch, field);
  const value = own(patch, field);
  if (given && value === null) {
    delete result[field];
    return;
  }
  const before = own(result, field);
  if (isObject(value)) {
    put(result, field, applyStrategicMerge(value, isObject(before) ? before : {}, rule?.model));
    return;
  }
  if (given && !Array.isArray(value)) {
    put(result, field, value);
    return;
  }
  if (rule?.patchStrategy === undefined || !rule.patchStrategy.startsWith("merge")) {
    if (given) put(result, field, copyOf(value));
    return;
  }
  const deletions = listAt(patch, DELETE_PRIMITIVES, field);
  const order = listAt(patch, ELEMENT_ORDER, field);
  const kept = deletePrimitives(Array.isArray(before) ? before : [], deletions ?? [], field);
  const merged = mergeLists({
    field,
    before: kept,
    patch: Array.isArray(value) ? value : [],
    order,
    rule,
    mergeItem: (itemPatch, item) => applyStrategicMerge(itemPatch, item, rule.model),
  });
  // Only a list that was there or was asked for may appear; an order alone creates nothing.
  if (given || Array.isArray(before)) put(result, field, merged);
}

function listAt(patch: JsonObject, prefix: string, field: string): unknown[] | undefined {
  const list = own(patch, prefix + field);
  if (list === undefined || list === null) return undefined;
  if (!Array.isArray(list)) throw badRequest(`${prefix}${field} must be a list`);
  return list;
}

/** Drops what the patch does not retain, as `$retainKeys` asks: the fields of a union that were set before. */
function retainKeys(patch: JsonObject, result: JsonObject): void {
  const retained = own(patch, RETAIN_KEYS);
  if (retained === undefined) return;
  if (!Array.isArray(retained)) throw badRequest(`${RETAIN_KEYS} must be a list of field names`);
  const stray = [...touchedFields(patch)].find(
    (field) => own(patch, field) !== null && !retained.some((key) => sameJson(key, field)),
  );
  if (stray !== undefined)
    throw badRequest(`${RETAIN_KEYS} does not name ${JSON.stringify(stray)}, which the patch sets`);
  for (const field of Object.keys(result)) if (!retained.includes(field)) delete result[field];
}

function withoutDirective(patch: JsonObject): JsonObject {
  const { [DIRECTIVE]: _directive, ...rest } = patch;
  return rest;
}
