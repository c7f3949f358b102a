/** The lists of a strategic merge patch: items merged by key or as a set, deleted and put in order. */
import type { FieldRule } from "../schema/list-rules.ts";
import { ApiError, badRequest } from "../api/errors.ts";
import { copyOf, isObject, own, sameJson } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";
import { interleave } from "./list-order.ts";

/** One list with its patch. `order` is the patch's `$setElementOrder`; items in it are keys (`{name: "a"}`) or values. */
export interface ListMerge {
  readonly field: string;
  readonly before: readonly unknown[];
  readonly patch: readonly unknown[];
  readonly order: readonly unknown[] | undefined;
  readonly rule: FieldRule;
  readonly mergeItem: (patch: JsonObject, item: JsonObject) => JsonObject;
}

/** The merged list, as new values. Throws ApiError 400 or 422 (see strategic-merge.ts). */
export function mergeLists(merge: ListMerge): unknown[] {
  const key = merge.rule.patchMergeKey;
  const merged = key === undefined ? mergeValues(merge) : mergeItems(merge, key);
  return merge.order === undefined ? merged : inOrder(merged, merge, merge.order);
}

/** The list without the values that `$deleteFromPrimitiveList` names. */
export function deletePrimitives(list: readonly unknown[], deletions: readonly unknown[], field: string): unknown[] {
  if (deletions.some((value) => typeof value === "object")) {
    throw badRequest(`$deleteFromPrimitiveList/${field} may only name plain values`);
  }
  return list.filter((value) => !deletions.includes(value));
}

function mergeValues({ field, before, patch }: ListMerge): unknown[] {
  if (patch.some((value) => typeof value === "object")) throw badRequest(`${field} is a list of plain values`);
  return [...new Set([...before, ...patch])];
}

function mergeItems({ field, before, patch, rule, mergeItem }: ListMerge, key: string): unknown[] {
  const entries = patch.map((item) => asItem(item, field));
  const replaces = entries.some((item) => own(item, "$patch") === "replace");
  const list: JsonObject[] = replaces ? [] : before.map((item) => copyOf(asItem(item, field)));
  for (const item of entries) {
    const directive = own(item, "$patch");
    if (directive === "replace") continue;
    if (own(item, key) === undefined || own(item, key) === null) {
      throw new ApiError(422, "Invalid", `an item of ${field} in the patch does not contain the merge key ${key}`);
    }
    if (directive === "delete") {
      for (let index = list.length - 1; index >= 0; index -= 1) {
        if (sameJson(own(list[index] ?? {}, key), own(item, key))) list.splice(index, 1);
      }
      continue;
    }
    const index = indexOfItem(list, item, rule, key);
    const found = list[index];
    if (found) list[index] = mergeItem(item, found);
    else list.push(mergeItem(item, {}));
  }
  return list;
}

/**
 * Where the item is that a patch means. Kubernetes looks at the merge key only and then mixes up a Service's `53/TCP` and
 * `53/UDP`; where the key is not unique, the item that also agrees in the other keys of the list is meant.
 */
function indexOfItem(list: readonly JsonObject[], item: JsonObject, rule: FieldRule, key: string): number {
  const candidates = list.flatMap((other, index) => (sameJson(own(other, key), own(item, key)) ? [index] : []));
  const exact = candidates.find((index) =>
    (rule.listMapKeys ?? []).every((name) => sameJson(own(list[index] ?? {}, name), own(item, name))),
  );
  return exact ?? candidates[0] ?? -1;
}

/** Items that the order names come in that order; the others, which only the server knows, keep their place relative to them. */
function inOrder(
  merged: readonly unknown[],
  { field, before, rule, patch }: ListMerge,
  order: readonly unknown[],
): unknown[] {
  const key = rule.patchMergeKey;
  const identity = (item: unknown): unknown => (key !== undefined && isObject(item) ? own(item, key) : item);
  const rankIn = (list: readonly unknown[], item: unknown): number =>
    list.findIndex((other) => sameJson(identity(other), identity(item)));
  for (const item of patch) {
    if (isObject(item) && own(item, "$patch") !== undefined) continue;
    if (rankIn(order, item) < 0) throw badRequest(`$setElementOrder/${field} does not name every item of the patch`);
  }
  const named = merged
    .filter((item) => rankIn(order, item) >= 0)
    .toSorted((a, b) => rankIn(order, a) - rankIn(order, b));
  const others = merged.filter((item) => rankIn(order, item) < 0);
  return interleave(named, others, (item) => rankIn(before, item));
}

function asItem(item: unknown, field: string): JsonObject {
  if (!isObject(item)) throw badRequest(`${field} is a list of objects, got ${JSON.stringify(item)}`);
  return item;
}
