/** Which Ingresses are ours. */
import type { Ingress, IngressClass } from "@fairlead/kube";

/** Marks the class that Ingresses without one belong to. */
const defaultAnnotation = "ingressclass.kubernetes.io/is-default-class";
/** How Ingresses named their class before v1; honoured where `spec.ingressClassName` is absent. */
const legacyAnnotation = "kubernetes.io/ingress.class";

/** Who we are. */
export interface ClassOptions {
  /** The name that the old annotation may give, whether an IngressClass object of it exists or not. */
  readonly ingressClass: string;
  /** `spec.controller` of the IngressClasses that we serve. */
  readonly controllerName: string;
}

/** The classes that are ours. */
export function ownClasses(options: ClassOptions, classes: readonly IngressClass[]): readonly IngressClass[] {
  return classes.filter(({ spec }) => spec?.controller === options.controllerName);
}

/** Decides by the IngressClasses there are. */
export function acceptsIngress(options: ClassOptions, classes: readonly IngressClass[]): (ingress: Ingress) => boolean {
  const own = ownClasses(options, classes);
  const ours = new Set(own.map(({ metadata }) => metadata?.name ?? ""));
  const isDefault = own.some(({ metadata }) => metadata?.annotations?.[defaultAnnotation] === "true");
  return ({ metadata, spec }) => {
    if (spec?.ingressClassName !== undefined) return ours.has(spec.ingressClassName);
    const legacy = metadata?.annotations?.[legacyAnnotation];
    if (legacy !== undefined && legacy !== "") return legacy === options.ingressClass || ours.has(legacy);
    return isDefault;
  };
}
