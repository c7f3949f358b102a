/** Hand-made v1 Endpoints of a Service without a selector, as endpoint groups for slices. Pure. */
import type { Endpoints, Service } from "@fairlead/kube";
import { familyOf, InvalidInputError, ipAddress } from "@fairlead/types";
import type { IpFamily } from "@fairlead/types";
import { groupKey } from "./endpoint-groups.ts";
import type { ApiEndpoint, EndpointGroup } from "./endpoint-groups.ts";
import {
  endpointsManagedByLabel,
  lastAppliedAnnotation,
  leaderAnnotation,
  managedByLabel,
  maxMirroredAddresses,
  mirrorController,
  serviceNameLabel,
  skipMirrorLabel,
  triggerTimeAnnotation,
} from "./labels.ts";
import { hasSelector } from "./pod-selection.ts";
import type { ResolvedPort } from "./port-resolution.ts";
import type { SliceOwner } from "./slice-planner.ts";
import { addressesWithPorts, repackSubsets } from "./subsets.ts";

/** What mirroring comes to. */
export interface MirrorPlan {
  readonly groups: readonly EndpointGroup[];
  /** Addresses that are none. */
  readonly invalid: readonly string[];
  /** Addresses beyond the bound of a subset, left out. */
  readonly surplus: number;
}

/** Whether these Endpoints are for us to mirror: made by hand, for a Service without a selector, and not asked to be left alone. */
export function isMirrored(service: Service | undefined, endpoints: Endpoints | undefined): endpoints is Endpoints {
  if (service === undefined || endpoints === undefined || hasSelector(service)) return false;
  if (service.spec?.type === "ExternalName") return false;
  const { labels = {}, annotations = {}, deletionTimestamp } = endpoints.metadata ?? {};
  return (
    deletionTimestamp === undefined &&
    labels[skipMirrorLabel] !== "true" &&
    labels[endpointsManagedByLabel] === undefined &&
    annotations[leaderAnnotation] === undefined
  );
}

/** Plans the groups; only `ready` is known of a hand-made endpoint. */
export function planMirror(endpoints: Endpoints): MirrorPlan {
  const groups = new Map<string, { family: IpFamily; ports: readonly ResolvedPort[]; endpoints: ApiEndpoint[] }>();
  const invalid: string[] = [];
  let surplus = 0;
  for (const subset of repackSubsets(addressesWithPorts(endpoints.subsets ?? []))) {
    const all = addressesWithPorts([subset]);
    surplus += Math.max(0, all.length - maxMirroredAddresses);
    for (const { address, ready, ports } of all.slice(0, maxMirroredAddresses)) {
      const ip = parse(address.ip);
      if (ip === undefined) {
        invalid.push(address.ip);
        continue;
      }
      const family = familyOf(ip);
      const key = groupKey(family, ports);
      const group = groups.get(key) ?? { family, ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push({
        addresses: [ip],
        conditions: { ready },
        ...(address.hostname === undefined ? {} : { hostname: address.hostname }),
        ...(address.nodeName === undefined ? {} : { nodeName: address.nodeName }),
        ...(address.targetRef === undefined ? {} : { targetRef: address.targetRef }),
      });
    }
  }
  return { groups: [...groups.values()], invalid, surplus };
}

/** The owner of mirrored slices: the Endpoints, whose labels and annotations are copied. */
export function mirrorOwner(endpoints: Endpoints): SliceOwner {
  const {
    name = "",
    namespace = "",
    uid = "",
    labels = {},
    annotations = {},
    deletionTimestamp,
  } = endpoints.metadata ?? {};
  const { [lastAppliedAnnotation]: _applied, [triggerTimeAnnotation]: _trigger, ...copied } = annotations;
  return {
    managedBy: mirrorController,
    owner: { apiVersion: "v1", kind: "Endpoints", name, namespace, uid },
    service: name,
    labels: { ...labels, [serviceNameLabel]: name, [managedByLabel]: mirrorController },
    annotations: copied,
    leaving: deletionTimestamp !== undefined,
  };
}

function parse(text: string): ReturnType<typeof ipAddress> | undefined {
  try {
    return ipAddress(text);
  } catch (error) {
    if (error instanceof InvalidInputError) return undefined;
    throw error;
  }
}
