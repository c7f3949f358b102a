/** How many replicas each ReplicaSet of a Deployment should have next. Pure. */
import type { RolloutBudget } from "./rollout-budget.ts";

/** What the plan needs to know of one ReplicaSet. */
export interface SetState {
  readonly name: string;
  /** Pods asked for. */
  readonly replicas: number;
  /** Pods that are available. */
  readonly available: number;
}

export interface RolloutState extends RolloutBudget {
  /** Pods that the Deployment asks for. */
  readonly replicas: number;
  readonly current: SetState;
  /** Oldest first. */
  readonly old: readonly SetState[];
}

/** Replicas by name, for those that change. */
export type ScalePlan = ReadonlyMap<string, number>;

/**
 * One step of a rolling update: the new set grows within the surge, the old ones shrink by no more than what leaves enough pods
 * available. Old pods that are not available go first, since nobody misses them. Called again whenever a count changes.
 */
export function planRollingUpdate(state: RolloutState): ScalePlan {
  const plan = new Map<string, number>();
  const grown = grow(state);
  if (grown !== state.current.replicas) plan.set(state.current.name, grown);
  shrink(state, grown, plan);
  return plan;
}

/** Pods that a new ReplicaSet may begin with. */
export function firstReplicas(replicas: number, maxSurge: number, existing: number): number {
  return Math.max(0, Math.min(replicas + maxSurge - existing, replicas));
}

function grow({ replicas, maxSurge, current, old }: RolloutState): number {
  if (current.replicas >= replicas) return replicas;
  const room = replicas + maxSurge - current.replicas - sum(old, "replicas");
  return current.replicas + Math.max(0, Math.min(room, replicas - current.replicas));
}

function shrink(state: RolloutState, grown: number, plan: Map<string, number>): void {
  const { replicas, maxUnavailable, current, old } = state;
  const enough = replicas - maxUnavailable;
  // Pods of the new set that are not up yet do not count: what they will replace has to stay.
  const surplus = grown + sum(old, "replicas") - enough - Math.max(0, grown - current.available);
  if (surplus <= 0) return;
  const left = new Map(old.map((set) => [set.name, set.replicas]));
  let spare = surplus;
  for (const set of old) {
    const broken = Math.min(spare, Math.max(0, set.replicas - set.available));
    left.set(set.name, set.replicas - broken);
    spare -= broken;
  }
  let healthy = Math.min(spare, Math.min(current.available, grown) + sum(old, "available") - enough);
  for (const set of old) {
    if (healthy <= 0) break;
    const have = left.get(set.name) ?? 0;
    const taken = Math.min(healthy, have);
    left.set(set.name, have - taken);
    healthy -= taken;
  }
  for (const set of old) {
    const now = left.get(set.name) ?? 0;
    if (now !== set.replicas) plan.set(set.name, now);
  }
}

/** What a ReplicaSet was last scaled for, in proportional scaling. */
export interface ScaledSet extends SetState {
  /** Replicas and surge of the Deployment when the set was last scaled; absent where unknown. */
  readonly lastMax?: number;
}

/**
 * The Deployment's own size changed in the middle of a rollout: every set changes in proportion, so that the share of the new version
 * stays. `sets` holds those with replicas, the new set last; what rounding leaves over goes to the largest.
 */
export function planProportional(replicas: number, maxSurge: number, sets: readonly ScaledSet[]): ScalePlan {
  const allowed = replicas > 0 ? replicas + maxSurge : 0;
  const total = sum(sets, "replicas");
  const change = allowed - total;
  const ordered = [...sets].sort((a, b) => b.replicas - a.replicas);
  const plan = new Map<string, number>();
  let left = change;
  for (const set of ordered) {
    const share = Math.round((set.replicas * allowed) / (set.lastMax ?? total)) - set.replicas;
    const bounded = change > 0 ? Math.min(Math.max(share, 0), left) : Math.max(Math.min(share, 0), left, -set.replicas);
    plan.set(set.name, set.replicas + bounded);
    left -= bounded;
  }
  const [largest] = ordered;
  if (largest) plan.set(largest.name, Math.max(0, (plan.get(largest.name) ?? 0) + left));
  for (const set of sets) if (plan.get(set.name) === set.replicas) plan.delete(set.name);
  return plan;
}

function sum(sets: readonly SetState[], key: "replicas" | "available"): number {
  return sets.reduce((total, set) => total + set[key], 0);
}
