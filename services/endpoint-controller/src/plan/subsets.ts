/** The subsets of v1 Endpoints: addresses that share ports, each address once for a set of ports. Pure. */
import type { Endpoints } from "@fairlead/kube";
import type { ResolvedPort } from "./port-resolution.ts";

export type Subset = NonNullable<Endpoints["subsets"]>[number];
export type SubsetAddress = NonNullable<Subset["addresses"]>[number];

/** One address with the ports it serves. */
export interface AddressWithPorts {
  readonly address: SubsetAddress;
  readonly ready: boolean;
  readonly ports: readonly ResolvedPort[];
}

/**
 * Groups addresses by the whole set of their ports, in a stable order. An address that stands under several port sets is listed with
 * the union of them, once; ready wins where it is listed both ways.
 */
export function repackSubsets(items: readonly AddressWithPorts[]): Subset[] {
  const byAddress = new Map<string, { address: SubsetAddress; ready: boolean; ports: Map<string, ResolvedPort> }>();
  for (const { address, ready, ports } of items) {
    const key = `${address.ip}|${address.targetRef?.uid ?? ""}`;
    const entry = byAddress.get(key) ?? { address, ready, ports: new Map<string, ResolvedPort>() };
    byAddress.set(key, entry);
    entry.ready ||= ready;
    for (const port of ports) entry.ports.set(portKey(port), port);
  }
  const groups = Map.groupBy(byAddress.values(), ({ ports }) => [...ports.keys()].sort().join("|"));
  return [...groups.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, members]) => {
      const sorted = members.sort((a, b) => (a.address.ip < b.address.ip ? -1 : 1));
      const addresses = sorted.filter(({ ready }) => ready).map(({ address }) => address);
      const notReadyAddresses = sorted.filter(({ ready }) => !ready).map(({ address }) => address);
      const ports = [...(members[0]?.ports.values() ?? [])]
        .sort((a, b) => (portKey(a) < portKey(b) ? -1 : 1))
        .map(({ name, ...port }) => (name === "" ? port : { name, ...port }));
      return {
        ...(addresses.length > 0 ? { addresses } : {}),
        ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
        ...(ports.length > 0 ? { ports } : {}),
      };
    });
}

/** The addresses of hand-made Endpoints, with their ports. */
export function addressesWithPorts(subsets: readonly Subset[]): AddressWithPorts[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const resolved = ports.map(({ name = "", protocol = "TCP", port, appProtocol }) => ({
      name,
      protocol,
      port,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    }));
    return [
      ...addresses.map((address) => ({ address, ready: true, ports: resolved })),
      ...notReadyAddresses.map((address) => ({ address, ready: false, ports: resolved })),
    ];
  });
}

function portKey({ name, protocol, port, appProtocol }: ResolvedPort): string {
  return JSON.stringify([name, protocol, port, appProtocol]);
}
