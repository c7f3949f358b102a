/** In which order upstreams are asked. */
import type { Random } from "@fairlead/types";

/** CoreDNS' names. */
export const forwardPolicies = ["random", "round_robin", "sequential"] as const;
/** See {@link forwardPolicies}. */
export type ForwardPolicy = (typeof forwardPolicies)[number];

/** Makes the order of each next query; every one holds all items once. */
export function orderBy(policy: ForwardPolicy, random: Random): <T>(items: readonly T[]) => readonly T[] {
  let turn = 0;
  return (items) => {
    if (policy === "sequential" || items.length < 2) return items;
    const first = policy === "random" ? Math.floor(random() * items.length) : turn++ % items.length;
    return [...items.slice(first), ...items.slice(0, first)];
  };
}
