/** What the HTTP server is given: the API behind it, and the modules that know formats. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { Clock, Random } from "@fairlead/types";
import type { FieldCause } from "../api/errors.ts";
import type { RequestApi } from "../api/request-api.ts";
import type { ResourceName } from "../api/resources.ts";
import type { ResourceNames } from "../api/strategy.ts";
import type { ServerSideApply, TrackedWrite } from "../patch/server-side-apply.ts";

/** Group, version and kind of an object on the wire. */
export interface KindName {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** OpenAPI documents, and the check of an object against them. */
export interface SchemaSource {
  openapiIndex(): object;
  /** By path, such as `api/v1` or `apis/apps/v1`. */
  openapiDocument(path: string): object | undefined;
  /** Paths of unknown fields, and faults of type and of presence; both may be cut short where there are many. */
  validate(
    kind: KindName,
    object: object,
  ): { readonly unknown: readonly string[]; readonly typeErrors: readonly FieldCause[] };
  /** A copy without unknown fields and nulls. */
  prune<T extends object>(kind: KindName, object: T): T;
}

/** Applies a patch; throws ApiError. */
export type PatchFunction = (kind: KindName, contentType: string, patch: unknown, current: object) => object;

/** Who owns which fields of an object. */
export interface Ownership {
  /** The object after an apply, its managedFields included; throws ApiError, Conflict among them. */
  serverSideApply(request: ServerSideApply): object;
  /** The object with managedFields that know of this write. */
  trackWrite(write: TrackedWrite): object;
}

/** Makes a `meta.k8s.io/v1` Table. */
export type TableFunction = (
  resource: ResourceName,
  objects: readonly KubeObject[],
  options: {
    readonly now: number;
    readonly includeObject: "Metadata" | "Object" | "None";
    readonly resourceVersion?: string;
  },
) => object;

/** Which part of which container's log. */
export interface PodLogRequest {
  readonly namespace: string;
  readonly name: string;
  /** May be left out where the pod has only one. */
  readonly container?: string;
  /** Of the run before the present one. */
  readonly previous: boolean;
  /** Goes on while the container writes, until `signal` aborts. */
  readonly follow: boolean;
  /** Last lines only; absent: all. */
  readonly tailLines?: number;
  /** Bytes at most; absent: all. */
  readonly limitBytes?: number;
  readonly signal: AbortSignal;
}

/** Reads a container's log. Throws ApiError at once where there is none. */
export type PodLog = (request: PodLogRequest) => AsyncIterable<Uint8Array>;

/** Everything a request handler may use. */
export interface ServerParts {
  readonly api: RequestApi;
  readonly resources: readonly ResourceNames[];
  /** Loaded by the time the first request is served. */
  readonly schemas: SchemaSource;
  readonly applyPatch: PatchFunction;
  readonly ownership: Ownership;
  readonly toTable: TableFunction;
  readonly podLog: PodLog;
  readonly clock: Clock;
  readonly random: Random;
}

/** The `apiVersion` of a resource's objects. */
export function apiVersionOf({ group, version }: { readonly group: string; readonly version: string }): string {
  return group === "" ? version : `${group}/${version}`;
}
