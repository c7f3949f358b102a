/** At which addresses a node serves its node ports (kube-proxy's `nodePortAddresses`). Pure. */
import { cidrContains, familyOf, isLoopback } from "@fairlead/types";
import type { IpAddress, Node } from "@fairlead/types";
import type { NodePortRange } from "./option-kinds.ts";

/**
 * Those of the Node object and of the machine (`others`) that lie in one of the ranges; without ranges those of the Node object. Sorted,
 * without duplicates.
 */
export function nodePortAddresses(
  own: Node["addresses"],
  others: readonly IpAddress[],
  ranges: readonly NodePortRange[],
): readonly IpAddress[] {
  const ofNode = own.map(({ address }) => address);
  const candidates = ranges.length === 0 ? ofNode : [...ofNode, ...others];
  const primary = new Set(primaryAddresses(own));
  const chosen = candidates.filter(
    (address) => ranges.length === 0 || ranges.some((range) => isIn(range, address, primary)),
  );
  return [...new Set(chosen)].sort();
}

function isIn(range: NodePortRange, address: IpAddress, primary: ReadonlySet<IpAddress>): boolean {
  switch (range) {
    case "primary":
      return primary.has(address);
    case "localhost":
      return isLoopback(address);
    case "all":
      return true;
    default:
      return cidrContains(range, address);
  }
}

/** The first of each family, an InternalIP before an ExternalIP: what kube-proxy takes for the node's own. */
function primaryAddresses(own: Node["addresses"]): readonly IpAddress[] {
  const internalFirst = [
    ...own.filter(({ type }) => type === "InternalIP"),
    ...own.filter(({ type }) => type === "ExternalIP"),
  ].map(({ address }) => address);
  const found = new Map(internalFirst.toReversed().map((address) => [familyOf(address), address]));
  return [...found.values()];
}
