/** Reads and writes objects of the Kubernetes API, in their JSON form (./objects.ts). */
import { isAlreadyExists, isConflict, isExpired, isNotFound } from "./errors.ts";
import { resourcePath, resourcePlaces } from "./resources.ts";
import type { KubeResource, ResourceTypes } from "./resources.ts";
import type { ApiTransport } from "./transport.ts";

/** Tries of a read-change-write before a conflict is given up on. */
export const conflictTries = 8;

/** Objects in a page of a list, unless told. */
export const pageSize = 500;

/** A list and the point in time that it shows. */
export interface ListResult<T> {
  readonly items: T[];
  readonly resourceVersion: string;
}

/** Which object. Cluster-wide resources have no namespace. */
export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

interface RawList<T> {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: T[];
}

/** See the module. Every method throws KubeApiError or KubeConnectionError. */
export class KubeClient {
  readonly transport: ApiTransport;

  constructor(options: { transport: ApiTransport }) {
    this.transport = options.transport;
  }

  /** The object; NotFound is an error. */
  get<R extends KubeResource>(resource: R, target: ObjectName): Promise<ResourceTypes[R]> {
    return this.transport.request({ method: "GET", path: resourcePath(resource, target) });
  }

  /** The object, or `undefined` where there is none. */
  async find<R extends KubeResource>(resource: R, target: ObjectName): Promise<ResourceTypes[R] | undefined> {
    try {
      return await this.get(resource, target);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  /** All objects, in pages of `limit`. A page that has expired before it was read (410) begins again, once, without pages. */
  async list<R extends KubeResource>(
    resource: R,
    options: { namespace?: string; labelSelector?: string; limit?: number; signal?: AbortSignal } = {},
  ): Promise<ListResult<ResourceTypes[R]>> {
    const { namespace, labelSelector, signal } = options;
    let items: ResourceTypes[R][] = [];
    let limit: number | undefined = options.limit ?? pageSize;
    let token: string | undefined;
    for (;;) {
      try {
        const page = await this.transport.request<RawList<ResourceTypes[R]>>({
          method: "GET",
          path: resourcePath(resource, { namespace }),
          query: { labelSelector, limit, continue: token },
          ...(signal ? { signal } : {}),
        });
        items = items.concat(page.items ?? []);
        token = page.metadata?.continue;
        if (!token) return { items, resourceVersion: page.metadata?.resourceVersion ?? "" };
      } catch (error) {
        if (token === undefined || !isExpired(error)) throw error;
        items = [];
        limit = undefined;
        token = undefined;
      }
    }
  }

  create<R extends KubeResource>(resource: R, object: ResourceTypes[R]): Promise<ResourceTypes[R]> {
    const namespace = object.metadata?.namespace;
    return this.transport.request({
      method: "POST",
      path: resourcePath(resource, { namespace }),
      body: withType(resource, object),
    });
  }

  /** Replaces an object; with a resourceVersion in it, only if nobody wrote since (Conflict). */
  replace<R extends KubeResource>(
    resource: R,
    object: ResourceTypes[R],
    subresource?: "status",
  ): Promise<ResourceTypes[R]> {
    const target = { namespace: object.metadata?.namespace, name: object.metadata?.name ?? "" };
    return this.transport.request({
      method: "PUT",
      path: resourcePath(resource, subresource ? { ...target, subresource } : target),
      body: withType(resource, object),
    });
  }

  /** Merge patch (RFC 7386); `subresource: "status"` for a status. */
  patch<R extends KubeResource>(
    resource: R,
    target: ObjectName,
    patch: object,
    subresource?: "status",
  ): Promise<ResourceTypes[R]> {
    return this.transport.request({
      method: "PATCH",
      path: resourcePath(resource, subresource ? { ...target, subresource } : target),
      contentType: "application/merge-patch+json",
      body: patch,
    });
  }

  /** Replaces parts of an object's status, whatever else has changed meanwhile. */
  patchStatus<R extends KubeResource>(resource: R, target: ObjectName, status: object): Promise<ResourceTypes[R]> {
    return this.patch(resource, target, { status }, "status");
  }

  /**
   * Makes the stored object what `desired` makes of it: creates it where there is none, else replaces it unless `desired`
   * returns `undefined`. Read and tried again when somebody else writes in between. Returns what is stored then.
   */
  async apply<R extends KubeResource>(
    resource: R,
    target: ObjectName,
    desired: (current: ResourceTypes[R] | undefined) => ResourceTypes[R] | undefined,
  ): Promise<ResourceTypes[R] | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const current = await this.find(resource, target);
      const next = desired(current);
      if (next === undefined) return current;
      try {
        return await (current === undefined ? this.create(resource, next) : this.replace(resource, next));
      } catch (error) {
        const raced = isConflict(error) || isAlreadyExists(error) || (current !== undefined && isNotFound(error));
        if (!raced || attempt >= conflictTries) throw error;
      }
    }
  }

  /** Deletes an object; one that is gone already is no error. With a uid, only that very object. */
  async delete(resource: KubeResource, target: ObjectName, uid?: string): Promise<void> {
    try {
      await this.transport.request({
        method: "DELETE",
        path: resourcePath(resource, target),
        body: { apiVersion: "v1", kind: "DeleteOptions", ...(uid === undefined ? {} : { preconditions: { uid } }) },
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

function withType<T extends object>(resource: KubeResource, object: T): T {
  const { groupVersion, kind } = resourcePlaces[resource];
  return { ...object, apiVersion: groupVersion, kind };
}
