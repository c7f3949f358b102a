/** Which fields an object holds, as far as they can be owned one by one, and how two objects merge along them. */
import { invalid } from "../api/errors.ts";
import type { ObjectReference } from "../api/errors.ts";
import { fieldRule, isWhole } from "../schema/list-rules.ts";
import type { FieldRule } from "../schema/list-rules.ts";
import { pathKey } from "./field-set.ts";
import type { PathKey } from "./field-set.ts";
import { copyOf, isObject, own, put } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";
import { interleave } from "./list-order.ts";

/** Fields nobody owns: they name the object, or the server writes them. */
const UNOWNED: ReadonlySet<PathKey> = new Set(
  [
    ["f:apiVersion"],
    ["f:kind"],
    ...["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields"].map(
      (field) => ["f:metadata", `f:${field}`],
    ),
    ...["name", "namespace", "resourceVersion", "selfLink", "uid"].map((field) => ["f:metadata", `f:${field}`]),
  ].map((segments) => pathKey(segments)),
);

/** The value a list's key has where an item leaves it out. */
const KEY_DEFAULTS: Readonly<Record<string, unknown>> = { protocol: "TCP" };

/** How a field's value may be divided among owners. */
export type Division = "object" | "items" | "values" | "whole";

/** An object is owned field by field, a list item by item or value by value, where the rules do not say: as a whole. */
export function divisionOf(value: unknown, rule: FieldRule | undefined): Division {
  if (isObject(value)) return rule?.mapType === "atomic" || isWhole(rule?.model) ? "whole" : "object";
  if (!Array.isArray(value)) return "whole";
  if (rule?.listType === "map" && value.every((item) => isObject(item))) return "items";
  if (rule?.listType === "set" && value.every((item) => typeof item !== "object")) return "values";
  return "whole";
}

/** The segment of a list item or of a value in a set. */
export function itemSegment(item: unknown, rule: FieldRule | undefined): string {
  if (!isObject(item) || rule?.listMapKeys === undefined) return `v:${JSON.stringify(item)}`;
  const keys = rule.listMapKeys.toSorted().map((key) => [key, own(item, key) ?? KEY_DEFAULTS[key] ?? null] as const);
  return `k:${JSON.stringify(Object.fromEntries(keys))}`;
}

/** Every path that can be owned, with the value there; for a list's item, `null` in place of its value. */
export function ownedFields(object: JsonObject, model: string | undefined): Map<PathKey, unknown> {
  const fields = new Map<PathKey, unknown>();
  const add = (segments: readonly string[], value: unknown): void => {
    const path = pathKey(segments);
    if (!UNOWNED.has(path)) fields.set(path, value);
  };
  const visit = (value: unknown, rule: FieldRule | undefined, segments: readonly string[]): void => {
    const division = divisionOf(value, rule);
    if (division === "object" && Object.keys(value as JsonObject).length > 0) {
      for (const [key, child] of Object.entries(value as JsonObject)) {
        visit(child, fieldRule(rule?.model, key), [...segments, `f:${key}`]);
      }
    } else if ((division === "items" || division === "values") && (value as unknown[]).length > 0) {
      for (const item of value as unknown[]) {
        const path = [...segments, itemSegment(item, rule)];
        add(path, null);
        if (division === "items") visit(item, isWhole(rule?.model) ? undefined : { model: rule?.model ?? "" }, path);
      }
    } else add(segments, value);
  };
  if (Object.keys(object).length > 0) visit(object, model === undefined ? undefined : { model }, []);
  return fields;
}

/** `applied` over `current`: fields and items that only `current` has stay. A new object. */
export function mergeOwned(current: JsonObject, applied: JsonObject, model: string | undefined): JsonObject {
  const result = copyOf(current);
  for (const [key, value] of Object.entries(applied)) {
    put(result, key, mergeValue(own(current, key), value, fieldRule(model, key)));
  }
  return result;
}

function mergeValue(before: unknown, value: unknown, rule: FieldRule | undefined): unknown {
  const division = divisionOf(value, rule);
  if (division === "whole" || division !== divisionOf(before, rule)) return copyOf(value);
  if (division === "object") return mergeOwned(before as JsonObject, value as JsonObject, rule?.model);
  const existing = new Map((before as unknown[]).map((item, index) => [itemSegment(item, rule), { item, index }]));
  const named = (value as unknown[]).map((item) => {
    const found = existing.get(itemSegment(item, rule))?.item;
    return isObject(item) && isObject(found) ? mergeOwned(found, item, rule?.model) : copyOf(item);
  });
  const segments = new Set(named.map((item) => itemSegment(item, rule)));
  const others = (before as unknown[]).filter((item) => !segments.has(itemSegment(item, rule)));
  // A new item stands right before the next one that both sides have, behind those that only the stored list has.
  const places = new Map<string, number>();
  let place = Infinity;
  for (const item of named.toReversed()) {
    place = existing.get(itemSegment(item, rule))?.index ?? place;
    places.set(itemSegment(item, rule), place);
  }
  return interleave(named, copyOf(others), (item) => {
    const segment = itemSegment(item, rule);
    return places.get(segment) ?? existing.get(segment)?.index ?? Infinity;
  });
}

/** Throws ApiError 422 if a list holds two items of one key: it could not be said whose they are. */
export function assertUniqueItems(object: JsonObject, model: string | undefined, about: ObjectReference): void {
  const visit = (value: unknown, rule: FieldRule | undefined, path: string): void => {
    const division = divisionOf(value, rule);
    if (division === "object") {
      for (const [key, child] of Object.entries(value as JsonObject)) {
        visit(child, fieldRule(rule?.model, key), path === "" ? key : `${path}.${key}`);
      }
    } else if (division === "items" || division === "values") {
      const seen = new Set<string>();
      for (const [index, item] of (value as unknown[]).entries()) {
        const segment = itemSegment(item, rule);
        if (seen.has(segment)) {
          const message = `Duplicate value: ${segment.slice(2)}`;
          throw invalid(about, [{ reason: "FieldValueDuplicate", field: `${path}[${index}]`, message }]);
        }
        seen.add(segment);
        if (division === "items") visit(item, { model: rule?.model ?? "" }, `${path}[${index}]`);
      }
    }
  };
  visit(object, model === undefined ? undefined : { model }, "");
}
