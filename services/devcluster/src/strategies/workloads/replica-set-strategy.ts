/** ReplicaSets. */
import type { ReplicaSet } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { bumpGeneration, startGeneration } from "../generation.ts";
import { checkMetadata } from "../metadata.ts";
import {
  checkCounts,
  checkReplicaStatus,
  checkSelectorAndTemplate,
  checkSelectorKept,
  defaultTemplate,
} from "./replica-rules.ts";

/** See the module and {@link Strategy}. */
export class ReplicaSetStrategy implements Strategy<ReplicaSet> {
  default(set: ReplicaSet): void {
    if (!set.spec) return;
    set.spec.replicas ??= 1;
    defaultTemplate(set.spec.template);
  }

  prepareCreate(set: ReplicaSet): void {
    set.status = { replicas: 0 };
    startGeneration(set);
  }

  prepareUpdate(set: ReplicaSet, old: ReplicaSet): void {
    set.status = structuredClone(old.status ?? { replicas: 0 });
    bumpGeneration(set, old, ({ spec }) => spec);
  }

  validateCreate(set: ReplicaSet): FieldCause[] {
    return this.#faults(set).causes;
  }

  validateUpdate(set: ReplicaSet, old: ReplicaSet): FieldCause[] {
    const faults = this.#faults(set);
    checkSelectorKept(set.spec?.selector, old.spec?.selector, faults);
    return faults.causes;
  }

  validateStatus(set: ReplicaSet): FieldCause[] {
    const faults = new FieldFaults();
    checkReplicaStatus({ ...set.status }, faults);
    return faults.causes;
  }

  selectableFields(set: ReplicaSet): Record<string, string> {
    return { "status.replicas": String(set.status?.replicas ?? 0) };
  }

  #faults(set: ReplicaSet): FieldFaults {
    const faults = new FieldFaults();
    checkMetadata(set.metadata, { namespaced: true }, faults);
    checkCounts(set.spec ?? {}, faults);
    checkSelectorAndTemplate(set.spec?.selector, set.spec?.template, "ReplicaSet", faults);
    return faults;
  }
}
