/** What the registry needs of a store: objects by resource, namespace and name, and one number that grows with every write. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { ResourceName } from "../api/resources.ts";

/** Largest object, as JSON: what a real API server's storage takes by default (1.5 MiB). */
export const maxObjectBytes = 1.5 * 1024 * 1024;

/** One step of a transaction. The store takes ownership of a put object: it sets its resourceVersion and freezes it. */
export type Write =
  | { readonly op: "put"; readonly resource: ResourceName; readonly object: KubeObject }
  | { readonly op: "delete"; readonly resource: ResourceName; readonly namespace: string; readonly name: string };

/** One thing that happened, at its own revision. */
export interface StoreEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly resource: ResourceName;
  readonly revision: number;
  /** As it is now; for DELETED as it was last, with the resourceVersion of the deletion. */
  readonly object: KubeObject;
  /** As it was before; absent for ADDED. */
  readonly previous: KubeObject | undefined;
}

/**
 * See the module. Everything is synchronous; objects handed out are frozen and shared. The namespace of what is cluster-wide is "".
 */
export interface ObjectStore {
  /** Revision of the newest write, 0 in a fresh store; it never goes back, not across restarts either. */
  readonly revision: number;
  find(resource: ResourceName, namespace: string, name: string): KubeObject | undefined;
  /** By namespace and name in ascending order; of one namespace, or of all. */
  list(resource: ResourceName, namespace?: string): readonly KubeObject[];
  /** All or nothing, durable when it returns. Throws {@link ObjectTooLargeError}; deleting what is not there does nothing. */
  write(writes: readonly Write[]): StoreEvent[];
}
