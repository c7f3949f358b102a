/**
 * Server-side apply: a manager says what it wants of an object, and owns that. What it no longer says is removed, unless somebody else
 * owns it; what somebody else owns it may not change, unless it forces. The rules are those of the Kubernetes documentation
 * (reference/using-api/server-side-apply); ownership is kept for one API version, as no kind here has two.
 */
import { ApiError, badRequest } from "../api/errors.ts";
import type { ObjectReference } from "../api/errors.ts";
import { modelOf } from "../schema/kinds.ts";
import type { GroupVersionKind } from "../schema/kinds.ts";
import { removeDisowned } from "./disowned-fields.ts";
import { pathText } from "./field-set.ts";
import type { FieldSet, PathKey } from "./field-set.ts";
import { copyOf, isObject, MAX_NESTING, nestsWithin, sameJson } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";
import { apiVersionOf, isSameOwner, ownersOf, withOwners } from "./managed-fields.ts";
import type { Owner, OwnerIdentity } from "./managed-fields.ts";
import { assertUniqueItems, mergeOwned, ownedFields } from "./owned-fields.ts";

/** The content type of an apply; its body is YAML or JSON. */
export const APPLY_PATCH = "application/apply-patch+yaml";

/** Conflicting fields that one error names. */
export const MAX_NAMED_CONFLICTS = 50;

/** One apply. Objects must have passed validation by schema, and hold no nulls. */
export interface ServerSideApply {
  readonly gvk: GroupVersionKind;
  /** Plural name, for messages. */
  readonly resource: string;
  readonly applied: object;
  /** What is stored; undefined creates. */
  readonly current: object | undefined;
  readonly manager: string;
  readonly force: boolean;
  /** Empty, or `status`. */
  readonly subresource?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * The object after an apply, `managedFields` included; a new value. An apply that changes nothing gives back what is stored, times
 * included. Throws ApiError: 400 for an apply without manager or with managedFields of its own, 409 with a `FieldManagerConflict` for each
 * field that another manager owns and that would change, 422 for a list with two items of one key.
 */
export function serverSideApply(request: ServerSideApply): object {
  const { gvk, applied, current, force } = request;
  const model = modelOf(gvk);
  assertApplicable(request, model);
  const wanted = ownedFields(applied as JsonObject, model);
  const stored: JsonObject = isObject(current) ? current : {};
  const identity = identityOf(request, "Apply");
  const owners = ownersOf(stored);
  const mine = owners.find((owner) => isSameOwner(owner, identity));
  const others = owners.filter((owner) => owner !== mine);

  const changing = changedPaths(ownedFields(stored, model), wanted);
  const conflicts = others.flatMap((owner) => {
    const paths = [...owner.fields].filter((path) => changing.has(path));
    return paths.length === 0 ? [] : [{ owner, paths }];
  });
  if (conflicts.length > 0 && !force) throw conflictError(request, conflicts);

  const remaining = others.map((owner) => ({ ...owner, fields: owner.fields.difference(changing) }));
  const kept = remaining.reduce<FieldSet>((all, { fields }) => all.union(fields), new Set(wanted.keys()));
  const gone = (mine?.fields ?? new Set()).difference(kept);
  const merged = removeDisowned(mergeOwned(stored, applied as JsonObject, model), model, gone, kept);
  const present = new Set(ownedFields(merged, model).keys());
  const owner = { ...identity, time: timeOf(request.now), fields: new Set(wanted.keys()) };
  const result = withOwners(
    merged,
    [...remaining, owner].map((one) => ({ ...one, fields: one.fields.intersection(present) })),
  );
  const unchanged = mine !== undefined && sameSet(mine.fields, owner.fields) && sameJson(merged, stored);
  return unchanged ? copyOf(stored) : result;
}

/** Any other write, of which the owners are to be kept as well. */
export interface TrackedWrite {
  readonly gvk: GroupVersionKind;
  /** What was stored; undefined for a create. */
  readonly before: object | undefined;
  readonly after: object;
  readonly manager: string;
  readonly subresource?: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * `after` with its managedFields brought up to date: the writer owns what it changed, and nobody owns what is gone. An empty list, or one
 * empty entry, from the client resets them. A new value that shares the rest with `after`.
 */
export function trackWrite(write: TrackedWrite): object {
  const model = modelOf(write.gvk);
  const after = write.after as JsonObject;
  if (isReset(after)) return withOwners(after, []);
  const before = ownedFields((write.before ?? {}) as JsonObject, model);
  const now = ownedFields(after, model);
  const changed = changedPaths(before, now);
  const present = new Set(now.keys());
  const identity = identityOf({ ...write, gvk: write.gvk }, "Update");
  const named = ownersOf(after);
  const owners = named.length > 0 ? named : ownersOf((write.before ?? {}) as JsonObject);
  const mine = owners.find((owner) => isSameOwner(owner, identity));
  const others = owners.filter((owner) => owner !== mine);
  const fields = (mine?.fields ?? new Set()).union(changed).intersection(present);
  return withOwners(after, [
    ...others.map((owner) => ({ ...owner, fields: owner.fields.difference(changed).intersection(present) })),
    { ...identity, time: changed.size > 0 || !mine ? timeOf(write.now) : mine.time, fields },
  ]);
}

function assertApplicable({ gvk, applied, manager, resource }: ServerSideApply, model: string | undefined): void {
  if (!isObject(applied) || !nestsWithin(applied))
    throw badRequest(`the applied object nests deeper than ${MAX_NESTING} levels`);
  if (manager === "") throw badRequest("fieldManager is required for apply patch");
  const metadata = isObject(applied["metadata"]) ? applied["metadata"] : {};
  const managedFields = metadata["managedFields"];
  if (Array.isArray(managedFields) && managedFields.length > 0) throw badRequest("metadata.managedFields must be nil");
  const name = typeof metadata["name"] === "string" ? metadata["name"] : "";
  assertUniqueItems(applied, model, { resource, group: gvk.group, kind: gvk.kind, name });
}

function identityOf(
  { gvk, manager, subresource }: Pick<ServerSideApply, "gvk" | "manager" | "subresource">,
  operation: Owner["operation"],
): OwnerIdentity {
  return { manager, operation, apiVersion: apiVersionOf(gvk), subresource: subresource ?? "" };
}

/** Paths of `after` that `before` lacks or has with another value. */
function changedPaths(before: ReadonlyMap<PathKey, unknown>, after: ReadonlyMap<PathKey, unknown>): Set<PathKey> {
  return new Set(
    [...after].flatMap(([path, value]) => (before.has(path) && sameJson(before.get(path), value) ? [] : [path])),
  );
}

function isReset(object: JsonObject): boolean {
  const entries = isObject(object["metadata"]) ? object["metadata"]["managedFields"] : undefined;
  return Array.isArray(entries) && entries.every((entry) => isObject(entry) && Object.keys(entry).length === 0);
}

function conflictError(
  { gvk, resource, applied }: ServerSideApply,
  conflicts: readonly { owner: Owner; paths: readonly PathKey[] }[],
): ApiError {
  const causes = conflicts
    .flatMap(({ owner, paths }) =>
      paths.map((path) => ({
        reason: "FieldManagerConflict",
        message: `conflict with ${JSON.stringify(owner.manager)}${owner.subresource ? ` with subresource ${JSON.stringify(owner.subresource)}` : ""} using ${owner.apiVersion}`,
        field: pathText(path),
      })),
    )
    .toSorted((a, b) => (a.field < b.field ? -1 : 1))
    .slice(0, MAX_NAMED_CONFLICTS);
  const [first] = causes;
  const text =
    causes.length === 1 && first
      ? `1 conflict: ${first.message}: ${first.field}`
      : `${causes.length} conflicts: ${[...Map.groupBy(causes, ({ message }) => message)]
          .map(([message, fields]) => `${message}:\n${fields.map(({ field }) => `- ${field}`).join("\n")}`)
          .join("\n")}`;
  const { name } = ((applied as JsonObject)["metadata"] ?? {}) as { name?: string };
  const details: ObjectReference = { resource, group: gvk.group, kind: gvk.kind, name: name ?? "" };
  return new ApiError(409, "Conflict", `Apply failed with ${text}`, {
    name: details.name,
    group: details.group,
    kind: details.resource,
    causes,
  });
}

function sameSet(a: FieldSet, b: FieldSet): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

/** To the second, as the API writes times. */
function timeOf(now: number): string {
  return new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
}
