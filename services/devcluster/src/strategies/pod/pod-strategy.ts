/** Pods. */
import type { Pod } from "@fairlead/kube/objects";
import type { Clock } from "@fairlead/types";
import type { FieldCause } from "../../api/errors.ts";
import { timestamp } from "../../api/metadata.ts";
import type { Strategy } from "../../api/strategy.ts";
import { defaultGraceSeconds, defaultPod } from "./pod-defaults.ts";
import { podFaults, podStatusFaults, podUpdateFaults } from "./pod-validation.ts";

/** See the module and {@link Strategy}. */
export class PodStrategy implements Strategy<Pod> {
  readonly #clock: Clock;

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock;
  }

  default(pod: Pod): void {
    defaultPod(pod);
  }

  prepareCreate(pod: Pod): void {
    pod.status = { phase: "Pending", qosClass: qosClassOf(pod) };
    if (pod.spec?.nodeName) this.#noteScheduled(pod);
  }

  prepareUpdate(pod: Pod, old: Pod): void {
    pod.status = structuredClone(old.status ?? {});
    // Left out means kept: the scheduler set it, not the author.
    if (pod.spec && old.spec?.nodeName) pod.spec.nodeName ??= old.spec.nodeName;
    if (pod.spec?.nodeName && !old.spec?.nodeName) this.#noteScheduled(pod);
  }

  validateCreate(pod: Pod): FieldCause[] {
    return podFaults(pod).causes;
  }

  validateUpdate(pod: Pod, old: Pod): FieldCause[] {
    const faults = podUpdateFaults(pod, old);
    const before = old.spec?.nodeName;
    if (before && before !== pod.spec?.nodeName) faults.forbidden("spec.nodeName", "may not change once set");
    return faults.causes;
  }

  validateStatus(pod: Pod): FieldCause[] {
    return podStatusFaults(pod).causes;
  }

  /** A pod that no node runs, or that has ended, needs no time to stop. */
  gracePeriodSeconds(pod: Pod, requested: number | undefined): number {
    const phase = pod.status?.phase;
    if (!pod.spec?.nodeName || phase === "Succeeded" || phase === "Failed") return 0;
    return Math.max(0, requested ?? pod.spec.terminationGracePeriodSeconds ?? defaultGraceSeconds);
  }

  selectableFields({ spec, status }: Pod): Record<string, string> {
    return {
      "spec.nodeName": spec?.nodeName ?? "",
      "spec.restartPolicy": spec?.restartPolicy ?? "",
      "spec.schedulerName": spec?.schedulerName ?? "",
      "spec.serviceAccountName": spec?.serviceAccountName ?? "",
      "spec.hostNetwork": String(spec?.hostNetwork ?? false),
      "status.phase": status?.phase ?? "",
      "status.podIP": status?.podIP ?? "",
      "status.nominatedNodeName": status?.nominatedNodeName ?? "",
    };
  }

  // A real cluster has a subresource for this (binding), which sets both in one write as well.
  #noteScheduled(pod: Pod): void {
    const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled");
    const lastTransitionTime = timestamp(this.#clock.now());
    pod.status = {
      ...pod.status,
      conditions: [...others, { type: "PodScheduled", status: "True", lastTransitionTime }],
    };
  }
}

// Guaranteed: every container limits both resources and asks for as much; BestEffort: none says anything.
function qosClassOf(pod: Pod): string {
  const containers = pod.spec?.containers ?? [];
  const said = containers.filter(
    ({ resources }) => resources?.limits !== undefined || resources?.requests !== undefined,
  );
  if (said.length === 0) return "BestEffort";
  const guaranteed = containers.every(({ resources }) =>
    ["cpu", "memory"].every((kind) => {
      const limit = resources?.limits?.[kind];
      return limit !== undefined && (resources?.requests?.[kind] ?? limit) === limit;
    }),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
