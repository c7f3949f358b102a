/** Who serves an address that exists once while several nodes share one host. */
import { isLoopback } from "@fairlead/types";
import type { IpAddress, Node, NodeName } from "@fairlead/types";

/**
 * The one node that holds the address: the first by name among the candidates that are Ready, or among all where none is, so
 * that every agent comes to the same answer from the same Node objects. `nodes` are those of this host; `candidates` absent means
 * all of them. `undefined` where there is no candidate at all.
 */
export function holderOf(nodes: ReadonlyMap<NodeName, Node>, candidates?: readonly NodeName[]): NodeName | undefined {
  const names = [...(candidates?.filter((name) => nodes.has(name)) ?? nodes.keys())].sort();
  return names.find((name) => nodes.get(name)?.ready === true) ?? names[0];
}

/**
 * The nodes that share this host: those with an address that it has. A Node object without one stands for another machine, or for
 * none (a manifest copied from elsewhere), and no agent here would ever serve for it.
 */
export function nodesOfHost(
  nodes: ReadonlyMap<NodeName, Node>,
  machineAddresses: readonly IpAddress[],
): ReadonlyMap<NodeName, Node> {
  const here = new Set(machineAddresses);
  return new Map(
    [...nodes].filter(([, { addresses }]) => addresses.some(({ address }) => isLoopback(address) || here.has(address))),
  );
}
