/** The resources with their names and rules, looked up. */
import type { KubeObject } from "@fairlead/kube/objects";
import { ApiError, badRequest, type ObjectReference } from "./errors.ts";
import type { ResourceName } from "./resources.ts";
import type { ResourceNames, Strategies, Strategy } from "./strategy.ts";

/** One resource. */
export interface Kind {
  readonly names: ResourceNames;
  readonly strategy: Strategy<KubeObject>;
}

/** See the module. */
export class Kinds {
  readonly #kinds: ReadonlyMap<ResourceName, Kind>;

  constructor(options: { resources: readonly ResourceNames[]; strategies: Strategies }) {
    const { resources, strategies } = options;
    // Each strategy is only ever given objects of its own resource.
    this.#kinds = new Map(
      resources.map((names) => [names.resource, { names, strategy: strategies[names.resource] }] as const),
    );
  }

  /** Every resource with its rules. */
  all(): Iterable<readonly [ResourceName, Kind]> {
    return this.#kinds;
  }

  /** Throws NotFound for a resource that is not served. */
  of(resource: ResourceName): Kind {
    const kind = this.#kinds.get(resource);
    if (!kind) throw new ApiError(404, "NotFound", "the server could not find the requested resource", {});
    return kind;
  }

  /** What to call an object in a message. */
  about(resource: ResourceName, name: string): ObjectReference {
    const { names } = this.of(resource);
    return { resource, group: names.group, kind: names.kind, name };
  }

  /** The object with the apiVersion and kind of its resource, whatever it had. */
  typed(resource: ResourceName, object: KubeObject): KubeObject {
    const { names } = this.of(resource);
    const { apiVersion: _version, kind: _kind, ...rest } = object;
    return {
      apiVersion: names.group === "" ? names.version : `${names.group}/${names.version}`,
      kind: names.kind,
      ...rest,
    };
  }

  /** The namespace where the resource has one; throws BadRequest where it is missing then. */
  namespaceFor(resource: ResourceName, namespace: string | undefined): string | undefined {
    if (!this.of(resource).names.namespaced) return undefined;
    if (!namespace) throw badRequest(`an object of ${resource} needs a namespace`);
    return namespace;
  }
}
