/** Which Services a pod may concern, and which pods a Service selects, without walking all of either. */
import type { Pod, Service } from "@fairlead/kube";
import { selects } from "./plan/pod-selection.ts";

/** Pods and Services by namespace: a selector never looks beyond its own. */
export class NamespaceIndex {
  readonly #pods = new Map<string, Map<string, Pod>>();
  readonly #services = new Map<string, Map<string, Service>>();

  putPod(pod: Pod): void {
    put(this.#pods, pod);
  }

  removePod(pod: Pod): void {
    remove(this.#pods, pod);
  }

  putService(service: Service): void {
    put(this.#services, service);
  }

  removeService(service: Service): void {
    remove(this.#services, service);
  }

  pod(namespace: string, name: string): Pod | undefined {
    return this.#pods.get(namespace)?.get(name);
  }

  service(namespace: string, name: string): Service | undefined {
    return this.#services.get(namespace)?.get(name);
  }

  /** Pods that the Service's selector matches. */
  podsOf(service: Service): Pod[] {
    const pods = this.#pods.get(service.metadata?.namespace ?? "")?.values() ?? [];
    return [...pods].filter((pod) => selects(service, pod.metadata?.labels));
  }

  /** Names of the Services whose selector matches these labels. */
  servicesOf(namespace: string, labels: Readonly<Record<string, string>> | undefined): string[] {
    const services = this.#services.get(namespace)?.values() ?? [];
    return [...services].filter((service) => selects(service, labels)).map(({ metadata }) => metadata?.name ?? "");
  }

  /** Every Service, as namespace and name. */
  *services(): IterableIterator<Service> {
    for (const services of this.#services.values()) yield* services.values();
  }
}

function put<T extends Pod | Service>(map: Map<string, Map<string, T>>, object: T): void {
  const { namespace = "", name = "" } = object.metadata ?? {};
  const objects = map.get(namespace) ?? new Map<string, T>();
  map.set(namespace, objects.set(name, object));
}

function remove<T extends Pod | Service>(map: Map<string, Map<string, T>>, object: T): void {
  const { namespace = "", name = "" } = object.metadata ?? {};
  const objects = map.get(namespace);
  objects?.delete(name);
  if (objects?.size === 0) map.delete(namespace);
}
