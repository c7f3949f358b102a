/** Which addresses a development machine's stack takes: what a range must be like, and which address a node has. */
import type { ConfigIssue } from "@fairlead/host";
import {
  bigIntToAddress,
  cidr,
  cidrContains,
  cidrParts,
  InvalidInputError,
  ipAddress,
  IpFamily,
  isLoopback,
} from "@fairlead/types";
import type { Cidr, IpAddress } from "@fairlead/types";

/** Where the API, the bus and the health servers listen: no range may hold it. */
export const apiAddress: IpAddress = ipAddress("127.0.0.1");

/** Addresses of one node's pods: devcluster gives each node a /24. */
const podsPerNode = 256n;

/** Which address of the node range is the name server's: out of the way of the nodes, and with ranges of their own two stacks do not meet. */
const dnsPlace = 53n;

/** Addresses of the smallest node range, in which that one lies: a /26. */
const smallestNodeRange = 64n;

/** A node as the stack's facts name it. */
export interface NodePlace {
  readonly name: string;
  readonly address: IpAddress;
}

/** The ranges of a stack by option, and how many nodes they must have room for. */
export interface AddressPlan {
  readonly nodes: number;
  readonly serviceCidr: Cidr;
  readonly podCidr: Cidr;
  readonly nodeCidr: Cidr;
  readonly lbPool: Cidr;
}

/** Reads a range that user space can serve: IPv4, within 127.0.0.0/8, without {@link apiAddress}. Throws InvalidInputError. */
export function loopbackRange(text: string): Cidr {
  const range = cidr(text);
  const network = ipAddress(range.slice(0, range.indexOf("/")));
  const { family, prefix } = cidrParts(range);
  // The network's first address alone would let 127.0.0.0/7 pass, were it one.
  if (family !== IpFamily.v4 || prefix < 8 || !isLoopback(network)) {
    const reason = `must lie in 127.0.0.0/8: the userspace plane can listen on no other address; not ${range}`;
    throw new InvalidInputError("", reason);
  }
  if (cidrContains(range, apiAddress)) {
    throw new InvalidInputError("", `must not hold ${apiAddress}, where the API listens; ${range} does`);
  }
  return range;
}

/** Everything about the ranges that does not go together. */
export function planIssues(plan: AddressPlan): readonly ConfigIssue[] {
  const { nodes, ...ranges } = plan;
  const issue = (field: string, reason: string): ConfigIssue => ({ field, source: "the options together", reason });
  const entries = Object.entries(ranges);
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

function overlap(one: Cidr, other: Cidr): boolean {
  const [a, b] = [cidrParts(one), cidrParts(other)];
  return a.first < b.first + b.size && b.first < a.first + a.size;
}
