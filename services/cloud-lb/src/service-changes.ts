/** What the service controller says about a change of a Service before it acts on it. Pure. */
import type { EventNote, Service } from "@fairlead/kube";
import { wantsLoadBalancer } from "./service-view.ts";

/**
 * The Event about a change, as the cloud providers' service controller words it: only the first of several is named. Undefined where it
 * says nothing: about ports, affinity and annotations, and about Services that have nothing to do with this controller.
 */
export function changeNote(
  before: Service,
  after: Service,
  configuredClass: string | undefined,
): EventNote | undefined {
  const [had, has] = [before, after].map((service) => wantsLoadBalancer(service, configuredClass));
  const [was, is] = [before.spec ?? {}, after.spec ?? {}];
  if (!had && !has) return undefined;
  if (had !== has) return note("Type", was.type, is.type);
  const [ranges, newRanges] = [list(was.loadBalancerSourceRanges), list(is.loadBalancerSourceRanges)];
  if (ranges !== newRanges) return note("LoadBalancerSourceRanges", ranges, newRanges);
  if (was.loadBalancerIP !== is.loadBalancerIP) return note("LoadbalancerIP", was.loadBalancerIP, is.loadBalancerIP);
  const [external, newExternal] = [was.externalIPs ?? [], is.externalIPs ?? []];
  if (external.length !== newExternal.length) return count("ExternalIP", external, newExternal);
  const added = newExternal.find((address, index) => address !== external[index]);
  if (added !== undefined) return { type: "Normal", reason: "ExternalIP", message: `Added: ${added}` };
  const [uid, newUid] = [before.metadata?.uid, after.metadata?.uid];
  if (uid !== newUid) return note("UID", uid, newUid);
  if (was.externalTrafficPolicy !== is.externalTrafficPolicy) {
    return note("ExternalTrafficPolicy", was.externalTrafficPolicy, is.externalTrafficPolicy);
  }
  if (was.healthCheckNodePort !== is.healthCheckNodePort) {
    return note("HealthCheckNodePort", was.healthCheckNodePort ?? 0, is.healthCheckNodePort ?? 0);
  }
  const [families, newFamilies] = [was.ipFamilies ?? [], is.ipFamilies ?? []];
  return families.length === newFamilies.length ? undefined : count("IPFamilies", families, newFamilies);
}

function note(reason: string, before: string | number = "", after: string | number = ""): EventNote {
  return { type: "Normal", reason, message: `${before} -> ${after}` };
}

function count(reason: string, before: readonly string[], after: readonly string[]): EventNote {
  return { type: "Normal", reason, message: `Count: ${before.length} -> ${after.length}` };
}

function list(texts: readonly string[] = []): string {
  return `[${texts.join(" ")}]`;
}
