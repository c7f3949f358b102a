/** Which objects name which owners, kept up to date by watches. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { ResourceName } from "../../api/resources.ts";

/** Where an object is: resource, namespace (empty for cluster-wide ones), name. */
export type ObjectPlace = string;

export function placeOf(resource: ResourceName, object: KubeObject): ObjectPlace {
  return `${resource}/${object.metadata?.namespace ?? ""}/${object.metadata?.name ?? ""}`;
}

export function splitPlace(place: ObjectPlace): {
  resource: ResourceName;
  namespace: string | undefined;
  name: string;
} {
  const [resource = "", namespace = "", ...name] = place.split("/");
  return {
    resource: resource as ResourceName,
    namespace: namespace === "" ? undefined : namespace,
    name: name.join("/"),
  };
}

/** See the module. As large as the number of owner references that exist. */
export class OwnedObjects {
  readonly #dependents = new Map<string, Set<ObjectPlace>>();
  readonly #owners = new Map<ObjectPlace, readonly string[]>();

  /** Notes the owners that an object names now; answers with whether it names or named any. */
  note(place: ObjectPlace, object: KubeObject): boolean {
    const before = this.#owners.get(place);
    this.forget(place);
    const owners = (object.metadata?.ownerReferences ?? []).map((owner) => owner.uid);
    if (owners.length === 0) return before !== undefined;
    this.#owners.set(place, owners);
    for (const owner of owners) {
      const set = this.#dependents.get(owner) ?? new Set();
      this.#dependents.set(owner, set.add(place));
    }
    return true;
  }

  /** The object is gone. */
  forget(place: ObjectPlace): void {
    for (const owner of this.#owners.get(place) ?? []) {
      const set = this.#dependents.get(owner);
      set?.delete(place);
      if (set?.size === 0) this.#dependents.delete(owner);
    }
    this.#owners.delete(place);
  }

  /** The objects that name this owner. */
  of(uid: string | undefined): readonly ObjectPlace[] {
    return [...(this.#dependents.get(uid ?? "") ?? [])];
  }
}
