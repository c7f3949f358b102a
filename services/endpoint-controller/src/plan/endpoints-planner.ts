/** The v1 Endpoints object of a Service with a selector: the old form, for those who still read it. Pure. */
import type { Endpoints, Pod, Service } from "@fairlead/kube";
import { familiesOf, planGroups } from "./endpoint-groups.ts";
import type { EndpointGroup } from "./endpoint-groups.ts";
import {
  endpointsController,
  endpointsManagedByLabel,
  headlessLabel,
  maxEndpointsAddresses,
  overCapacityAnnotation,
  triggerTimeAnnotation,
} from "./labels.ts";
import { isHeadless } from "./pod-selection.ts";
import { repackSubsets } from "./subsets.ts";
import type { Subset, SubsetAddress } from "./subsets.ts";

/**
 * The object as it should be, or `undefined` where `current` says the same already. Only the Service's first family; terminating pods
 * only with publishNotReadyAddresses; 1000 addresses at most, ready ones first, with an annotation when some were left out.
 */
export function planEndpoints(options: {
  readonly service: Service;
  readonly pods: readonly Pod[];
  readonly node: Parameters<typeof planGroups>[0]["node"];
  readonly current: Endpoints | undefined;
  readonly trigger: string | undefined;
}): Endpoints | undefined {
  const { service, current, trigger } = options;
  const family = familiesOf(service)[0];
  const groups = planGroups(options).groups.filter((group) => group.family === family);
  const { subsets, truncated } = truncate(repackSubsets(groups.flatMap((group) => addressesOf(service, group))));
  const labels = labelsOf(service);
  const same =
    current !== undefined &&
    JSON.stringify(canonical(current.subsets ?? [])) === JSON.stringify(canonical(subsets)) &&
    JSON.stringify(sorted(current.metadata?.labels ?? {})) === JSON.stringify(sorted(labels)) &&
    (current.metadata?.annotations?.[overCapacityAnnotation] !== undefined) === truncated;
  if (same) return undefined;
  const {
    [overCapacityAnnotation]: _over,
    [triggerTimeAnnotation]: _trigger,
    ...kept
  } = current?.metadata?.annotations ?? {};
  return {
    apiVersion: "v1",
    kind: "Endpoints",
    metadata: {
      ...current?.metadata,
      name: service.metadata?.name ?? "",
      namespace: service.metadata?.namespace ?? "",
      labels,
      annotations: {
        ...kept,
        ...(trigger === undefined ? {} : { [triggerTimeAnnotation]: trigger }),
        ...(truncated ? { [overCapacityAnnotation]: "truncated" } : {}),
      },
    },
    subsets,
  };
}

function addressesOf(service: Service, group: EndpointGroup): Parameters<typeof repackSubsets>[0] {
  const publishNotReady = service.spec?.publishNotReadyAddresses === true;
  // Unlike a slice, Endpoints leave out a pod that has none of the Service's ports.
  if (group.ports.length === 0 && (service.spec?.ports ?? []).length > 0) return [];
  return group.endpoints.flatMap((endpoint) => {
    if (endpoint.conditions?.terminating === true && !publishNotReady) return [];
    const { nodeName, hostname, targetRef } = endpoint;
    return endpoint.addresses.slice(0, 1).map((ip) => ({
      address: {
        ip,
        ...(hostname === undefined ? {} : { hostname }),
        ...(nodeName === undefined ? {} : { nodeName }),
        ...(targetRef === undefined ? {} : { targetRef }),
      },
      ready: endpoint.conditions?.ready === true,
      ports: group.ports,
    }));
  });
}

function labelsOf(service: Service): Record<string, string> {
  const { [headlessLabel]: _headless, ...copied } = service.metadata?.labels ?? {};
  return {
    ...copied,
    ...(isHeadless(service) ? { [headlessLabel]: "" } : {}),
    [endpointsManagedByLabel]: endpointsController,
  };
}

/** Cuts to the bound, taking ready addresses first and from each subset its share (rounded up). */
function truncate(subsets: Subset[]): { subsets: Subset[]; truncated: boolean } {
  const count = (of: "addresses" | "notReadyAddresses"): number =>
    subsets.reduce((sum, subset) => sum + (subset[of]?.length ?? 0), 0);
  const ready = count("addresses");
  const total = ready + count("notReadyAddresses");
  if (total <= maxEndpointsAddresses) return { subsets, truncated: false };
  let readyLeft = Math.min(ready, maxEndpointsAddresses);
  let otherLeft = maxEndpointsAddresses - readyLeft;
  const readyShare = readyLeft / Math.max(1, ready);
  const otherShare = otherLeft / Math.max(1, total - ready);
  const cut = subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports }) => {
    const some = addresses.slice(0, Math.min(readyLeft, Math.ceil(addresses.length * readyShare)));
    const others = notReadyAddresses.slice(0, Math.min(otherLeft, Math.ceil(notReadyAddresses.length * otherShare)));
    readyLeft -= some.length;
    otherLeft -= others.length;
    if (some.length + others.length === 0) return [];
    return [
      {
        ...(some.length > 0 ? { addresses: some } : {}),
        ...(others.length > 0 ? { notReadyAddresses: others } : {}),
        ...(ports ? { ports } : {}),
      },
    ];
  });
  return { subsets: cut, truncated: true };
}

/** The parts that count in a comparison, in an order of our own: an API server adds others, and sorts in its own way. */
function canonical(subsets: readonly Subset[]): unknown {
  const address = ({ ip, hostname, nodeName, targetRef }: SubsetAddress): string =>
    JSON.stringify([ip, hostname, nodeName, targetRef?.name, targetRef?.uid]);
  const subset = ({ addresses = [], notReadyAddresses = [], ports = [] }: Subset): string =>
    JSON.stringify([
      addresses.map(address).sort(),
      notReadyAddresses.map(address).sort(),
      ports
        .map(({ name = "", protocol = "TCP", port, appProtocol }) =>
          JSON.stringify([name, protocol, port, appProtocol]),
        )
        .sort(),
    ]);
  return subsets.map(subset).sort();
}

function sorted(labels: Readonly<Record<string, string>>): unknown {
  return Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
}
