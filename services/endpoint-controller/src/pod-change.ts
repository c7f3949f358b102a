/** What a change of a pod means for the Services that select it. Pure. */
import type { InformerChange, Pod } from "@fairlead/kube";
import { weightAnnotation } from "./normalise/weight.ts";
import { endpointIdentity, isReady, isTerminating } from "./plan/pod-selection.ts";

/** See the module. */
export interface PodChange {
  /** Its endpoints differ, whichever Services select it. */
  readonly endpoint: boolean;
  /** Labels that it had and no longer counts by, if they differ: other Services may select it now. */
  readonly formerLabels: Readonly<Record<string, string>> | undefined;
  /** It takes no new connection from now on. */
  readonly leaves: boolean;
  readonly weight: boolean;
}

/** Most changes of a pod (a heartbeat of its status, an annotation) mean nothing. */
export function podChange(change: InformerChange<Pod>): PodChange {
  const { object } = change;
  const weight = object.metadata?.annotations?.[weightAnnotation];
  if (change.type !== "updated") {
    const leaves = change.type === "removed";
    return { endpoint: true, formerLabels: undefined, leaves, weight: !leaves && weight !== undefined };
  }
  const { previous } = change;
  const was = previous.metadata?.labels ?? {};
  return {
    endpoint: endpointIdentity(previous) !== endpointIdentity(object),
    formerLabels: sameLabels(was, object.metadata?.labels ?? {}) ? undefined : was,
    leaves: takesConnections(previous) && !takesConnections(object),
    weight: previous.metadata?.annotations?.[weightAnnotation] !== weight,
  };
}

function takesConnections(pod: Pod): boolean {
  return isReady(pod) && !isTerminating(pod);
}

function sameLabels(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
