/** A Service's endpoints as they should be: one group for each family and each way to resolve the ports. Pure. */
import type { EndpointSlice, Node, Pod, Service } from "@fairlead/kube";
import { familyOf, InvalidInputError, ipAddress, IpFamily } from "@fairlead/types";
import { isEligible, isHeadless, isReady, isTerminating } from "./pod-selection.ts";
import { resolvePorts } from "./port-resolution.ts";
import type { ResolvedPort } from "./port-resolution.ts";

/** An endpoint as the API writes it. */
export type ApiEndpoint = NonNullable<EndpointSlice["endpoints"]>[number];

/** Endpoints that belong into slices of the same family and ports. */
export interface EndpointGroup {
  readonly family: IpFamily;
  readonly ports: readonly ResolvedPort[];
  readonly endpoints: readonly ApiEndpoint[];
}

/** What the groups of a Service come to. */
export interface GroupPlan {
  /** At least one for each family: an empty Service has an empty slice of each. */
  readonly groups: readonly EndpointGroup[];
  /** Pods left out because their Node is not known (yet): sync again when it is. */
  readonly withoutNode: readonly string[];
}

/** Families that the Service's slices are of: its own list, else that of its address, else (headless) both. */
export function familiesOf(service: Service): readonly IpFamily[] {
  const listed = service.spec?.ipFamilies as IpFamily[] | undefined;
  if (listed && listed.length > 0) return listed;
  if (!isHeadless(service)) return [familyOf(ipAddress(service.spec?.clusterIP ?? ""))];
  return [IpFamily.v4, IpFamily.v6];
}

/** Plans the groups from the pods that the selector matches. `node` looks a Node up by its name. */
export function planGroups(options: {
  readonly service: Service;
  readonly pods: readonly Pod[];
  readonly node: (name: string) => Node | undefined;
}): GroupPlan {
  const { service, pods, node } = options;
  const publishNotReady = service.spec?.publishNotReadyAddresses === true;
  const groups = new Map<string, { family: IpFamily; ports: readonly ResolvedPort[]; endpoints: ApiEndpoint[] }>();
  const withoutNode: string[] = [];
  for (const pod of pods) {
    if (!isEligible(pod)) continue;
    const nodeName = pod.spec?.nodeName;
    const host = nodeName === undefined ? undefined : node(nodeName);
    if (nodeName !== undefined && host === undefined && !publishNotReady) {
      withoutNode.push(`${pod.metadata?.name} on ${nodeName}`);
      continue;
    }
    const ports = resolvePorts(service, pod);
    for (const family of familiesOf(service)) {
      const addresses = addressesOf(pod, family);
      if (addresses.length === 0) continue;
      const key = groupKey(family, ports);
      const group = groups.get(key) ?? { family, ports, endpoints: [] };
      groups.set(key, group);
      group.endpoints.push(endpointOf(service, pod, addresses, host));
    }
  }
  for (const family of familiesOf(service)) {
    if (![...groups.values()].some((group) => group.family === family)) {
      groups.set(groupKey(family, []), { family, ports: [], endpoints: [] });
    }
  }
  return { groups: [...groups.values()], withoutNode };
}

/** Equal for groups that may share a slice: the same family and the same set of ports. */
export function groupKey(family: string, ports: readonly Partial<ResolvedPort>[]): string {
  const sorted = ports.map(({ name, protocol, port, appProtocol }) =>
    JSON.stringify([name ?? "", protocol, port, appProtocol]),
  );
  return [family, ...sorted.sort()].join("|");
}

function addressesOf(pod: Pod, family: IpFamily): string[] {
  return (pod.status?.podIPs ?? []).flatMap(({ ip }) => {
    try {
      const address = ipAddress(ip);
      return familyOf(address) === family ? [address] : [];
    } catch (error) {
      // A pod's status is a node's word; an address that is none cannot be led to.
      if (error instanceof InvalidInputError) return [];
      throw error;
    }
  });
}

function endpointOf(service: Service, pod: Pod, addresses: string[], node: Node | undefined): ApiEndpoint {
  const { metadata = {}, spec } = pod;
  const serving = isReady(pod);
  const terminating = isTerminating(pod);
  const zone = node?.metadata?.labels?.["topology.kubernetes.io/zone"];
  const named = spec?.hostname !== undefined && spec.subdomain === service.metadata?.name;
  return {
    addresses,
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(named && spec?.hostname ? { hostname: spec.hostname } : {}),
    ...(spec?.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
    ...(zone === undefined ? {} : { zone }),
    targetRef: {
      kind: "Pod",
      ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
      ...(metadata.name === undefined ? {} : { name: metadata.name }),
      ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
    },
  };
}
