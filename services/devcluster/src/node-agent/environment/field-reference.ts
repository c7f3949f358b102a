/** The downward API: what a container may learn about its own pod through `fieldRef`. */
import type { Pod } from "@fairlead/kube/objects";

/** What the API object does not hold yet when a container starts. */
export interface PodPlace {
  readonly podIp: string;
  readonly hostIp: string;
}

/** The field's value (empty if it is not set), or `undefined` for a path that `fieldRef` does not know. */
export function fieldReference(pod: Pod, place: PodPlace, path: string): string | undefined {
  const subscript = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(path);
  if (subscript) {
    const table = subscript[1] === "labels" ? pod.metadata?.labels : pod.metadata?.annotations;
    return table?.[subscript[2] ?? ""] ?? "";
  }
  switch (path) {
    case "metadata.name":
      return pod.metadata?.name ?? "";
    case "metadata.namespace":
      return pod.metadata?.namespace ?? "";
    case "metadata.uid":
      return pod.metadata?.uid ?? "";
    case "metadata.labels":
      return list(pod.metadata?.labels);
    case "metadata.annotations":
      return list(pod.metadata?.annotations);
    case "spec.nodeName":
      return pod.spec?.nodeName ?? "";
    case "spec.serviceAccountName":
      return pod.spec?.serviceAccountName ?? "default";
    case "status.podIP":
    case "status.podIPs":
      return place.podIp;
    case "status.hostIP":
    case "status.hostIPs":
      return place.hostIp;
    default:
      return undefined;
  }
}

function list(table: Record<string, string> | undefined): string {
  return Object.entries(table ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join("\n");
}
