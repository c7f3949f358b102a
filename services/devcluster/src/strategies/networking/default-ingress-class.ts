/** Which IngressClass a new Ingress gets that names none: the admission plugin DefaultIngressClass of the API. */
import type { IngressClass } from "@fairlead/kube/objects";

/** Marks a class as the default one. */
export const defaultClassAnnotation = "ingressclass.kubernetes.io/is-default-class";

/** Knows the classes that are marked; of several the newest counts, of equally old ones the first by name. */
export class DefaultIngressClass {
  readonly #marked = new Map<string, string>();

  /** The name of the default class, if there is one. */
  get name(): string | undefined {
    let found: { name: string; created: string } | undefined;
    for (const [name, created] of this.#marked) {
      const newer = found === undefined || created > found.created;
      if (newer || (created === found?.created && name < found.name)) found = { name, created };
    }
    return found?.name;
  }

  /** Takes a class as it is stored now. */
  put({ metadata = {} }: IngressClass): void {
    const { name = "", annotations, creationTimestamp } = metadata;
    // Timestamps are RFC 3339 in UTC and whole seconds: they sort as text.
    if (annotations?.[defaultClassAnnotation] === "true") this.#marked.set(name, creationTimestamp ?? "");
    else this.#marked.delete(name);
  }

  /** The class is gone. */
  remove({ metadata }: IngressClass): void {
    this.#marked.delete(metadata?.name ?? "");
  }
}
