/** What a batch of the feed means for each address family, for metrics: kube-proxy counts by family, as it has a proxier for each. */
import { familyOf } from "@fairlead/types";
import type { Change, FeedKey, FeedValue, IpFamily } from "@fairlead/types";

/** Both families, in the order in which they are told of. */
export const ipFamilies = ["IPv4", "IPv6"] as const satisfies readonly IpFamily[];

/** A number for each family. */
export type PerFamily = Readonly<Record<IpFamily, number>>;

/** When the cause of a change happened (last-change-trigger-time), in milliseconds since 1970, and in which family it is seen. */
export interface Trigger {
  readonly at: number;
  readonly family: IpFamily;
}

/** Changes of Services and of their slices. */
export interface ChangeCounts {
  readonly services: PerFamily;
  readonly endpoints: PerFamily;
}

/** Counts the changes of a batch; `before` holds the values that it changes. */
export function countChanges(changes: readonly Change[], before: ReadonlyMap<FeedKey, FeedValue>): ChangeCounts {
  const services = { IPv4: 0, IPv6: 0 };
  const endpoints = { IPv4: 0, IPv6: 0 };
  for (const change of changes) {
    const value = valueOf(change, before);
    const counts = value?.kind === "service" ? services : endpoints;
    for (const family of familiesOf(value)) counts[family] += 1;
  }
  return { services, endpoints };
}

/** The causes of the changes of a batch. */
export function triggersOf(changes: readonly Change[], before: ReadonlyMap<FeedKey, FeedValue>): readonly Trigger[] {
  return changes.flatMap((change) => {
    const { trigger } = change;
    if (trigger === undefined) return [];
    return familiesOf(valueOf(change, before)).map((family) => ({ at: trigger, family }));
  });
}

function valueOf(change: Change, before: ReadonlyMap<FeedKey, FeedValue>): FeedValue | undefined {
  return change.op === "put" ? change.value : before.get(change.key);
}

function familiesOf(value: FeedValue | undefined): readonly IpFamily[] {
  switch (value?.kind) {
    case "service": {
      const { ipFamilies: given, clusterIPs } = value.service;
      return [...new Set(given.length > 0 ? given : clusterIPs.map(familyOf))];
    }
    case "slice":
      return [value.slice.family];
    default:
      return [];
  }
}
