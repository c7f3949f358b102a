/** API errors: each carries the `Status` that a real API server would answer and kubectl prints. */
import type { Status } from "@fairlead/kube/objects";
import { CodedError } from "@fairlead/types";

/** Why one field was refused; `reason` in Kubernetes' vocabulary. */
export interface FieldCause {
  readonly reason:
    | "FieldValueInvalid"
    | "FieldValueRequired"
    | "FieldValueNotSupported"
    | "FieldValueForbidden"
    | "FieldValueDuplicate"
    | "FieldValueTooLong"
    | "FieldValueTypeInvalid";
  /** Path of the field, for example `spec.ports[0].nodePort`. */
  readonly field: string;
  /** What kubectl prints after the field, for example `Invalid value: 70000: must be between 1 and 65535, inclusive`. */
  readonly message: string;
}

/**
 * Thrown when a request cannot be served; `status` is what goes over the wire. A NotFound always has details, if empty ones: kubectl reads
 * them without looking.
 */
export class ApiError extends CodedError {
  readonly code: string;
  readonly status: Status & { code: number; reason: string; message: string };

  constructor(httpCode: number, reason: string, message: string, details?: Status["details"]) {
    super(message);
    this.name = "ApiError";
    this.code = reason;
    this.status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message,
      reason,
      ...(details ? { details } : {}),
      code: httpCode,
    };
  }
}

/** What an object is called in a message: `services "web"`, `deployments.apps "web"`. */
export interface ObjectReference {
  readonly resource: string;
  readonly group: string;
  readonly kind: string;
  readonly name: string;
}

export function notFound(about: ObjectReference): ApiError {
  return new ApiError(404, "NotFound", `${named(about)} not found`, details(about));
}

export function alreadyExists(about: ObjectReference): ApiError {
  return new ApiError(409, "AlreadyExists", `${named(about)} already exists`, details(about));
}

export function conflict(about: ObjectReference, why: string): ApiError {
  return new ApiError(409, "Conflict", `Operation cannot be fulfilled on ${named(about)}: ${why}`, details(about));
}

/** 422 with every cause at once. */
export function invalid(about: ObjectReference, causes: readonly FieldCause[]): ApiError {
  const list = causes.map((cause) => `${cause.field}: ${cause.message}`);
  const text = list.length === 1 ? list[0] : `[${list.join(", ")}]`;
  const type = about.group === "" ? about.kind : `${about.kind}.${about.group}`;
  return new ApiError(422, "Invalid", `${type} ${JSON.stringify(about.name)} is invalid: ${text}`, {
    name: about.name,
    group: about.group,
    kind: about.kind,
    causes: causes.map((cause) => ({ ...cause })),
  });
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, "BadRequest", message);
}

export function forbidden(about: ObjectReference, why: string): ApiError {
  return new ApiError(403, "Forbidden", `${named(about)} is forbidden: ${why}`, details(about));
}

/** 410: the client has to list again. */
export function expired(message: string): ApiError {
  return new ApiError(410, "Expired", message);
}

export function methodNotAllowed(): ApiError {
  return new ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
}

export function unsupportedMediaType(message: string): ApiError {
  return new ApiError(415, "UnsupportedMediaType", message);
}

export function requestTooLarge(limitBytes: number): ApiError {
  return new ApiError(413, "RequestEntityTooLarge", `Request entity too large: limit is ${limitBytes}`);
}

function named({ resource, group, name }: ObjectReference): string {
  return `${group === "" ? resource : `${resource}.${group}`} ${JSON.stringify(name)}`;
}

function details({ resource, group, name }: ObjectReference): NonNullable<Status["details"]> {
  return { name, group, kind: resource };
}
