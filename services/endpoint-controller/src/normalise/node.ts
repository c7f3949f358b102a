/** A Node of the API as the network sees it. Pure. */
import type { Node as ApiNode } from "@fairlead/kube";
import { cidr, ipAddress, nodeAddressTypes, nodeName } from "@fairlead/types";
import type { Node, NodeAddressType } from "@fairlead/types";
import { lenient } from "./lenient.ts";
import type { Complaint } from "./lenient.ts";

const zoneLabel = "topology.kubernetes.io/zone";
const excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";
const deletionTaint = "ToBeDeletedByClusterAutoscaler";

/** The normalised Node. */
export function normaliseNode(node: ApiNode, complain: Complaint): Node {
  const { metadata = {}, spec = {}, status = {} } = node;
  const keep = lenient(complain);
  const zone = metadata.labels?.[zoneLabel];
  const ranges = spec.podCIDRs ?? (spec.podCIDR === undefined ? [] : [spec.podCIDR]);
  return {
    name: nodeName(metadata.name ?? "", "metadata.name"),
    addresses: keep.each(
      (status.addresses ?? []).filter(({ type }) => (nodeAddressTypes as readonly string[]).includes(type)),
      "status.addresses",
      ({ type, address }, field) => ({ type: type as NodeAddressType, address: ipAddress(address, field) }),
    ),
    podCIDRs: keep.each(ranges, "spec.podCIDRs", cidr),
    ready: status.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") === true,
    ...(zone === undefined ? {} : { zone }),
    leaving: metadata.deletionTimestamp !== undefined || (spec.taints ?? []).some(({ key }) => key === deletionTaint),
    excludedFromLoadBalancers: isExcluded(metadata.labels?.[excludeLabel]),
  };
}

/** As Kubernetes reads the label: present means excluded, unless it says no. */
function isExcluded(label: string | undefined): boolean {
  return label !== undefined && !["0", "f", "F", "false", "False", "FALSE"].includes(label);
}
