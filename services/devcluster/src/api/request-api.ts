/** What a request over HTTP may ask beyond {@link ClusterApi}: dry runs, patches, pages, collections, watches from a point in time. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { ClusterApi, DeleteOptions, ObjectList, Selection, WatchEvent } from "./cluster-api.ts";
import type { ResourceName } from "./resources.ts";

/** How a write is done. */
export interface WriteOptions {
  /** Goes through every rule and stores nothing. */
  readonly dryRun?: boolean;
  /** Changes the status only, as the status subresource does. */
  readonly status?: boolean;
  /**
   * Gives what is about to be stored its `metadata.managedFields`, knowing what was stored; `after` is the caller's to change and holds
   * the client's own ones. Absent: they stay as stored.
   */
  readonly owners?: (before: KubeObject | undefined, after: KubeObject) => KubeObject;
}

/** One page of a list; `continue` is set while there is more. */
export interface Page extends ObjectList<KubeObject> {
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

/** Which page. */
export interface PageOptions {
  /** Objects at most; 0 or absent: all. */
  readonly limit?: number;
  /** What the page before answered as `continue`. Throws Expired once its point in time is forgotten. */
  readonly continue?: string;
}

/** Where a watch begins: with all that is there, after a revision, or with what happens from now on. */
export type WatchStart =
  | { readonly from: "state" }
  | { readonly from: "revision"; readonly revision: string }
  | { readonly from: "now" };

/** See the module. Objects handed out are frozen and shared, objects handed in are copied. */
export interface RequestApi extends ClusterApi {
  /** resourceVersion of the newest write. */
  readonly revision: string;
  /** Newest write to this resource, as far back as it is remembered. */
  changedSince(resource: ResourceName, revision: string): boolean;
  createWith(resource: ResourceName, object: KubeObject, options: WriteOptions): KubeObject;
  replaceWith(resource: ResourceName, object: KubeObject, options: WriteOptions): KubeObject;
  /** Reads, lets `change` make the new object from a copy, and writes. NotFound if there is none. */
  patchWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    change: (current: KubeObject) => KubeObject,
    options: WriteOptions,
  ): KubeObject;
  /** Like delete; tells what became of the object. */
  deleteWith(
    resource: ResourceName,
    namespace: string | undefined,
    name: string,
    options: DeleteOptions & { readonly dryRun?: boolean },
  ): { readonly object: KubeObject; readonly gone: boolean };
  /** Deletes all that is selected; the objects as they were. */
  deleteCollection(
    resource: ResourceName,
    selection: Selection,
    options: DeleteOptions & { readonly dryRun?: boolean },
  ): KubeObject[];
  page(resource: ResourceName, selection: Selection, options: PageOptions): Page;
  /**
   * A watch with a chosen start; see {@link ClusterApi.watch}. Throws Expired where the history no longer reaches back,
   * and Timeout for a revision that is yet to come.
   */
  watchFrom(
    resource: ResourceName,
    selection: Selection,
    start: WatchStart,
    handler: (event: WatchEvent<KubeObject>) => void,
  ): () => void;
}
