/** What a Service port wants of the plane's table. Pure. */
import type { IpAddress, NodeName, Port } from "@fairlead/types";
import { sourceElements } from "../kernel/range-elements.ts";
import { anyEligible, endpointsFor, type Frontend, type ServicePortEntry } from "../plan/entry.ts";
import type { PacketElement, PacketLayout } from "./packet-layout.ts";

/** The virtual service with the endpoints of all nodes, to which pods are led from addresses of external policy Local. */
export interface Inward {
  readonly address: IpAddress;
  readonly port: Port;
  /** It is at a port that is no Service's: nobody else is to reach it. */
  readonly isHidden: boolean;
}

/** Whether the frontend leads pods and the node itself further than others. */
export function isExternalLocal({ kind, policy }: Frontend): boolean {
  return kind !== "ClusterIP" && policy === "Local";
}

/** Elements for those of the entry's addresses that are its own. */
export function* packetElements(
  layout: PacketLayout,
  entry: ServicePortEntry,
  frontends: readonly Frontend[],
  { node, inward }: { readonly node: NodeName; readonly inward?: Inward | undefined },
): Iterable<PacketElement> {
  for (const frontend of frontends) {
    const { kind, policy, address, port, sourceRanges } = frontend;
    const key = layout.placeKey({ protocol: entry.protocol, address, port });
    yield { set: "open", key };
    if (kind === "ClusterIP") yield { set: "internal", key };
    else if (policy === "Cluster") yield { set: "external", key };
    if (!anyEligible(endpointsFor(entry, policy))) {
      // Nobody anywhere: refused at once. Nobody here: some other node's answer is right, so none is given.
      yield { set: policy === "Local" && entry.hasAnyEndpoints ? "no-local-endpoints" : "no-endpoints", key };
    }
    if (sourceRanges.length > 0) {
      yield { set: "guarded", key };
      yield* sourceElements(layout, key, sourceRanges);
    }
    if (inward !== undefined && isExternalLocal(frontend) && anyEligible(entry.cluster)) {
      yield { set: "inward", key, data: layout.targetData(inward.address, inward.port) };
    }
  }
  if (inward?.isHidden === true) {
    yield { set: "no-endpoints", key: layout.placeKey({ protocol: entry.protocol, ...inward }) };
  }
  yield* hairpins(layout, entry, node);
}

function* hairpins(layout: PacketLayout, { cluster, local }: ServicePortEntry, own: NodeName): Iterable<PacketElement> {
  const seen = new Set<IpAddress>();
  for (const { address, node } of [...cluster, ...local]) {
    // Only a pod of this node can be its own client by way of this node.
    if ((node !== undefined && node !== own) || seen.has(address)) continue;
    seen.add(address);
    const key = layout.addressKey(address);
    const twice = new Uint8Array(2 * key.length);
    twice.set(key);
    twice.set(key, key.length);
    yield { set: "hairpin", key: twice };
  }
}
