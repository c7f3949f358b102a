/** What a Deployment's ReplicaSets look like. */
import type { Deployment, ReplicaSet } from "@fairlead/kube/objects";
import { controllerReference } from "../ownership.ts";
import { budgetOf } from "./rollout-budget.ts";
import { templateHash, templateHashLabel } from "./template-hash.ts";

export const revisionAnnotation = "deployment.kubernetes.io/revision";
export const desiredAnnotation = "deployment.kubernetes.io/desired-replicas";
export const maxAnnotation = "deployment.kubernetes.io/max-replicas";
const historyAnnotation = "deployment.kubernetes.io/revision-history";

/** Annotations that belong to the Deployment alone. */
const notCopied = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  "deprecated.deployment.rollback.to",
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
]);

/** A ReplicaSet for the Deployment's present template. */
export function newReplicaSet(deployment: Deployment, replicas: number, revision: number): ReplicaSet {
  const { name = "", namespace = "" } = deployment.metadata ?? {};
  const template = structuredClone(deployment.spec?.template ?? {});
  const hash = templateHash(template, deployment.status?.collisionCount ?? 0);
  const labels = { ...template.metadata?.labels, [templateHashLabel]: hash };
  const selector = structuredClone(deployment.spec?.selector ?? {});
  return {
    metadata: {
      name: `${name}-${hash}`,
      namespace,
      labels,
      annotations: annotationsFor(deployment, {}, revision),
      ownerReferences: [controllerReference(deployment, "apps/v1", "Deployment")],
    },
    spec: {
      replicas,
      ...(deployment.spec?.minReadySeconds === undefined ? {} : { minReadySeconds: deployment.spec.minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [templateHashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Annotations of the Deployment's current ReplicaSet; a revision that comes back remembers its former numbers. */
export function annotationsFor(
  deployment: Deployment,
  before: Readonly<Record<string, string>>,
  revision: number,
): Record<string, string> {
  const copied = Object.entries(deployment.metadata?.annotations ?? {}).filter(([key]) => !notCopied.has(key));
  const former = before[revisionAnnotation];
  const comesBack = former !== undefined && former !== String(revision);
  const history = [before[historyAnnotation], ...(comesBack ? [former] : [])].filter(Boolean).join(",");
  return {
    ...before,
    ...Object.fromEntries(copied),
    ...sizeAnnotations(deployment),
    [revisionAnnotation]: String(revision),
    ...(history === "" ? {} : { [historyAnnotation]: history }),
  };
}

/** For which size of the Deployment a ReplicaSet was scaled. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const replicas = deployment.spec?.replicas ?? 1;
  return { [desiredAnnotation]: String(replicas), [maxAnnotation]: String(replicas + budgetOf(deployment).maxSurge) };
}

/** The revision that a ReplicaSet is, 0 where it says none. */
export function revisionOf(set: ReplicaSet): number {
  return Number.parseInt(set.metadata?.annotations?.[revisionAnnotation] ?? "0", 10) || 0;
}
