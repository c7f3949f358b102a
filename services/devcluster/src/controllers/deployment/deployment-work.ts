/** One look at one Deployment. */
import { isDeepStrictEqual } from "node:util";
import type { Deployment, ReplicaSet } from "@fairlead/kube/objects";
import { ApiError } from "../../api/errors.ts";
import { timestamp } from "../../api/metadata.ts";
import { isEmptySelector, selectorMatches } from "../../strategies/label-selector.ts";
import { claim, controllerOf, controllerReference, isLeaving, withOwner, withoutOwners } from "../ownership.ts";
import { splitKey } from "../queue-controller.ts";
import type { ControllerContext, KeySink } from "../queue-controller.ts";
import { isComplete, rollStatus } from "./deployment-status.ts";
import {
  annotationsFor,
  desiredAnnotation,
  maxAnnotation,
  newReplicaSet,
  revisionAnnotation,
  revisionOf,
  sizeAnnotations,
} from "./replica-set-template.ts";
import { budgetOf } from "./rollout-budget.ts";
import { firstReplicas, planProportional, planRollingUpdate } from "./rollout-plan.ts";
import type { ScalePlan, SetState } from "./rollout-plan.ts";
import { sameTemplate } from "./template-hash.ts";

const component = "deployment-controller";

/** The ReplicaSets of a Deployment, oldest first. */
interface Sets {
  readonly all: readonly ReplicaSet[];
  /** The one of the present template. */
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
}

/** See the module. */
export class DeploymentWork {
  readonly #context: ControllerContext;

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  process(key: string, keys: KeySink): void {
    const { api, clock } = this.#context;
    const { namespace, name } = splitKey(key);
    const deployment = api.find("deployments", namespace, name);
    if (!deployment) return;
    let created = false;
    if (!isLeaving(deployment)) {
      this.#claim(deployment);
      created = this.#rollOut(deployment);
    }
    const { all, current } = this.#sets(deployment);
    const now = clock.now();
    const fresh = api.find("deployments", namespace, name) ?? deployment;
    const input = { deployment: fresh, current, sets: all, created, now, timestamp: timestamp(now) };
    const { status, deadlineMs } = rollStatus(input);
    api.modify("deployments", namespace, name, (copy) => ({ ...copy, status }), "status");
    if (deadlineMs !== undefined) keys.addAfter(key, deadlineMs);
    if (!isLeaving(deployment) && isComplete(fresh, status)) this.#forgetOld(fresh);
  }

  /** Brings the ReplicaSets on their way; true if one was made. */
  #rollOut(deployment: Deployment): boolean {
    const sets = this.#sets(deployment);
    if (deployment.spec?.paused || isResized(deployment, sets.all)) {
      this.#resize(deployment, sets);
      return false;
    }
    if (deployment.spec?.strategy?.type === "Recreate") {
      const states = sets.old.map((set) => stateOf(set));
      this.#scale(deployment, new Map(states.filter((set) => set.replicas > 0).map((set) => [set.name, 0])));
      if (this.#hasPods(sets.old)) return false;
      const made = this.#ensureCurrent(deployment, sets);
      const { current } = this.#sets(deployment);
      if (current) this.#scale(deployment, new Map([[stateOf(current).name, deployment.spec.replicas ?? 1]]));
      return made;
    }
    const made = this.#ensureCurrent(deployment, sets);
    const { current, old } = this.#sets(deployment);
    if (!current) return made;
    const replicas = deployment.spec?.replicas ?? 1;
    const state = { ...budgetOf(deployment), replicas, current: stateOf(current), old: old.map((set) => stateOf(set)) };
    this.#scale(deployment, planRollingUpdate(state));
    return made;
  }

  #claim(deployment: Deployment): void {
    const { api } = this.#context;
    const { namespace = "", uid = "" } = deployment.metadata ?? {};
    const reference = controllerReference(deployment, "apps/v1", "Deployment");
    const sets = api.list("replicasets", { namespace }).items;
    const { adopt, release } = claim(deployment, sets, (labels) => selects(deployment, labels));
    for (const { metadata } of release) {
      api.modify("replicasets", namespace, metadata?.name ?? "", (copy) => withoutOwners(copy, new Set([uid])));
    }
    for (const { metadata } of adopt) {
      api.modify("replicasets", namespace, metadata?.name ?? "", (copy) => withOwner(copy, reference));
    }
  }

  #sets(deployment: Deployment): Sets {
    const { namespace = "", uid } = deployment.metadata ?? {};
    const all = this.#context.api
      .list("replicasets", { namespace })
      .items.filter((set) => controllerOf(set)?.uid === uid && !isLeaving(set))
      .sort(byAge);
    const current = all.find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));
    return { all, current, old: all.filter((set) => set !== current) };
  }

  /** Makes the ReplicaSet of the present template, or gives it the newest revision; true if it was made. */
  #ensureCurrent(deployment: Deployment, { all, current, old }: Sets): boolean {
    const { api } = this.#context;
    const { namespace = "", name = "" } = deployment.metadata ?? {};
    const last = Math.max(0, ...old.map((set) => revisionOf(set)));
    const revision = current && revisionOf(current) > last ? revisionOf(current) : last + 1;
    if (current) {
      this.#refresh(deployment, current, revision);
    } else if (!this.#make(deployment, all, revision)) {
      return false;
    }
    api.modify("deployments", namespace, name, (copy) => {
      if (copy.metadata?.annotations?.[revisionAnnotation] === String(revision)) return undefined;
      const annotations = { ...copy.metadata?.annotations, [revisionAnnotation]: String(revision) };
      return { ...copy, metadata: { ...copy.metadata, annotations } };
    });
    return current === undefined;
  }

  #refresh(deployment: Deployment, set: ReplicaSet, revision: number): void {
    const { namespace = "", name = "" } = set.metadata ?? {};
    this.#context.api.modify("replicasets", namespace, name, (copy) => {
      const before = copy.metadata?.annotations ?? {};
      const annotations = annotationsFor(deployment, before, revision);
      const minReadySeconds = deployment.spec?.minReadySeconds;
      if (isDeepStrictEqual(annotations, before) && copy.spec?.minReadySeconds === minReadySeconds) return undefined;
      copy.metadata = { ...copy.metadata, annotations };
      if (copy.spec && minReadySeconds !== undefined) copy.spec.minReadySeconds = minReadySeconds;
      else delete copy.spec?.minReadySeconds;
      return copy;
    });
  }

  #make(deployment: Deployment, all: readonly ReplicaSet[], revision: number): boolean {
    const { api } = this.#context;
    const { namespace = "", name = "" } = deployment.metadata ?? {};
    const replicas = deployment.spec?.replicas ?? 1;
    const existing = all.reduce((sum, set) => sum + (set.spec?.replicas ?? 0), 0);
    const recreate = deployment.spec?.strategy?.type === "Recreate";
    const first = recreate ? replicas : firstReplicas(replicas, budgetOf(deployment).maxSurge, existing);
    const set = newReplicaSet(deployment, first, revision);
    try {
      api.create("replicasets", set);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "AlreadyExists") throw error;
      // Another template has the same hash: the next name is another one. The status change brings the Deployment back here.
      api.modify(
        "deployments",
        namespace,
        name,
        (copy) => ({ ...copy, status: { ...copy.status, collisionCount: (copy.status?.collisionCount ?? 0) + 1 } }),
        "status",
      );
      return false;
    }
    if (first > 0) this.#noteScaling(deployment, set.metadata?.name ?? "", 0, first);
    return true;
  }

  /** The size of the Deployment changed, or it is paused: no new template, but the right number of pods. */
  #resize(deployment: Deployment, { all, current }: Sets): void {
    const replicas = deployment.spec?.replicas ?? 1;
    const { maxSurge } = budgetOf(deployment);
    const active = all.filter((set) => (set.spec?.replicas ?? 0) > 0);
    const newest = current ?? all.at(-1);
    const single = active.length === 1 ? active[0] : active.length === 0 ? newest : undefined;
    const settled = current && isSettled(current, replicas);
    if (single) this.#scale(deployment, new Map([[stateOf(single).name, replicas]]));
    else if (settled) {
      const others = active.filter((set) => set !== current);
      this.#scale(deployment, new Map(others.map((set) => [stateOf(set).name, 0])));
    } else {
      const surge = deployment.spec?.strategy?.type === "Recreate" ? 0 : maxSurge;
      const sets = active.map((set) => ({ ...stateOf(set), ...lastMaxOf(set) }));
      this.#scale(deployment, planProportional(replicas, surge, sets));
    }
    // All know the new size now, so that it is not taken for a change again.
    for (const set of active) this.#noteSize(deployment, set);
  }

  #scale(deployment: Deployment, plan: ScalePlan): void {
    const { api } = this.#context;
    const { namespace = "" } = deployment.metadata ?? {};
    for (const [name, replicas] of plan) {
      const before = api.find("replicasets", namespace, name)?.spec?.replicas ?? 0;
      if (before === replicas) continue;
      api.modify("replicasets", namespace, name, (copy) => {
        if (copy.spec) copy.spec.replicas = replicas;
        const annotations = { ...copy.metadata?.annotations, ...sizeAnnotations(deployment) };
        return { ...copy, metadata: { ...copy.metadata, annotations } };
      });
      this.#noteScaling(deployment, name, before, replicas);
    }
  }

  #noteSize(deployment: Deployment, set: ReplicaSet): void {
    const { namespace = "", name = "" } = set.metadata ?? {};
    this.#context.api.modify("replicasets", namespace, name, (copy) => {
      const annotations = { ...copy.metadata?.annotations, ...sizeAnnotations(deployment) };
      return { ...copy, metadata: { ...copy.metadata, annotations } };
    });
  }

  #hasPods(sets: readonly ReplicaSet[]): boolean {
    const uids = new Set(sets.map((set) => set.metadata?.uid));
    const [first] = sets;
    if (!first) return false;
    const { items } = this.#context.api.list("pods", { namespace: first.metadata?.namespace ?? "" });
    return items.some((pod) => {
      const ended = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
      return !ended && uids.has(controllerOf(pod)?.uid);
    });
  }

  /** Deletes the oldest ReplicaSets past revisionHistoryLimit. */
  #forgetOld(deployment: Deployment): void {
    const { api } = this.#context;
    const limit = deployment.spec?.revisionHistoryLimit ?? 10;
    const idle = this.#sets(deployment)
      .old.filter((set) => (set.spec?.replicas ?? 0) === 0 && (set.status?.replicas ?? 0) === 0)
      .sort((a, b) => revisionOf(a) - revisionOf(b));
    for (const { metadata } of idle.slice(0, Math.max(0, idle.length - limit))) {
      api.delete("replicasets", metadata?.namespace, metadata?.name ?? "");
    }
  }

  #noteScaling(deployment: Deployment, name: string, before: number, now: number): void {
    const direction = now > before ? "up" : "down";
    const message = `Scaled ${direction} replica set ${name} from ${before} to ${now}`;
    this.#context.api.recordEvent(deployment, { type: "Normal", reason: "ScalingReplicaSet", message, component });
  }
}

/** Whether the Deployment's selector finds these labels. */
export function selects(deployment: Deployment, labels: Record<string, string>): boolean {
  const selector = deployment.spec?.selector;
  return !isEmptySelector(selector) && selectorMatches(selector, labels);
}

function stateOf(set: ReplicaSet): SetState {
  const replicas = set.spec?.replicas ?? 0;
  return { name: set.metadata?.name ?? "", replicas, available: set.status?.availableReplicas ?? 0 };
}

function isResized(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  const desired = String(deployment.spec?.replicas ?? 1);
  return sets.some((set) => {
    const known = set.metadata?.annotations?.[desiredAnnotation];
    return (set.spec?.replicas ?? 0) > 0 && known !== undefined && known !== desired;
  });
}

function isSettled(set: ReplicaSet, replicas: number): boolean {
  return set.spec?.replicas === replicas && set.status?.availableReplicas === replicas;
}

function lastMaxOf(set: ReplicaSet): { lastMax?: number } {
  const text = set.metadata?.annotations?.[maxAnnotation] ?? "";
  return /^[1-9]\d*$/.test(text) ? { lastMax: Number(text) } : {};
}

function byAge(a: ReplicaSet, b: ReplicaSet): number {
  const age = Date.parse(a.metadata?.creationTimestamp ?? "") - Date.parse(b.metadata?.creationTimestamp ?? "");
  return age || revisionOf(a) - revisionOf(b);
}
