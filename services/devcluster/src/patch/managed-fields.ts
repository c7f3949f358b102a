/** `metadata.managedFields`: who owns which fields. */
import type { GroupVersionKind } from "../schema/kinds.ts";
import { fromFieldsV1, toFieldsV1 } from "./field-set.ts";
import type { FieldSet } from "./field-set.ts";
import { isObject, own } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";

/** Managers kept that wrote without apply; the longest unheard of is forgotten first, and its fields are free. */
export const MAX_UPDATE_MANAGERS = 10;

/** Managers kept that apply; the longest unheard of is forgotten first. */
export const MAX_APPLY_MANAGERS = 50;

/** One owner: a manager is another one for each operation, version and subresource it writes with. */
export interface Owner {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339, of its last change. */
  readonly time: string;
  readonly fields: FieldSet;
}

/** Who makes a change, and how. */
export type OwnerIdentity = Pick<Owner, "manager" | "operation" | "apiVersion" | "subresource">;

export function apiVersionOf({ group, version }: GroupVersionKind): string {
  return group === "" ? version : `${group}/${version}`;
}

export function isSameOwner(a: OwnerIdentity, b: OwnerIdentity): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    a.apiVersion === b.apiVersion &&
    a.subresource === b.subresource
  );
}

/** The owners that an object names. Entries that make no sense are left out: clients may write here. */
export function ownersOf(object: JsonObject): Owner[] {
  const metadata = own(object, "metadata");
  const entries = isObject(metadata) ? own(metadata, "managedFields") : undefined;
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((entry): Owner[] => {
    if (!isObject(entry)) return [];
    const { manager, operation, apiVersion, subresource, time, fieldsV1 } = entry;
    const fields = fromFieldsV1(fieldsV1);
    if (typeof manager !== "string" || typeof apiVersion !== "string" || fields.size === 0) return [];
    if (operation !== "Apply" && operation !== "Update") return [];
    return [
      {
        manager,
        operation,
        apiVersion,
        subresource: typeof subresource === "string" ? subresource : "",
        time: typeof time === "string" ? time : "",
        fields,
      },
    ];
  });
}

/** The object with these owners, those without fields left out; a new object that shares all else. */
export function withOwners(object: JsonObject, owners: readonly Owner[]): JsonObject {
  const kept = [...bounded(owners, "Apply", MAX_APPLY_MANAGERS), ...bounded(owners, "Update", MAX_UPDATE_MANAGERS)];
  const { managedFields: _before, ...metadata } = isObject(object["metadata"]) ? object["metadata"] : {};
  const managedFields = kept.map(({ manager, operation, apiVersion, subresource, time, fields }) => ({
    manager,
    operation,
    apiVersion,
    time,
    fieldsType: "FieldsV1",
    fieldsV1: toFieldsV1(fields),
    ...(subresource === "" ? {} : { subresource }),
  }));
  return { ...object, metadata: { ...metadata, ...(managedFields.length === 0 ? {} : { managedFields }) } };
}

function bounded(owners: readonly Owner[], operation: Owner["operation"], limit: number): Owner[] {
  return owners
    .filter((owner) => owner.operation === operation && owner.fields.size > 0)
    .toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0))
    .slice(-limit);
}
