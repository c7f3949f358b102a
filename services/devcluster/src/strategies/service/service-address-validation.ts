/** Rules of `clusterIP`, `clusterIPs`, `ipFamilies`, `ipFamilyPolicy` and how they may change. */
import { familyOf, ipAddress, IpFamily } from "@fairlead/types";
import { checkAddress } from "../address-rules.ts";
import type { FieldFaults } from "../field-faults.ts";
import { headlessMark, ipFamilyPolicies, isHeadless } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

const families = [IpFamily.v4, IpFamily.v6] as readonly string[];

/** Notes every fault of the fields themselves. Nothing is asked of a Service of type ExternalName here. */
export function checkClusterIps(spec: ServiceSpec, faults: FieldFaults): void {
  if (spec.type === "ExternalName") return;
  checkSingularMatches(spec, faults);
  checkFamilies(spec, faults);
  const addresses = spec.clusterIPs ?? [];
  if (!checkEachAddress(addresses, faults)) return;
  const kinds = addresses.filter((one) => one !== headlessMark).map((one) => familyOf(ipAddress(one)));
  if (addresses.length > 1 && new Set(kinds).size < 2) {
    faults.invalid("spec.clusterIPs", addresses, "may specify no more than one IP for each IP family");
  }
  for (const [index, kind] of kinds.entries()) {
    const family = spec.ipFamilies?.[index];
    if (family !== undefined && families.includes(family) && kind !== family) {
      const fault = `expected an ${family} value as indicated by \`ipFamilies[${index}]\``;
      faults.invalid(`spec.clusterIPs[${index}]`, addresses[index], fault);
    }
  }
}

/** Notes every change that is not allowed. */
export function checkClusterIpsChange(spec: ServiceSpec, old: ServiceSpec, faults: FieldFaults): void {
  if (spec.type === "ExternalName" || old.type === "ExternalName") return;
  if (isHeadless(spec) && isHeadless(old)) return;
  checkListChange(
    { field: "spec.clusterIPs", now: spec.clusterIPs, before: old.clusterIPs, what: "clusterIP" },
    faults,
  );
  // Families that are left out follow from the addresses; see settleFamilies.
  if (spec.ipFamilies && isHeadless(spec) === isHeadless(old)) {
    checkListChange(
      { field: "spec.ipFamilies", now: spec.ipFamilies, before: old.ipFamilies, what: "ipFamily" },
      faults,
    );
  }
}

interface ListChange {
  readonly field: string;
  readonly now: readonly string[] | undefined;
  readonly before: readonly string[] | undefined;
  readonly what: string;
}

// The first value stays; a second one may come, and may go (which settleFamilies checks against the policy).
function checkListChange({ field, now = [], before = [], what }: ListChange, faults: FieldFaults): void {
  if (before.length === 0) return;
  if (now.length === 0) {
    faults.invalid(`${field}[0]`, now, `primary ${what} can not be unset`);
    return;
  }
  for (const [index, value] of before.entries()) {
    if (now[index] !== undefined && now[index] !== value) {
      faults.invalid(`${field}[${index}]`, now, "may not change once set");
    }
  }
}

function checkSingularMatches(spec: ServiceSpec, faults: FieldFaults): void {
  const field = "spec.clusterIPs";
  const addresses = spec.clusterIPs ?? [];
  if (!spec.clusterIP) {
    if (addresses.length > 0) faults.invalid(field, addresses, "must be empty when `clusterIP` is not specified");
  } else if (addresses.length === 0) {
    faults.required(field);
  } else if (addresses[0] !== spec.clusterIP) {
    faults.invalid(field, addresses, "first value must match `clusterIP`");
  }
}

function checkFamilies(spec: ServiceSpec, faults: FieldFaults): void {
  const seen = new Set<string>();
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    const field = `spec.ipFamilies[${index}]`;
    if (!families.includes(family)) faults.notSupported(field, family, families);
    if (seen.has(family)) faults.duplicate(field, family);
    seen.add(family);
  }
  const policy = spec.ipFamilyPolicy;
  if (policy !== undefined && !(ipFamilyPolicies as readonly string[]).includes(policy)) {
    faults.notSupported("spec.ipFamilyPolicy", policy, ipFamilyPolicies);
  }
}

function checkEachAddress(addresses: readonly string[], faults: FieldFaults): boolean {
  const field = "spec.clusterIPs";
  let fine = true;
  for (const [index, text] of addresses.entries()) {
    if (index === 0 && text === headlessMark) {
      if (addresses.length > 1) {
        faults.invalid(field, addresses, "'None' must be the first and only value");
        fine = false;
      }
    } else if (!checkAddress(text, `${field}[${index}]`, faults)) {
      fine = false;
    }
  }
  if (addresses.length > 2) faults.invalid(field, addresses, "may only hold up to 2 values");
  return fine;
}
