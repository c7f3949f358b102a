/** Patches of API objects: the content type chooses the kind of patch. */
import { badRequest, unsupportedMediaType } from "../api/errors.ts";
import { modelOf } from "../schema/kinds.ts";
import type { GroupVersionKind } from "../schema/kinds.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { isObject, MAX_NESTING, nestsWithin } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";
import { applyMergePatch } from "./merge-patch.ts";
import { applyStrategicMerge } from "./strategic-merge.ts";

const JSON_PATCH = "application/json-patch+json";
const MERGE_PATCH = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json";

/** The content types that {@link applyPatch} knows. */
export const PATCH_TYPES: readonly string[] = [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH];

/**
 * The object that a patch makes of `current`; a new value that shares nothing with either argument. The caller validates it. Throws
 * ApiError: 400 for a body that is no such patch, 413 for too many operations, 415 for a content type that is not in
 * {@link PATCH_TYPES}, 422 for a patch that does not fit the object.
 */
export function applyPatch(gvk: GroupVersionKind, contentType: string, patch: unknown, current: object): object {
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (!PATCH_TYPES.includes(type)) {
    throw unsupportedMediaType(
      `the body of the request was in an unknown format - accepted media types include: ${PATCH_TYPES.join(", ")}`,
    );
  }
  assertNesting(patch);
  const result = type === JSON_PATCH ? applyJsonPatch(patch, current) : applyObjectPatch(gvk, type, patch, current);
  if (!isObject(result)) throw badRequest("the patch does not leave an object");
  assertNesting(result);
  return result;
}

function applyObjectPatch(gvk: GroupVersionKind, type: string, patch: unknown, current: object): JsonObject {
  if (!isObject(patch)) throw badRequest("the patch must be a JSON object");
  if (type === MERGE_PATCH) return applyMergePatch(patch, current);
  return applyStrategicMerge(patch, { ...current }, modelOf(gvk));
}

function assertNesting(value: unknown): void {
  if (!nestsWithin(value)) throw badRequest(`the patch or its result nests deeper than ${MAX_NESTING} levels`);
}
