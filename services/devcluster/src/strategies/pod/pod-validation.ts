/** Rules of pods and pod templates. */
import { isDeepStrictEqual } from "node:util";
import type { Pod, PodTemplateSpec } from "@fairlead/kube/objects";
import { checkAddress } from "../address-rules.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkAnnotations, checkLabels, checkMetadata } from "../metadata.ts";
import { dnsLabel, dnsSubdomain } from "../name-formats.ts";
import { checkContainers } from "./container-validation.ts";
import { defaultPod } from "./pod-defaults.ts";
import type { PodSpec } from "./pod-defaults.ts";

const restartPolicies = ["Always", "Never", "OnFailure"];
const dnsPolicies = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];

/** Every fault of a pod. */
export function podFaults(pod: Pod): FieldFaults {
  const faults = new FieldFaults();
  checkMetadata(pod.metadata, { namespaced: true }, faults);
  checkPodSpec(pod.spec ?? { containers: [] }, "spec", faults);
  return faults;
}

/** Notes every fault of a pod's spec, at `field`. */
export function checkPodSpec(spec: PodSpec, field: string, faults: FieldFaults): void {
  checkVolumes(spec, field, faults);
  checkContainers(spec, field, faults);
  checkChoice(spec.restartPolicy, restartPolicies, `${field}.restartPolicy`, faults);
  checkChoice(spec.dnsPolicy, dnsPolicies, `${field}.dnsPolicy`, faults);
  if (spec.dnsPolicy === "None" && (spec.dnsConfig?.nameservers ?? []).length === 0) {
    const fault = "must provide at least one DNS nameserver when `dnsPolicy` is None";
    faults.required(`${field}.dnsConfig.nameservers`, fault);
  }
  checkLabels(spec.nodeSelector, `${field}.nodeSelector`, faults);
  for (const key of ["hostname", "subdomain"] as const) {
    const name = spec[key];
    if (name) faults.invalidAll(`${field}.${key}`, name, dnsLabel(name));
  }
  for (const key of ["nodeName", "serviceAccountName"] as const) {
    const name = spec[key];
    if (name) faults.invalidAll(`${field}.${key}`, name, dnsSubdomain(name));
  }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    const seconds = spec.terminationGracePeriodSeconds;
    faults.invalid(`${field}.terminationGracePeriodSeconds`, seconds, "must be greater than or equal to 0");
  }
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && deadline < 1) {
    faults.invalid(`${field}.activeDeadlineSeconds`, deadline, "must be between 1 and 2147483647, inclusive");
  }
}

/** Notes every fault of a template, at `field`, for a workload that keeps pods running. */
export function checkTemplate(template: PodTemplateSpec | undefined, field: string, faults: FieldFaults): void {
  if (!template) {
    faults.required(field);
    return;
  }
  checkLabels(template.metadata?.labels, `${field}.metadata.labels`, faults);
  checkAnnotations(template.metadata?.annotations, `${field}.metadata.annotations`, faults);
  checkPodSpec(template.spec ?? { containers: [] }, `${field}.spec`, faults);
  const policy = template.spec?.restartPolicy;
  if (policy !== undefined && restartPolicies.includes(policy) && policy !== "Always") {
    faults.notSupported(`${field}.spec.restartPolicy`, policy, ["Always"]);
  }
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    const fault = "activeDeadlineSeconds in ReplicaSet is not Supported";
    faults.forbidden(`${field}.spec.activeDeadlineSeconds`, fault);
  }
}

/** Every fault of an update: what a pod is made of may not change while it exists. */
export function podUpdateFaults(pod: Pod, old: Pod): FieldFaults {
  const faults = podFaults(pod);
  const spec = pod.spec ?? { containers: [] };
  // A pod stored by an earlier version may lack a default that exists now: the author did not change that.
  const before = structuredClone(old.spec ?? { containers: [] });
  defaultPod({ spec: before });
  if (spec.containers.length !== before.containers.length) {
    faults.forbidden("spec.containers", "pod updates may not add or remove containers");
    return faults;
  }
  const tolerationsKept = (before.tolerations ?? []).every((one) =>
    (spec.tolerations ?? []).some((other) => isDeepStrictEqual(one, other)),
  );
  if (!tolerationsKept) {
    faults.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
  }
  if (!isDeepStrictEqual(withoutMutable(spec), withoutMutable(before))) {
    faults.forbidden(
      "spec",
      "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`," +
        "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations)," +
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    );
  }
  return faults;
}

/** Every fault of a new status: its addresses are addresses. */
export function podStatusFaults(pod: Pod): FieldFaults {
  const faults = new FieldFaults();
  const addresses = pod.status?.podIPs ?? [];
  for (const [index, { ip }] of addresses.entries()) checkAddress(ip ?? "", `status.podIPs[${index}]`, faults);
  const podIP = pod.status?.podIP;
  if (podIP && addresses[0] && addresses[0].ip !== podIP) {
    faults.invalid("status.podIPs", addresses, "first entry must match `status.podIP`");
  }
  return faults;
}

// The scheduler alone sets nodeName, once; the API server decides who may.
function withoutMutable(spec: PodSpec): unknown {
  const { activeDeadlineSeconds: _deadline, tolerations: _tolerations, nodeName: _node, ...rest } = spec;
  const imageless = (list: PodSpec["containers"] | undefined): unknown =>
    list?.map(({ image: _image, ...container }) => container);
  // Through JSON: an absent field and an undefined one are the same on the wire.
  return JSON.parse(
    JSON.stringify({ ...rest, containers: imageless(spec.containers), initContainers: imageless(spec.initContainers) }),
  ) as unknown;
}

function checkVolumes(spec: PodSpec, field: string, faults: FieldFaults): void {
  const names = new Set<string>();
  for (const [index, volume] of (spec.volumes ?? []).entries()) {
    const at = `${field}.volumes[${index}].name`;
    if (!volume.name) faults.required(at);
    else {
      faults.invalidAll(at, volume.name, dnsLabel(volume.name));
      if (names.has(volume.name)) faults.duplicate(at, volume.name);
      names.add(volume.name);
    }
  }
}

function checkChoice(value: string | undefined, choices: readonly string[], field: string, faults: FieldFaults): void {
  if (!value) faults.required(field);
  else if (!choices.includes(value)) faults.notSupported(field, value, choices);
}
