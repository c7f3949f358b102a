/** Events. */
import type { Event } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";

/** Where Events about cluster-wide objects live. */
const clusterWideNamespaces = new Set(["default", "kube-system"]);

/** See the module and {@link Strategy}. */
export class EventStrategy implements Strategy<Event> {
  default(event: Event): void {
    event.type ??= "Normal";
  }

  validateCreate(event: Event): FieldCause[] {
    const faults = new FieldFaults();
    const { namespace = "" } = event.metadata;
    const about = event.involvedObject?.namespace ?? "";
    checkMetadata(event.metadata, { namespaced: true }, faults);
    if (about === "" ? !clusterWideNamespaces.has(namespace) : about !== namespace) {
      faults.invalid("involvedObject.namespace", about, "does not match event.namespace");
    }
    return faults.causes;
  }

  validateUpdate(event: Event): FieldCause[] {
    return this.validateCreate(event);
  }

  selectableFields(event: Event): Record<string, string> {
    const about = event.involvedObject;
    return {
      "involvedObject.kind": about?.kind ?? "",
      "involvedObject.namespace": about?.namespace ?? "",
      "involvedObject.name": about?.name ?? "",
      "involvedObject.uid": about?.uid ?? "",
      "involvedObject.apiVersion": about?.apiVersion ?? "",
      "involvedObject.resourceVersion": about?.resourceVersion ?? "",
      "involvedObject.fieldPath": about?.fieldPath ?? "",
      reason: event.reason ?? "",
      reportingComponent: event.reportingComponent ?? "",
      source: event.source?.component ?? event.reportingComponent ?? "",
      type: event.type ?? "",
    };
  }
}
