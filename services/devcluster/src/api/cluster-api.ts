/**
 * The Kubernetes API from inside the process: what the controllers and the node agent work with. The HTTP server is a
 * second way to the same functions, so whatever holds for kubectl (defaults, validation, allocation, resourceVersions)
 * holds here too. Errors are {@link ApiError}s with the `Status` that kubectl would print.
 */
import type { KubeObject } from "@fairlead/kube/objects";
import type { ObjectOf, ResourceName } from "./resources.ts";

/** Narrows a list or a watch. Selectors are in kubectl's syntax. */
export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** A list and the point in time it shows. */
export interface ObjectList<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** One event of a watch. Objects are shared: a receiver must not change them. */
export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: T;
}

/** How an object is deleted. */
export interface DeleteOptions {
  /** Seconds a pod gets between SIGTERM and SIGKILL; absent: the pod's own. 0 removes it at once. */
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: "Background" | "Foreground" | "Orphan";
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/** See the module. Namespaced resources need a namespace, cluster-wide ones take `undefined`. */
export interface ClusterApi {
  get<R extends ResourceName>(resource: R, namespace: string | undefined, name: string): ObjectOf<R>;
  /** Like get, but `undefined` instead of a NotFound error. */
  find<R extends ResourceName>(resource: R, namespace: string | undefined, name: string): ObjectOf<R> | undefined;
  list<R extends ResourceName>(resource: R, selection?: Selection): ObjectList<ObjectOf<R>>;
  create<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R>;
  /** Replaces spec and metadata; refuses a stale resourceVersion with Conflict; keeps the stored status. */
  update<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R>;
  /** Replaces the status only; the same rule for resourceVersion. */
  updateStatus<R extends ResourceName>(resource: R, object: ObjectOf<R>): ObjectOf<R>;
  /**
   * Reads, changes and writes, again on Conflict (8 tries). `change` gets a copy of its own and returns the new object, or
   * `undefined` to leave it. Resolves to what is stored then, or `undefined` if the object is gone.
   */
  modify<R extends ResourceName>(
    resource: R,
    namespace: string | undefined,
    name: string,
    change: (object: ObjectOf<R>) => ObjectOf<R> | undefined,
    part?: "spec" | "status",
  ): ObjectOf<R> | undefined;
  /** Marks for deletion where finalizers or a grace period hold it, else removes. NotFound if it is gone. */
  delete(resource: ResourceName, namespace: string | undefined, name: string, options?: DeleteOptions): void;
  /**
   * Calls `handler` with ADDED for all that is there, synchronously before it returns, then with every event in order. The
   * returned function ends it.
   */
  watch<R extends ResourceName>(
    resource: R,
    selection: Selection,
    handler: (event: WatchEvent<ObjectOf<R>>) => void,
  ): () => void;
  /** Writes an Event about an object, or counts up the one that says the same (as client-go's recorder does). */
  recordEvent(about: KubeObject, event: EventNote): void;
}

/** An Event in short. */
export interface EventNote {
  readonly type: "Normal" | "Warning";
  /** UpperCamelCase, for machines. */
  readonly reason: string;
  /** A sentence for people. */
  readonly message: string;
  /** Component that reports, for example `kubelet`. */
  readonly component: string;
  /** Node of the component, where it has one. */
  readonly host?: string;
}
