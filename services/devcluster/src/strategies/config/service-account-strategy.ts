/** ServiceAccounts. */
import type { ServiceAccount } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";

/** See the module and {@link Strategy}. */
export class ServiceAccountStrategy implements Strategy<ServiceAccount> {
  default(): void {
    // The API has no defaults for ServiceAccounts.
  }

  validateCreate(account: ServiceAccount): FieldCause[] {
    const faults = new FieldFaults();
    checkMetadata(account.metadata, { namespaced: true }, faults);
    return faults.causes;
  }

  validateUpdate(account: ServiceAccount): FieldCause[] {
    return this.validateCreate(account);
  }
}
