/** Namespaces. */
import type { Namespace } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";
import { dnsLabel } from "../name-formats.ts";

/** Holds a namespace until its content is gone; the namespace controller takes it away. */
export const namespaceFinalizer = "kubernetes";

const nameLabel = "kubernetes.io/metadata.name";

/** See the module and {@link Strategy}. */
export class NamespaceStrategy implements Strategy<Namespace> {
  default(namespace: Namespace): void {
    // Selectors by name need a label of it.
    const metadata = (namespace.metadata ??= {});
    if (metadata.name) metadata.labels = { ...metadata.labels, [nameLabel]: metadata.name };
  }

  prepareCreate(namespace: Namespace): void {
    namespace.spec = { finalizers: [namespaceFinalizer] };
    namespace.status = { phase: "Active" };
  }

  prepareUpdate(namespace: Namespace, old: Namespace): void {
    namespace.status = structuredClone(old.status ?? { phase: "Active" });
    // Only what is being deleted lets go: `kubectl replace` of a manifest without a spec must not.
    if (!old.metadata?.deletionTimestamp) namespace.spec = structuredClone(old.spec ?? {});
  }

  validateCreate(namespace: Namespace): FieldCause[] {
    const faults = new FieldFaults();
    checkMetadata(namespace.metadata, { namespaced: false, name: dnsLabel }, faults);
    return faults.causes;
  }

  validateUpdate(namespace: Namespace): FieldCause[] {
    return this.validateCreate(namespace);
  }

  selectableFields(namespace: Namespace): Record<string, string> {
    return { "status.phase": namespace.status?.phase ?? "" };
  }
}
