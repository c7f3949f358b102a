/** The parsed objects in memory, so that reading never asks the disk. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { ResourceName } from "../api/resources.ts";

/** Objects by resource, namespace and name. Lists are sorted once and kept until the resource changes. */
export class ObjectIndex {
  readonly #objects = new Map<ResourceName, Map<string, Map<string, KubeObject>>>();
  readonly #sorted = new Map<ResourceName, Map<string, readonly KubeObject[]>>();

  find(resource: ResourceName, namespace: string, name: string): KubeObject | undefined {
    return this.#objects.get(resource)?.get(namespace)?.get(name);
  }

  put(resource: ResourceName, namespace: string, name: string, object: KubeObject): void {
    let namespaces = this.#objects.get(resource);
    if (!namespaces) this.#objects.set(resource, (namespaces = new Map()));
    let names = namespaces.get(namespace);
    if (!names) namespaces.set(namespace, (names = new Map()));
    names.set(name, object);
    this.#sorted.delete(resource);
  }

  delete(resource: ResourceName, namespace: string, name: string): void {
    const namespaces = this.#objects.get(resource);
    const names = namespaces?.get(namespace);
    if (names?.delete(name) && names.size === 0) namespaces?.delete(namespace);
    this.#sorted.delete(resource);
  }

  list(resource: ResourceName, namespace?: string): readonly KubeObject[] {
    let lists = this.#sorted.get(resource);
    if (!lists) this.#sorted.set(resource, (lists = new Map()));
    const key = namespace ?? "*";
    let list = lists.get(key);
    if (!list) lists.set(key, (list = this.#sort(resource, namespace)));
    return list;
  }

  #sort(resource: ResourceName, namespace: string | undefined): readonly KubeObject[] {
    const namespaces = this.#objects.get(resource);
    if (!namespaces) return [];
    const chosen = namespace === undefined ? [...namespaces.keys()].sort() : [namespace];
    return Object.freeze(
      chosen.flatMap((key) => {
        const names = namespaces.get(key);
        return names ? [...names.keys()].sort().map((name) => names.get(name) as KubeObject) : [];
      }),
    );
  }
}
