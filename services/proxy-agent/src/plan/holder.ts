/** Who serves an address that exists once while several nodes share one host. */
import type { Node, NodeName } from "@fairlead/types";

/**
 * The one node that holds the address: the first by name among the candidates that are Ready, or among all where none is, so
 * that every agent comes to the same answer from the same Node objects. `candidates` absent means every known node.
 * `undefined` where there is no candidate at all.
 */
export function holderOf(nodes: ReadonlyMap<NodeName, Node>, candidates?: readonly NodeName[]): NodeName | undefined {
  const names = [...(candidates ?? nodes.keys())].sort();
  return names.find((name) => nodes.get(name)?.ready === true) ?? names[0];
}
