/** Label maps and selectors in one cell, in the syntax that `kubectl -l` takes. */
import type { ReplicaSet } from "@fairlead/kube/objects";
import { NONE } from "./columns.ts";

type LabelSelector = NonNullable<ReplicaSet["spec"]>["selector"];

/** `a=1,b=2` sorted by key; `<none>` if empty. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  return joined(Object.entries(labels ?? {}).map(([key, value]) => [key, `${key}=${value}`]));
}

export function selectorText(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => [key, `${key}=${value}`] as const);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values }) => {
    const set = `(${(values ?? []).toSorted().join(",")})`;
    switch (operator) {
      case "In":
        return [key, `${key} in ${set}`] as const;
      case "NotIn":
        return [key, `${key} notin ${set}`] as const;
      case "DoesNotExist":
        return [key, `!${key}`] as const;
      default:
        return [key, key] as const;
    }
  });
  return joined([...labels, ...expressions]);
}

function joined(entries: readonly (readonly [key: string, text: string])[]): string {
  if (entries.length === 0) return NONE;
  return entries
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, text]) => text)
    .join(",");
}
