/** How many pods a Deployment may have too many and too few while it changes. */
import type { Deployment } from "@fairlead/kube/objects";

/** Both in pods. */
export interface RolloutBudget {
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** The budget: shares of the replicas, surge rounded up, unavailable down. Both nothing would never move, so one may be missing then. */
export function budgetOf(deployment: Deployment): RolloutBudget {
  const { strategy, replicas = 1 } = deployment.spec ?? {};
  if (strategy?.type === "Recreate" || replicas === 0) return { maxSurge: 0, maxUnavailable: replicas };
  const maxSurge = share(strategy?.rollingUpdate?.maxSurge, replicas, Math.ceil);
  const maxUnavailable = Math.min(share(strategy?.rollingUpdate?.maxUnavailable, replicas, Math.floor), replicas);
  return maxSurge === 0 && maxUnavailable === 0 ? { maxSurge, maxUnavailable: 1 } : { maxSurge, maxUnavailable };
}

function share(value: number | string | undefined, whole: number, round: (n: number) => number): number {
  if (typeof value === "number") return value;
  return round((Number.parseInt(value ?? "25%", 10) * whole) / 100);
}
