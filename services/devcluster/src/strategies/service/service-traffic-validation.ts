/** Rules of affinity, traffic policies, external addresses and load balancer fields. */
import { checkAddress, checkEndpointAddress, isRange } from "../address-rules.ts";
import type { AddressRules } from "../address-rules.ts";
import type { FieldFaults } from "../field-faults.ts";
import { portNumber, qualifiedName } from "../name-formats.ts";
import { isExternallyAccessible, needsHealthCheckNodePort } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

/** Longest ClientIP affinity, in seconds: a day. */
export const affinitySecondsLimit = 86_400;

const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'";
const policies = ["Cluster", "Local"];
const distributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];

export function checkAffinity(spec: ServiceSpec, faults: FieldFaults): void {
  const affinity = spec.sessionAffinity ?? "";
  const field = "spec.sessionAffinityConfig";
  if (affinity === "") faults.required("spec.sessionAffinity");
  else if (affinity === "None") {
    if (spec.sessionAffinityConfig) faults.forbidden(field, "must not be set when session affinity is None");
  } else if (affinity === "ClientIP") {
    const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
    if (seconds === undefined) {
      faults.required(`${field}.clientIP.timeoutSeconds`, "when session affinity type is ClientIP");
    } else if (!Number.isInteger(seconds) || seconds <= 0 || seconds > affinitySecondsLimit) {
      const fault = `must be greater than 0 and less than ${affinitySecondsLimit}`;
      faults.invalid(`${field}.clientIP.timeoutSeconds`, seconds, fault);
    }
  } else {
    faults.notSupported("spec.sessionAffinity", affinity, ["ClientIP", "None"]);
  }
}

export function checkExternalIps(spec: ServiceSpec, rules: AddressRules, faults: FieldFaults): void {
  for (const [index, text] of (spec.externalIPs ?? []).entries()) {
    const field = `spec.externalIPs[${index}]`;
    if (checkAddress(text, field, faults)) checkEndpointAddress(text, field, rules, faults);
  }
}

export function checkTrafficPolicies(spec: ServiceSpec, faults: FieldFaults): void {
  const external = spec.externalTrafficPolicy;
  if (!isExternallyAccessible(spec)) {
    if (external !== undefined) {
      const fault = "may only be set for externally-accessible services";
      faults.invalid("spec.externalTrafficPolicy", external, fault);
    }
  } else if (external === undefined) {
    faults.required("spec.externalTrafficPolicy");
  } else if (!policies.includes(external)) {
    faults.notSupported("spec.externalTrafficPolicy", external, policies);
  }
  const internal = spec.internalTrafficPolicy;
  if (internal === undefined) {
    if (spec.type !== "ExternalName") faults.required("spec.internalTrafficPolicy");
  } else if (!policies.includes(internal)) {
    faults.notSupported("spec.internalTrafficPolicy", internal, policies);
  }
  const distribution = spec.trafficDistribution;
  if (distribution !== undefined && !distributions.includes(distribution)) {
    faults.notSupported("spec.trafficDistribution", distribution, distributions);
  }
}

export function checkLoadBalancer(spec: ServiceSpec, faults: FieldFaults): void {
  const balanced = spec.type === "LoadBalancer";
  const ranges = "spec.loadBalancerSourceRanges";
  if (spec.loadBalancerSourceRanges && !balanced) faults.forbidden(ranges, onlyLoadBalancer);
  for (const [index, text] of (spec.loadBalancerSourceRanges ?? []).entries()) {
    if (!isRange(text.trim())) {
      faults.invalid(`${ranges}[${index}]`, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && !balanced) {
    faults.forbidden("spec.allocateLoadBalancerNodePorts", onlyLoadBalancer);
  }
  if (spec.loadBalancerClass !== undefined) {
    if (balanced) {
      faults.invalidAll("spec.loadBalancerClass", spec.loadBalancerClass, qualifiedName(spec.loadBalancerClass));
    } else {
      faults.forbidden("spec.loadBalancerClass", onlyLoadBalancer);
    }
  }
  const health = spec.healthCheckNodePort;
  if (health === undefined) return;
  if (needsHealthCheckNodePort(spec)) faults.invalidAll("spec.healthCheckNodePort", health, portNumber(health));
  else {
    const fault = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    faults.invalid("spec.healthCheckNodePort", health, fault);
  }
}

/** Notes changes of load balancer fields that are not allowed. */
export function checkLoadBalancerChange(spec: ServiceSpec, old: ServiceSpec, faults: FieldFaults): void {
  if (old.type === "LoadBalancer" && spec.type === "LoadBalancer" && old.loadBalancerClass !== spec.loadBalancerClass) {
    faults.invalid("spec.loadBalancerClass", spec.loadBalancerClass, "may not change once set");
  }
  const keeps = needsHealthCheckNodePort(old) && needsHealthCheckNodePort(spec);
  if (keeps && old.healthCheckNodePort !== spec.healthCheckNodePort) {
    faults.forbidden("spec.healthCheckNodePort", "field is immutable");
  }
}
