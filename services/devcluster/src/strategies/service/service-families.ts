/** Settles `ipFamilies` and `ipFamilyPolicy` before addresses are allocated (KEP-563). */
import { isDeepStrictEqual } from "node:util";
import { familyOf, ipAddress, IpFamily } from "@fairlead/types";
import { FieldFaults } from "../field-faults.ts";
import { headlessMark, isHeadlessWithoutSelector } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

/**
 * Fills in both fields and answers with what cannot be. `configured` are the cluster's families, the default one first. The
 * Service has passed validation, so its addresses are addresses and its families families.
 */
export function settleFamilies(
  spec: ServiceSpec,
  old: ServiceSpec | undefined,
  configured: readonly IpFamily[],
): FieldFaults {
  const faults = new FieldFaults();
  if (spec.type === "ExternalName" || keepsPreference(spec, old)) return faults;
  spec.ipFamilyPolicy ??= old?.ipFamilyPolicy ?? (isHeadlessWithoutSelector(spec) ? "RequireDualStack" : "SingleStack");
  if (old) checkReduction(spec, old, faults);
  checkSingleStack(spec, faults);
  inferFromAddresses(spec, configured, faults);
  if (faults.causes.length > 0) return faults;

  const headless = isHeadlessWithoutSelector(spec);
  if (!headless) checkConfigured(spec, configured, faults);
  if (faults.causes.length > 0) return faults;

  const families = (spec.ipFamilies ??= [configured[0] ?? IpFamily.v4]);
  // Endpoints made by hand may be of a family that the cluster gives no addresses of.
  const both = headless || configured.length === 2;
  if (spec.ipFamilyPolicy !== "SingleStack" && families.length === 1 && both) {
    families.push(families[0] === IpFamily.v4 ? IpFamily.v6 : IpFamily.v4);
  }
  return faults;
}

// A Service that prefers two stacks neither gains nor loses one because the cluster's ranges changed.
function keepsPreference(spec: ServiceSpec, old: ServiceSpec | undefined): boolean {
  return (
    old !== undefined &&
    old.type !== "ExternalName" &&
    spec.ipFamilyPolicy === "PreferDualStack" &&
    old.ipFamilyPolicy === "PreferDualStack" &&
    isDeepStrictEqual(spec.clusterIPs, old.clusterIPs) &&
    isDeepStrictEqual(spec.ipFamilies, old.ipFamilies)
  );
}

function checkReduction(spec: ServiceSpec, old: ServiceSpec, faults: FieldFaults): void {
  if (spec.ipFamilyPolicy === "SingleStack") {
    // The policy alone says it: the second address and family go.
    if (isDeepStrictEqual(spec.clusterIPs, old.clusterIPs) && spec.clusterIPs)
      spec.clusterIPs.length = Math.min(spec.clusterIPs.length, 1);
    if (isDeepStrictEqual(spec.ipFamilies, old.ipFamilies) && spec.ipFamilies)
      spec.ipFamilies.length = Math.min(spec.ipFamilies.length, 1);
    return;
  }
  if (reduced(spec.clusterIPs, old.clusterIPs)) {
    faults.invalid(
      "spec.ipFamilyPolicy",
      spec.ipFamilyPolicy,
      "must be 'SingleStack' to release the secondary cluster IP",
    );
  }
  if (reduced(spec.ipFamilies, old.ipFamilies)) {
    faults.invalid(
      "spec.ipFamilyPolicy",
      spec.ipFamilyPolicy,
      "must be 'SingleStack' to release the secondary IP family",
    );
  }
}

function reduced(now: readonly string[] | undefined, before: readonly string[] | undefined): boolean {
  return before?.length === 2 && now?.length === 1 && now[0] === before[0];
}

function checkSingleStack(spec: ServiceSpec, faults: FieldFaults): void {
  if (spec.ipFamilyPolicy !== "SingleStack") return;
  const must = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
  if (spec.clusterIPs?.length === 2) {
    faults.invalid("spec.ipFamilyPolicy", spec.ipFamilyPolicy, `${must} cluster IPs are specified`);
  }
  if (spec.ipFamilies?.length === 2) {
    faults.invalid("spec.ipFamilyPolicy", spec.ipFamilyPolicy, `${must} IP families are specified`);
  }
}

function inferFromAddresses(spec: ServiceSpec, configured: readonly IpFamily[], faults: FieldFaults): void {
  for (const [index, text] of (spec.clusterIPs ?? []).entries()) {
    if (text === headlessMark) return;
    if (index < (spec.ipFamilies?.length ?? 0)) continue;
    const family = familyOf(ipAddress(text));
    if (configured.includes(family)) spec.ipFamilies = [...(spec.ipFamilies ?? []), family];
    else faults.invalid(`spec.clusterIPs[${index}]`, spec.clusterIPs, `${family} is not configured on this cluster`);
  }
}

function checkConfigured(spec: ServiceSpec, configured: readonly IpFamily[], faults: FieldFaults): void {
  if (spec.ipFamilyPolicy === "RequireDualStack" && configured.length < 2) {
    faults.invalid(
      "spec.ipFamilyPolicy",
      spec.ipFamilyPolicy,
      "this cluster is not configured for dual-stack services",
    );
  }
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    if (!(configured as readonly string[]).includes(family)) {
      faults.invalid(`spec.ipFamilies[${index}]`, family, "not configured on this cluster");
    }
  }
}
