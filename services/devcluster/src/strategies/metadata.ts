/** The rules of `metadata`, the same for every resource. */
import type { ObjectMeta, OwnerReference } from "@fairlead/kube/objects";
import type { FieldFaults } from "./field-faults.ts";
import { asPrefix, dnsLabel, dnsSubdomain, labelValue, qualifiedName } from "./name-formats.ts";
import type { NameRule } from "./name-formats.ts";

/** Largest sum of all annotations' keys and values, in bytes: Kubernetes' own limit. */
export const annotationBytesLimit = 256 * 1024;

export interface MetadataRules {
  readonly namespaced: boolean;
  /** What the object may be called; a DNS subdomain where absent. */
  readonly name?: NameRule;
}

/** Notes every fault of an object's metadata. */
export function checkMetadata(metadata: ObjectMeta | undefined, rules: MetadataRules, faults: FieldFaults): void {
  const meta = metadata ?? {};
  const rule = rules.name ?? dnsSubdomain;
  if (meta.generateName)
    faults.invalidAll("metadata.generateName", meta.generateName, asPrefix(rule)(meta.generateName));
  if (meta.name) faults.invalidAll("metadata.name", meta.name, rule(meta.name));
  else faults.required("metadata.name", "name or generateName is required");
  checkNamespace(meta, rules, faults);
  checkLabels(meta.labels, "metadata.labels", faults);
  checkAnnotations(meta.annotations, "metadata.annotations", faults);
  checkOwners(meta.ownerReferences ?? [], faults);
  for (const finalizer of meta.finalizers ?? []) {
    faults.invalidAll("metadata.finalizers", finalizer, qualifiedName(finalizer));
  }
}

/** Notes every label that does not fit; for selectors too. */
export function checkLabels(labels: Record<string, string> | undefined, field: string, faults: FieldFaults): void {
  for (const [key, value] of Object.entries(labels ?? {})) {
    faults.invalidAll(field, key, qualifiedName(key));
    faults.invalidAll(field, value, labelValue(value));
  }
}

/** Notes annotation keys that do not fit, and too much in all. */
export function checkAnnotations(
  annotations: Record<string, string> | undefined,
  field: string,
  faults: FieldFaults,
): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    // Annotation keys are compared without regard to case.
    faults.invalidAll(field, key, qualifiedName(key.toLowerCase()));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > annotationBytesLimit) faults.tooLong(field, annotationBytesLimit);
}

function checkNamespace(meta: ObjectMeta, rules: MetadataRules, faults: FieldFaults): void {
  if (!rules.namespaced) {
    if (meta.namespace) faults.forbidden("metadata.namespace", "not allowed on this type");
  } else if (meta.namespace) {
    faults.invalidAll("metadata.namespace", meta.namespace, dnsLabel(meta.namespace));
  } else {
    faults.required("metadata.namespace");
  }
}

function checkOwners(owners: readonly OwnerReference[], faults: FieldFaults): void {
  const list = "metadata.ownerReferences";
  for (const owner of owners) {
    if (!owner.apiVersion) faults.invalid(`${list}.apiVersion`, owner.apiVersion ?? "", "version must not be empty");
    if (!owner.kind) faults.invalid(`${list}.kind`, owner.kind ?? "", "must not be empty");
    if (!owner.name) faults.invalid(`${list}.name`, owner.name ?? "", "must not be empty");
    if (!owner.uid) faults.invalid(`${list}.uid`, owner.uid ?? "", "must not be empty");
    if (owner.apiVersion === "v1" && owner.kind === "Event") {
      faults.invalid(list, owner, "/v1, Kind=Event is disallowed from being an owner");
    }
  }
  const [first, second] = owners.filter((owner) => owner.controller === true);
  if (first && second) {
    faults.invalid(
      list,
      owners,
      "Only one reference can have Controller set to true. " +
        `Found "true" in references for ${first.kind}/${first.name} and ${second.kind}/${second.name}`,
    );
  }
}
