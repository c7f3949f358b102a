/** What is particular to one resource: its names in the API, its defaults, its rules, its columns. The registry does the rest. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { FieldCause } from "./errors.ts";
import type { ObjectOf, ResourceName } from "./resources.ts";

/** Names and abilities of a resource, for routing and discovery. */
export interface ResourceNames {
  readonly resource: ResourceName;
  readonly singular: string;
  readonly kind: string;
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly ("status" | "scale")[];
}

/**
 * The rules of one resource. Objects handed in are private copies: `default…` and `prepare…` change them in place.
 * Order on create: default → prepareCreate → validateCreate → stored. On update: default → prepareUpdate → validateUpdate → stored.
 * When anything throws after `prepare…`, or the write fails, `rollback` is called, so nothing stays allocated.
 */
export interface Strategy<T extends KubeObject> {
  /** Fills in the API's defaults. */
  default(object: T): void;
  /** Clears what clients may not set (status, generation 1), allocates addresses and ports. May throw ApiError. */
  prepareCreate?(object: T): void;
  /** Keeps status and immutable allocations, bumps generation when the spec changed, allocates and notes what to release. */
  prepareUpdate?(object: T, old: T): void;
  /** Every fault at once; empty means valid. */
  validateCreate(object: T): FieldCause[];
  validateUpdate(object: T, old: T): FieldCause[];
  /** Fills in the API's defaults of a status that is written. */
  defaultStatus?(object: T): void;
  /** Checks a change of status. */
  validateStatus?(object: T, old: T): FieldCause[];
  /** The write is durable: release what the old object held and the new one does not. */
  committed?(object: T, old: T | undefined): void;
  /** The write did not happen: release what prepare took. */
  rollback?(object: T, old: T | undefined): void;
  /** The object is gone from the store: release all it held. */
  deleted?(object: T): void;
  /** Called once at start with everything stored, to rebuild allocations. */
  restore?(objects: readonly T[]): void;
  /** How long a delete waits for the object's keeper (pods: the grace period); 0 or absent removes at once. */
  gracePeriodSeconds?(object: T, requested: number | undefined): number;
  /** Fields for fieldSelector beyond metadata.name and metadata.namespace, for example `status.phase`. */
  selectableFields?(object: T): Readonly<Record<string, string>>;
}

/** A strategy for every resource. */
export type Strategies = { readonly [R in ResourceName]: Strategy<ObjectOf<R>> };
