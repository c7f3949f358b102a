/** Every rule of a Service together (the API's ValidateService, ValidateServiceUpdate, ValidateServiceStatusUpdate). */
import { isIP } from "node:net";
import { serviceTypes } from "@fairlead/types";
import type { Service } from "@fairlead/kube/objects";
import type { AddressRules } from "../address-rules.ts";
import { checkAddress } from "../address-rules.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkLabels, checkMetadata } from "../metadata.ts";
import { dns1035Label, dnsSubdomain } from "../name-formats.ts";
import { checkClusterIps, checkClusterIpsChange } from "./service-address-validation.ts";
import { checkPorts } from "./service-port-validation.ts";
import {
  checkAffinity,
  checkExternalIps,
  checkLoadBalancer,
  checkLoadBalancerChange,
  checkTrafficPolicies,
} from "./service-traffic-validation.ts";
import { headlessMark, isHeadless } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

/** Every fault of a Service after its defaults, allocated or not. */
export function serviceFaults(service: Service, rules: AddressRules): FieldFaults {
  const faults = new FieldFaults();
  const spec = service.spec ?? {};
  checkMetadata(service.metadata, { namespaced: true, name: dns1035Label }, faults);
  checkType(spec, faults);
  checkPorts(spec, faults);
  checkLabels(spec.selector, "spec.selector", faults);
  checkAffinity(spec, faults);
  checkClusterIps(spec, faults);
  checkExternalIps(spec, rules, faults);
  checkLoadBalancer(spec, faults);
  checkTrafficPolicies(spec, faults);
  return faults;
}

/** The same for an update, with the changes that are not allowed first. */
export function serviceUpdateFaults(service: Service, old: Service, rules: AddressRules): FieldFaults {
  const faults = new FieldFaults();
  checkClusterIpsChange(service.spec ?? {}, old.spec ?? {}, faults);
  checkLoadBalancerChange(service.spec ?? {}, old.spec ?? {}, faults);
  faults.causes.push(...serviceFaults(service, rules).causes);
  return faults;
}

/** Faults of `status.loadBalancer`. */
export function serviceStatusFaults(service: Service): FieldFaults {
  const faults = new FieldFaults();
  const field = "status.loadBalancer.ingress";
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  if (ingress.length > 0 && service.spec?.type !== "LoadBalancer") {
    faults.forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'");
    return faults;
  }
  for (const [index, { ip, ipMode, hostname }] of ingress.entries()) {
    if (ip) checkAddress(ip, `${field}[${index}].ip`, faults);
    if (ipMode !== undefined && !ip) {
      faults.forbidden(`${field}[${index}].ipMode`, "may not be specified when `ip` is not set");
    } else if (ipMode !== undefined && ipMode !== "VIP" && ipMode !== "Proxy") {
      faults.notSupported(`${field}[${index}].ipMode`, ipMode, ["Proxy", "VIP"]);
    }
    if (!hostname) continue;
    faults.invalidAll(`${field}[${index}].hostname`, hostname, dnsSubdomain(hostname));
    if (isIP(hostname) !== 0) {
      faults.invalid(`${field}[${index}].hostname`, hostname, "must be a DNS name, not an IP address");
    }
  }
  return faults;
}

function checkType(spec: ServiceSpec, faults: FieldFaults): void {
  const type = spec.type ?? "";
  if (type === "") faults.required("spec.type");
  else if (!(serviceTypes as readonly string[]).includes(type)) {
    faults.notSupported("spec.type", type, [...serviceTypes].sort());
  } else if ((type === "NodePort" || type === "LoadBalancer") && isHeadless(spec)) {
    faults.invalid("spec.clusterIPs[0]", headlessMark, `may not be set to 'None' for ${type} services`);
  } else if (type === "ExternalName") {
    checkExternalName(spec, faults);
  }
}

function checkExternalName(spec: ServiceSpec, faults: FieldFaults): void {
  for (const key of ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] as const) {
    if (spec[key] !== undefined) faults.forbidden(`spec.${key}`, "may not be set for ExternalName services");
  }
  // A trailing dot marks a name as fully qualified.
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name === "") faults.required("spec.externalName");
  else faults.invalidAll("spec.externalName", name, dnsSubdomain(name));
}
