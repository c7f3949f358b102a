/** Nodes. */
import type { Node } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { checkAddress, isRange } from "../address-rules.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";
import { qualifiedName } from "../name-formats.ts";

const effects = ["NoExecute", "NoSchedule", "PreferNoSchedule"];

/** See the module and {@link Strategy}. */
export class NodeStrategy implements Strategy<Node> {
  default(node: Node): void {
    node.spec ??= {};
    if (node.spec.unschedulable === false) delete node.spec.unschedulable;
    if (node.spec.podCIDR && !node.spec.podCIDRs) node.spec.podCIDRs = [node.spec.podCIDR];
  }

  prepareUpdate(node: Node, old: Node): void {
    node.status = structuredClone(old.status ?? {});
  }

  validateCreate(node: Node): FieldCause[] {
    return this.#faults(node).causes;
  }

  validateUpdate(node: Node, old: Node): FieldCause[] {
    const faults = this.#faults(node);
    const before = old.spec?.podCIDRs?.join(",");
    if (before && before !== node.spec?.podCIDRs?.join(",")) {
      faults.forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid');
    }
    return faults.causes;
  }

  validateStatus(node: Node): FieldCause[] {
    const faults = new FieldFaults();
    for (const [index, { type, address }] of (node.status?.addresses ?? []).entries()) {
      if (type.endsWith("IP")) checkAddress(address, `status.addresses[${index}].address`, faults);
    }
    return faults.causes;
  }

  selectableFields(node: Node): Record<string, string> {
    return { "spec.unschedulable": String(node.spec?.unschedulable ?? false) };
  }

  #faults(node: Node): FieldFaults {
    const faults = new FieldFaults();
    checkMetadata(node.metadata, { namespaced: false }, faults);
    for (const [index, range] of (node.spec?.podCIDRs ?? []).entries()) {
      if (!isRange(range)) faults.invalid(`spec.podCIDRs[${index}]`, range, "must be a valid CIDR value");
    }
    for (const [index, taint] of (node.spec?.taints ?? []).entries()) {
      faults.invalidAll(`spec.taints[${index}].key`, taint.key, qualifiedName(taint.key));
      if (!effects.includes(taint.effect)) faults.notSupported(`spec.taints[${index}].effect`, taint.effect, effects);
    }
    return faults;
  }
}
