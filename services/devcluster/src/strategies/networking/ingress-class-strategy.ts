/** IngressClasses. */
import type { IngressClass } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { bumpGeneration, startGeneration } from "../generation.ts";
import { checkMetadata } from "../metadata.ts";
import { qualifiedName } from "../name-formats.ts";
import type { DefaultIngressClass } from "./default-ingress-class.ts";

/** See the module and {@link Strategy}. */
export class IngressClassStrategy implements Strategy<IngressClass> {
  readonly #defaultClass: DefaultIngressClass;

  constructor(options: { defaultClass: DefaultIngressClass }) {
    this.#defaultClass = options.defaultClass;
  }

  default(ingressClass: IngressClass): void {
    if (ingressClass.spec?.parameters) ingressClass.spec.parameters.scope ??= "Cluster";
  }

  prepareCreate(ingressClass: IngressClass): void {
    startGeneration(ingressClass);
  }

  prepareUpdate(ingressClass: IngressClass, old: IngressClass): void {
    bumpGeneration(ingressClass, old, ({ spec }) => spec);
  }

  validateCreate(ingressClass: IngressClass): FieldCause[] {
    return this.#faults(ingressClass).causes;
  }

  validateUpdate(ingressClass: IngressClass, old: IngressClass): FieldCause[] {
    const faults = this.#faults(ingressClass);
    if (ingressClass.spec?.controller !== old.spec?.controller) {
      faults.invalid("spec.controller", ingressClass.spec?.controller, "field is immutable");
    }
    return faults.causes;
  }

  committed(ingressClass: IngressClass): void {
    this.#defaultClass.put(ingressClass);
  }

  deleted(ingressClass: IngressClass): void {
    this.#defaultClass.remove(ingressClass);
  }

  restore(ingressClasses: readonly IngressClass[]): void {
    for (const ingressClass of ingressClasses) this.#defaultClass.put(ingressClass);
  }

  #faults(ingressClass: IngressClass): FieldFaults {
    const faults = new FieldFaults();
    const controller = ingressClass.spec?.controller;
    checkMetadata(ingressClass.metadata, { namespaced: false }, faults);
    if (!controller) faults.required("spec.controller");
    // A path of several parts, as example.org/team/controller, is allowed beyond the qualified name.
    else if (controller.length > 250 || qualifiedName(controller.replaceAll(/\/(?=.*\/)/g, ".")).length > 0) {
      faults.invalid("spec.controller", controller, 'must be a domain-prefixed path (such as "acme.io/foo")');
    }
    return faults;
  }
}
