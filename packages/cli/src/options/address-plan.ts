/** Which addresses a development machine's stack takes: what a range must be like, and which address a node has. */
import type { ConfigIssue } from "@fairlead/host";
import { bigIntToAddress, cidr, cidrContains, cidrParts, ipAddress, IpFamily, isLoopback } from "@fairlead/types";
import type { Cidr, IpAddress } from "@fairlead/types";

/** Where the API, the bus and the health servers listen: no range may hold it. */
export const apiAddress: IpAddress = ipAddress("127.0.0.1");

/** Addresses of one node's pods: devcluster gives each node a /24. */
const podsPerNode = 256n;

/** How traffic is carried: by the agents' own processes, or by the kernel. */
export const planes = ["userspace", "nftables", "ipvs"] as const;
/** See {@link planes}. */
export type PlaneName = (typeof planes)[number];

/** Which address of the node range is the name server's: out of the way of the nodes, and with ranges of their own two stacks do not meet. */
const dnsPlace = 53n;

/** Addresses of the smallest node range, in which that one lies: a /26. */
const smallestNodeRange = 64n;

/** A node as the stack's facts name it. */
export interface NodePlace {
  readonly name: string;
  readonly address: IpAddress;
}

/** The ranges of a stack, by option. */
export interface Ranges {
  readonly serviceCidr: Cidr;
  readonly podCidr: Cidr;
  readonly nodeCidr: Cidr;
  readonly lbPool: Cidr;
}

/** The ranges, and what they are for. */
export interface AddressPlan extends Ranges {
  readonly nodes: number;
  readonly plane: PlaneName;
}

/** Of 127.0.0.0/8, all of which is this machine's on Linux. */
const loopbackRanges: Ranges = {
  serviceCidr: cidr("127.96.0.0/16"),
  podCidr: cidr("127.244.0.0/16"),
  nodeCidr: cidr("127.64.0.0/24"),
  lbPool: cidr("127.200.0.0/24"),
};

/** Services and pods as most clusters have them. */
const routedRanges: Ranges = {
  serviceCidr: cidr("10.96.0.0/12"),
  podCidr: cidr("10.244.0.0/16"),
  nodeCidr: cidr("10.64.0.0/24"),
  lbPool: cidr("10.200.0.0/24"),
};

/** Ranges that no interface but the loopback one may have, or none at all. */
const unroutable = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"].map((text) => cidr(text));

/** Whether nodes and pods have networks of their own, as the kernel's planes need them. */
export function hasOwnNetworks(plane: PlaneName): boolean {
  return plane !== "userspace";
}

/** The ranges where the options say nothing else. */
export function defaultRanges(plane: PlaneName): Ranges {
  return hasOwnNetworks(plane) ? routedRanges : loopbackRanges;
}

/** The default of one range as people read it, for the help. */
export function defaultRangeText(field: keyof Ranges): string {
  return `${loopbackRanges[field]}, with a plane in the kernel ${routedRanges[field]}`;
}

/** Why a plane cannot have a range, or undefined. */
function whyNotRange(range: Cidr, plane: PlaneName): string | undefined {
  const { family, prefix } = cidrParts(range);
  if (hasOwnNetworks(plane)) {
    const bad = family === IpFamily.v4 ? unroutable.find((other) => overlap(range, other)) : undefined;
    if (bad !== undefined)
      return `must lie outside ${bad}: the plane ${plane} routes it between networks; not ${range}`;
    return family === IpFamily.v4 ? undefined : `must be an IPv4 range, not ${range}`;
  }
  const network = ipAddress(range.slice(0, range.indexOf("/")));
  // The network's first address alone would let 127.0.0.0/7 pass, were it one.
  if (family !== IpFamily.v4 || prefix < 8 || !isLoopback(network)) {
    return `must lie in 127.0.0.0/8: the userspace plane can listen on no other address; not ${range}`;
  }
  if (!cidrContains(range, apiAddress)) return undefined;
  return `must not hold ${apiAddress}, where the API listens; ${range} does`;
}

/** Everything about the ranges that does not go together. */
export function planIssues(plan: AddressPlan): readonly ConfigIssue[] {
  const { nodes, plane, ...ranges } = plan;
  const issue = (field: string, reason: string): ConfigIssue => ({ field, source: "the options together", reason });
  const entries: readonly (readonly [string, Cidr])[] = Object.entries(ranges);
  const unfit = entries.flatMap(([field, range]) => {
    const reason = whyNotRange(range, plane);
    return reason === undefined ? [] : [issue(field, reason)];
  });
  // What else is wrong with such a range would only hide that.
  if (unfit.length > 0) return unfit;
  const issues = entries.flatMap(([field, range], index) =>
    entries
      .slice(0, index)
      .filter(([, other]) => overlap(range, other))
      .map(([name, other]) => issue(field, `${range} overlaps ${name}, which is ${other}`)),
  );
  const subnets = cidrParts(ranges.podCidr).size / podsPerNode;
  if (subnets < BigInt(nodes)) {
    issues.push(issue("podCidr", `${ranges.podCidr} has room for ${subnets} nodes (a /24 each), not for ${nodes}`));
  }
  if (cidrParts(ranges.nodeCidr).size < smallestNodeRange) {
    issues.push(
      issue("nodeCidr", `${ranges.nodeCidr} is too small: a /26 is the least, its address ${dnsPlace} is the DNS's`),
    );
  }
  return issues;
}

/** The nodes of a plan: node-1 has the first address of the range, as devcluster gives it. */
export function nodePlaces({ nodes, nodeCidr }: Pick<AddressPlan, "nodes" | "nodeCidr">): readonly NodePlace[] {
  const { first, family } = cidrParts(nodeCidr);
  return Array.from({ length: nodes }, (_, index) => ({
    name: `node-${index + 1}`,
    address: bigIntToAddress(first + BigInt(index + 1), family),
  }));
}

/** Where the name server of a plan listens. */
export function dnsAddress({ nodeCidr }: Pick<AddressPlan, "nodeCidr">): IpAddress {
  const { first, family } = cidrParts(nodeCidr);
  return bigIntToAddress(first + dnsPlace, family);
}

/** Where this machine is among the nodes, if they have networks of their own: the last address of their range. */
export function machineAddress({ nodeCidr }: Pick<AddressPlan, "nodeCidr">): IpAddress {
  const { first, size, family } = cidrParts(nodeCidr);
  return bigIntToAddress(first + size - 2n, family);
}

/** Whether two ranges of IPv4 have an address in common. */
export function overlap(one: Cidr, other: Cidr): boolean {
  const [a, b] = [cidrParts(one), cidrParts(other)];
  return a.first < b.first + b.size && b.first < a.first + a.size;
}
