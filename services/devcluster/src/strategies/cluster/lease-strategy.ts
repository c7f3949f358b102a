/** Leases. */
import type { Lease } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";

/** See the module and {@link Strategy}. */
export class LeaseStrategy implements Strategy<Lease> {
  default(): void {
    // The API has no defaults for Leases.
  }

  validateCreate(lease: Lease): FieldCause[] {
    const faults = new FieldFaults();
    const { leaseDurationSeconds: duration, leaseTransitions: transitions } = lease.spec ?? {};
    checkMetadata(lease.metadata, { namespaced: true }, faults);
    if (duration !== undefined && duration <= 0) {
      faults.invalid("spec.leaseDurationSeconds", duration, "must be greater than 0");
    }
    if (transitions !== undefined && transitions < 0) {
      faults.invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0");
    }
    return faults.causes;
  }

  validateUpdate(lease: Lease): FieldCause[] {
    return this.validateCreate(lease);
  }
}
