/** Errors of the Kubernetes API and of the way to it. */
import { CodedError } from "@fairlead/types";
import type { Status } from "./objects.ts";

/** Thrown when the API server refuses a request; `code` is the reason of its Status (`NotFound`, `Conflict`, `Expired` …). */
export class KubeApiError extends CodedError {
  readonly code: string;
  readonly httpStatus: number;
  readonly status: Status | undefined;

  constructor(httpStatus: number, status: Status | undefined, request: string) {
    super(`${request}: ${status?.message ?? `the API server answered ${httpStatus}`}`);
    this.name = "KubeApiError";
    this.code = status?.reason ?? `HTTP_${httpStatus}`;
    this.httpStatus = httpStatus;
    this.status = status;
  }
}

/** Thrown when the API server cannot be reached, or its answer cannot be read. */
export class KubeConnectionError extends CodedError {
  readonly code = "KUBE_CONNECTION";

  constructor(request: string, cause: unknown) {
    super(`${request}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "KubeConnectionError";
  }
}

/** Thrown instead of a write by a process that may no longer write: another one leads, or may by now. */
export class NotLeaderError extends CodedError {
  readonly code = "NOT_LEADER";

  constructor() {
    super("this process no longer holds the lease");
    this.name = "NotLeaderError";
  }
}

/** Whether the object or the namespace is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof KubeApiError && error.httpStatus === 404;
}

/** Whether somebody else wrote first. */
export function isConflict(error: unknown): boolean {
  return error instanceof KubeApiError && error.code === "Conflict";
}

/** Whether an object of that name exists already. */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof KubeApiError && error.code === "AlreadyExists";
}

/** Whether a new object was refused because its namespace is on its way out: nothing is to be done about it. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    error instanceof KubeApiError &&
    error.status?.details?.causes?.some(({ reason }) => reason === "NamespaceTerminating") === true
  );
}

/** Whether a resourceVersion is too old to go on from: list again. */
export function isExpired(error: unknown): boolean {
  return error instanceof KubeApiError && (error.httpStatus === 410 || error.code === "Expired");
}
