/** Services: defaults, rules, and the addresses and ports they hold. */
import type { Service } from "@fairlead/kube/objects";
import { invalid } from "../../api/errors.ts";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import type { ServiceAllocations } from "../../allocation/service-allocations.ts";
import type { AddressRules } from "../address-rules.ts";
import { allocateService, holdingOf, serviceReference } from "./service-allocation.ts";
import { dropTypeDependent, keepAllocated, syncChangedClusterIps, syncClusterIps } from "./service-carry-over.ts";
import { defaultService, defaultServiceStatus } from "./service-defaults.ts";
import { settleFamilies } from "./service-families.ts";
import type { ServiceSpec } from "./service-type.ts";
import { serviceFaults, serviceStatusFaults, serviceUpdateFaults } from "./service-validation.ts";

export interface ServiceStrategyOptions {
  readonly allocations: ServiceAllocations;
  readonly rules: AddressRules;
}

/** See the module and {@link Strategy}. */
export class ServiceStrategy implements Strategy<Service> {
  readonly #allocations: ServiceAllocations;
  readonly #rules: AddressRules;

  constructor({ allocations, rules }: ServiceStrategyOptions) {
    this.#allocations = allocations;
    this.#rules = rules;
  }

  default(service: Service): void {
    defaultService(service);
  }

  defaultStatus(service: Service): void {
    defaultServiceStatus(service);
  }

  prepareCreate(service: Service): void {
    const spec = (service.spec ??= {});
    service.status = { loadBalancer: {} };
    syncClusterIps(spec);
    // An invalid Service takes nothing: validateCreate says why it is refused, with every fault at once.
    if (serviceFaults(service, this.#rules).causes.length === 0) this.#allocate(service, undefined);
  }

  prepareUpdate(service: Service, stored: Service): void {
    const spec = (service.spec ??= {});
    const old = this.#withoutStrayAddresses(stored, spec);
    const before = old.spec ?? {};
    service.status = structuredClone(old.status ?? { loadBalancer: {} });
    keepAllocated(spec, before);
    syncChangedClusterIps(spec, before);
    dropTypeDependent(service, old);
    if (serviceUpdateFaults(service, old, this.#rules).causes.length === 0) this.#allocate(service, old);
  }

  validateCreate(service: Service): FieldCause[] {
    return serviceFaults(service, this.#rules).causes;
  }

  validateUpdate(service: Service, stored: Service): FieldCause[] {
    const old = this.#withoutStrayAddresses(stored, service.spec ?? {});
    return serviceUpdateFaults(service, old, this.#rules).causes;
  }

  validateStatus(service: Service): FieldCause[] {
    return serviceStatusFaults(service).causes;
  }

  committed(service: Service, old: Service | undefined): void {
    this.#allocations.settle(ownerOf(service), holdingOf(old), holdingOf(service));
  }

  rollback(service: Service): void {
    this.#allocations.undo(ownerOf(service));
  }

  deleted(service: Service): void {
    this.#allocations.release(ownerOf(service), holdingOf(service));
  }

  restore(services: readonly Service[]): void {
    for (const service of services) this.#allocations.restore(ownerOf(service), holdingOf(service));
  }

  selectableFields(service: Service): Record<string, string> {
    return { "spec.clusterIP": service.spec?.clusterIP ?? "", "spec.type": service.spec?.type ?? "" };
  }

  /**
   * What was stored, seen by an update that does not insist on its cluster IPs: those that are of no range of the cluster, as after a
   * change of the ranges, are nobody's any more, so the Service gets others.
   */
  #withoutStrayAddresses(stored: Service, spec: ServiceSpec): Service {
    const { clusterIP, clusterIPs: _all, ...others } = stored.spec ?? {};
    if (clusterIP === undefined || clusterIP === spec.clusterIP) return stored;
    if (holdingOf(stored).addresses.every((address) => this.#allocations.covers(address))) return stored;
    return { ...stored, spec: others };
  }

  #allocate(service: Service, old: Service | undefined): void {
    const faults = settleFamilies(service.spec ?? {}, old?.spec, this.#allocations.families);
    if (faults.causes.length > 0) throw invalid(serviceReference(service), faults.causes);
    const owner = ownerOf(service);
    const reservation = this.#allocations.reserve(owner);
    try {
      allocateService(service, holdingOf(old), reservation);
    } catch (error) {
      this.#allocations.undo(owner);
      throw error;
    }
  }
}

function ownerOf(service: Service): string {
  return `${service.metadata?.namespace ?? ""}/${service.metadata?.name ?? ""}`;
}
