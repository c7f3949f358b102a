/** Which pods stand behind a Service, and what of a pod makes a difference to its endpoints. */
import type { Pod, Service } from "@fairlead/kube";

/** Whether the Service picks its endpoints by a selector. An empty selector counts as none. */
export function hasSelector(service: Service): boolean {
  return Object.keys(service.spec?.selector ?? {}).length > 0;
}

/** Whether the Service has no address of its own. */
export function isHeadless(service: Service): boolean {
  const clusterIP = service.spec?.clusterIP ?? "";
  return clusterIP === "" || clusterIP === "None";
}

/** Whether the labels carry everything that the selector asks for. */
export function selects(service: Service, labels: Readonly<Record<string, string>> | undefined): boolean {
  return (
    hasSelector(service) &&
    Object.entries(service.spec?.selector ?? {}).every(([name, value]) => labels?.[name] === value)
  );
}

/** Whether the pod can have endpoints at all: it has an address, and has not run to its end. */
export function isEligible(pod: Pod): boolean {
  const { phase, podIP, podIPs } = pod.status ?? {};
  if (phase === "Failed" || phase === "Succeeded") return false;
  return (podIP ?? "") !== "" || (podIPs?.length ?? 0) > 0;
}

/** Condition Ready is True. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata?.deletionTimestamp !== undefined;
}

/** When the pod became ready or stopped being so; its creation where it never was. Milliseconds since 1970. */
export function readinessChangedAt(pod: Pod): number | undefined {
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime;
  const text = ready ?? pod.metadata?.creationTimestamp;
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(time) ? undefined : time;
}

/** Everything of a pod that endpoints are made from, as one string: two equal ones need no work. Labels are compared apart. */
export function endpointIdentity(pod: Pod): string {
  const { metadata, spec, status } = pod;
  return JSON.stringify([
    isEligible(pod),
    isReady(pod),
    isTerminating(pod),
    status?.podIPs?.map(({ ip }) => ip) ?? [],
    spec?.nodeName,
    spec?.hostname,
    spec?.subdomain,
    metadata?.uid,
  ]);
}
