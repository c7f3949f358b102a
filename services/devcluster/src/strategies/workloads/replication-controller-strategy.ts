/** ReplicationControllers: the ReplicaSet's elder, with a plain map for a selector that may change. */
import type { ReplicationController } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { bumpGeneration, startGeneration } from "../generation.ts";
import { checkLabels, checkMetadata } from "../metadata.ts";
import { checkTemplate } from "../pod/pod-validation.ts";
import { checkCounts, checkReplicaStatus, defaultTemplate } from "./replica-rules.ts";

/** See the module and {@link Strategy}. */
export class ReplicationControllerStrategy implements Strategy<ReplicationController> {
  default(controller: ReplicationController): void {
    const spec = (controller.spec ??= {});
    spec.replicas ??= 1;
    const labels = spec.template?.metadata?.labels;
    if (labels && Object.keys(labels).length > 0) {
      // The template's labels say it all where the author left the others out.
      if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
      const metadata = (controller.metadata ??= {});
      if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
    }
    defaultTemplate(spec.template);
  }

  prepareCreate(controller: ReplicationController): void {
    controller.status = { replicas: 0 };
    startGeneration(controller);
  }

  prepareUpdate(controller: ReplicationController, old: ReplicationController): void {
    controller.status = structuredClone(old.status ?? { replicas: 0 });
    bumpGeneration(controller, old, ({ spec }) => spec);
  }

  validateCreate(controller: ReplicationController): FieldCause[] {
    return this.#faults(controller).causes;
  }

  validateUpdate(controller: ReplicationController): FieldCause[] {
    return this.#faults(controller).causes;
  }

  validateStatus(controller: ReplicationController): FieldCause[] {
    const faults = new FieldFaults();
    checkReplicaStatus({ ...controller.status }, faults);
    return faults.causes;
  }

  selectableFields(controller: ReplicationController): Record<string, string> {
    return { "status.replicas": String(controller.status?.replicas ?? 0) };
  }

  #faults(controller: ReplicationController): FieldFaults {
    const faults = new FieldFaults();
    const { selector = {}, template, ...counts } = controller.spec ?? {};
    checkMetadata(controller.metadata, { namespaced: true }, faults);
    checkCounts(counts, faults);
    if (Object.keys(selector).length === 0) faults.required("spec.selector");
    checkLabels(selector, "spec.selector", faults);
    const labels = template?.metadata?.labels ?? {};
    if (template && Object.entries(selector).some(([key, value]) => labels[key] !== value)) {
      faults.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
    }
    checkTemplate(template, "spec.template", faults);
    return faults;
  }
}
