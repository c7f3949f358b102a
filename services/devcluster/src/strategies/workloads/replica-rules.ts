/** What every workload that keeps a number of equal pods has in common. */
import { isDeepStrictEqual } from "node:util";
import type { PodTemplateSpec } from "@fairlead/kube/objects";
import type { FieldFaults } from "../field-faults.ts";
import { checkSelector, isEmptySelector, selectorMatches, shownSelector } from "../label-selector.ts";
import type { LabelSelector } from "../label-selector.ts";
import { defaultPodSpec } from "../pod/pod-defaults.ts";
import { checkTemplate } from "../pod/pod-validation.ts";

/** Fills in the defaults of a pod template. */
export function defaultTemplate(template: PodTemplateSpec | undefined): void {
  if (template?.spec) defaultPodSpec(template.spec);
}

interface Replicated {
  readonly replicas?: number;
  readonly minReadySeconds?: number;
}

/** Notes counts that are below zero. */
export function checkCounts(spec: Replicated, faults: FieldFaults): void {
  for (const key of ["replicas", "minReadySeconds"] as const) {
    const value = spec[key] ?? 0;
    if (!Number.isInteger(value) || value < 0) {
      faults.invalid(`spec.${key}`, value, "must be greater than or equal to 0");
    }
  }
}

/** Notes faults of selector and template, and a template whose pods the selector would not find. */
export function checkSelectorAndTemplate(
  selector: LabelSelector | undefined,
  template: PodTemplateSpec | undefined,
  kind: string,
  faults: FieldFaults,
): void {
  if (!selector) faults.required("spec.selector");
  else {
    checkSelector(selector, "spec.selector", faults);
    if (isEmptySelector(selector)) {
      faults.invalid("spec.selector", {}, `empty selector is invalid for ${kind.toLowerCase()}`);
    }
  }
  const labels = template?.metadata?.labels;
  if (selector && template && !isEmptySelector(selector) && !selectorMatches(selector, labels)) {
    faults.invalid("spec.template.metadata.labels", labels ?? {}, "`selector` does not match template `labels`");
  }
  checkTemplate(template, "spec.template", faults);
}

/** Notes a selector that changed: pods would be left without an owner. */
export function checkSelectorKept(
  now: LabelSelector | undefined,
  before: LabelSelector | undefined,
  faults: FieldFaults,
): void {
  if (!isDeepStrictEqual(now, before)) faults.invalid("spec.selector", shownSelector(now), "field is immutable");
}

/** Notes counts of a status that cannot be. */
export function checkReplicaStatus(status: Record<string, unknown>, faults: FieldFaults): void {
  const total = Number(status["replicas"] ?? 0);
  const parts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "updatedReplicas"];
  for (const key of parts) {
    const value = Number(status[key] ?? 0);
    if (value < 0) faults.invalid(`status.${key}`, value, "must be greater than or equal to 0");
    if (value > total) faults.invalid(`status.${key}`, value, "cannot be greater than status.replicas");
  }
  const ready = Number(status["readyReplicas"] ?? 0);
  const available = Number(status["availableReplicas"] ?? 0);
  if (available > ready) {
    faults.invalid("status.availableReplicas", available, "cannot be greater than readyReplicas");
  }
}
