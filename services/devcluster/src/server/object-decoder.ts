/** From a JSON value to an object of a kind: what does not belong there is refused or dropped, as the client asked. */
import type { KubeObject } from "@fairlead/kube/objects";
import { badRequest, type FieldCause, invalid } from "../api/errors.ts";
import { fromOldIngress, isOldIngress, storedKind } from "./old-ingress.ts";
import { apiVersionOf, type KindName, type SchemaSource } from "./parts.ts";

/** What happens to unknown fields: refused, dropped with a warning, or dropped. */
export type FieldValidation = "Strict" | "Warn" | "Ignore";

/** The object and what to warn the client of. */
export interface Decoded {
  readonly object: KubeObject;
  readonly warnings: readonly string[];
}

/** Fields that are named in one answer. */
export const maxNamedFields = 20;

/** Reads the `fieldValidation` parameter; Warn unless given. */
export function fieldValidationOf(text: string | null): FieldValidation {
  if (text === null || text === "") return "Warn";
  if (text === "Strict" || text === "Warn" || text === "Ignore") return text;
  throw badRequest(`fieldValidation must be Strict, Warn or Ignore, not ${JSON.stringify(text)}`);
}

/** Checks kind, types and fields of an object, which comes out as it is stored; throws BadRequest, or Invalid where a field is missing, naming each field. */
export function decodeObject(
  kind: KindName,
  value: unknown,
  schemas: SchemaSource,
  validation: FieldValidation,
): Decoded {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw badRequest(`the body of the request must be one ${kind.kind}`);
  }
  const object = value as KubeObject;
  checkKind(kind, object);
  if (isOldIngress(kind)) {
    return decodeObject(storedKind(kind), fromOldIngress(value as Record<string, unknown>), schemas, validation);
  }
  const { unknown, typeErrors } = schemas.validate(kind, object);
  refuseFaults(kind, object, typeErrors);
  const pruned = schemas.prune(kind, object);
  if (unknown.length === 0) return { object: pruned, warnings: [] };
  const named = unknown.slice(0, maxNamedFields).map((field) => `unknown field ${JSON.stringify(field)}`);
  if (unknown.length > named.length) named.push("more of them");
  if (validation === "Strict") {
    throw badRequest(`${cannotBeHandled(kind)}: strict decoding error: ${named.join(", ")}`);
  }
  return { object: pruned, warnings: validation === "Warn" ? named : [] };
}

/** A wrong type cannot be decoded (400); a missing field is the object's fault (422). */
function refuseFaults(kind: KindName, object: KubeObject, faults: readonly FieldCause[]): void {
  const wrong = faults.filter((fault) => fault.reason !== "FieldValueRequired");
  if (wrong.length > 0) {
    const named = wrong.slice(0, maxNamedFields).map((fault) => `${fault.field}: ${fault.message}`);
    throw badRequest(`${cannotBeHandled(kind)}: ${named.join("; ")}`);
  }
  if (faults.length > 0) {
    throw invalid({ resource: "", group: kind.group, kind: kind.kind, name: object.metadata?.name ?? "" }, faults);
  }
}

function checkKind(kind: KindName, object: KubeObject): void {
  if (object.kind !== undefined && object.kind !== kind.kind) {
    throw badRequest(`the object provided is a ${JSON.stringify(object.kind)}, this path takes a ${kind.kind}`);
  }
  const expected = apiVersionOf(kind);
  if (object.apiVersion !== undefined && object.apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${object.apiVersion}) does not match the expected API version (${expected})`,
    );
  }
}

function cannotBeHandled(kind: KindName): string {
  return `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}`;
}
