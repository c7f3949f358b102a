/** The subsets of v1 Endpoints: addresses that share ports, each address once for a set of ports. Pure. */
import type { Endpoints } from "@fairlead/kube";
import type { ResolvedPort } from "./port-resolution.ts";

export type Subset = NonNullable<Endpoints["subsets"]>[number];
export type SubsetAddress = NonNullable<Subset["addresses"]>[number];

/** One address with the ports it serves. */
export interface AddressWithPorts {
  readonly address: SubsetAddress;
  readonly ready: boolean;
  /** Empty for an address without ports. */
  readonly ports: readonly ResolvedPort[];
}

interface Entry {
  readonly address: SubsetAddress;
  /** By key; `undefined` stands for "no port". */
  readonly ports: Map<string, { readonly port: ResolvedPort | undefined; ready: boolean }>;
}

/** Addresses of one port set. */
interface Group {
  readonly ports: readonly ResolvedPort[];
  readonly ready: SubsetAddress[];
  readonly notReady: SubsetAddress[];
}

/**
 * Groups addresses by the whole set of their ports, in a stable order. An address that stands under several port sets is listed once,
 * with the union of them; where it is listed both as ready and as not ready for the same port, it is not ready for that port.
 */
export function repackSubsets(items: readonly AddressWithPorts[]): Subset[] {
  const groups = new Map<string, Group>();
  for (const { address, ports } of byAddress(items).values()) {
    for (const ready of [true, false]) {
      const entries = [...ports].filter(([, port]) => port.ready === ready).sort(([a], [b]) => (a < b ? -1 : 1));
      if (entries.length === 0) continue;
      const key = entries.map(([name]) => name).join("|");
      const group = groups.get(key) ?? {
        ports: entries.flatMap(([, { port }]) => (port === undefined ? [] : [port])),
        ready: [],
        notReady: [],
      };
      groups.set(key, group);
      (ready ? group.ready : group.notReady).push(address);
    }
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => subsetOf(group));
}

/** The addresses of hand-made Endpoints, with their ports. */
export function addressesWithPorts(subsets: readonly Subset[]): AddressWithPorts[] {
  return subsets.flatMap((subset) => {
    const ports = (subset.ports ?? []).map(({ name = "", protocol = "TCP", port, appProtocol }) => ({
      name,
      protocol,
      port,
      ...(appProtocol === undefined ? {} : { appProtocol }),
    }));
    return [
      ...(subset.addresses ?? []).map((address) => ({ address, ready: true, ports })),
      ...(subset.notReadyAddresses ?? []).map((address) => ({ address, ready: false, ports })),
    ];
  });
}

function byAddress(items: readonly AddressWithPorts[]): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const { address, ready, ports } of items) {
    // Two pods may give the same address, one after the other.
    const key = `${address.ip}|${address.targetRef?.uid ?? ""}`;
    const entry: Entry = entries.get(key) ?? { address, ports: new Map() };
    entries.set(key, entry);
    for (const port of ports.length === 0 ? [undefined] : ports) {
      const name = port === undefined ? "" : portKey(port);
      const known = entry.ports.get(name);
      if (known === undefined) entry.ports.set(name, { port, ready });
      else known.ready &&= ready;
    }
  }
  return entries;
}

function subsetOf({ ports, ready, notReady }: Group): Subset {
  const inOrder = (addresses: SubsetAddress[]): SubsetAddress[] =>
    addresses.sort((a, b) => (addressKey(a) < addressKey(b) ? -1 : 1));
  return {
    ...(ready.length > 0 ? { addresses: inOrder(ready) } : {}),
    ...(notReady.length > 0 ? { notReadyAddresses: inOrder(notReady) } : {}),
    ...(ports.length > 0 ? { ports: ports.map(({ name, ...port }) => (name === "" ? port : { name, ...port })) } : {}),
  };
}

function addressKey({ ip, targetRef }: SubsetAddress): string {
  return `${ip}|${targetRef?.uid ?? ""}`;
}

function portKey({ name, protocol, port, appProtocol }: ResolvedPort): string {
  return JSON.stringify([name, protocol, port, appProtocol]);
}
