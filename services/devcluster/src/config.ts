/** The options of the dev cluster. */
import { commonOptions, ConfigError, defineOptions, option } from "@fairlead/host";
import type { ConfigIssue, ConfigSources, OptionValues } from "@fairlead/host";
import { type Cidr, cidrParts, type IpAddress, ipAddress } from "@fairlead/types";

/** Nodes at most: each takes its part of the pod range. */
const maxNodes = 64;

const table = {
  ...commonOptions({ healthAddress: "127.0.0.1:0" }),
  stateDir: option.path({
    default: ".fairlead",
    describe: "Directory of everything that is kept, for one process at a time",
  }),
  nodes: option.integer({ default: 2, min: 1, max: maxNodes, describe: "Number of nodes: node-1, node-2 …" }),
  serviceCidr: option.cidr({ default: "127.96.0.0/16", describe: "Range of cluster IPs" }),
  podCidr: option.cidr({ default: "127.244.0.0/16", describe: "Range of pod addresses, a part of it for each node" }),
  nodeCidr: option.cidr({ default: "127.64.0.0/24", describe: "Range of node addresses: node-1 has the first one" }),
  lbPool: option.cidr({ default: "127.200.0.0/24", describe: "Range of load balancer addresses" }),
  apiPort: option.port({ default: 6443, describe: "Port of the Kubernetes API on 127.0.0.1; 0 takes a free one" }),
  advertiseAddress: option.ip({
    default: "127.0.0.1",
    describe: "Address of this machine where pods reach the API, which listens there as well",
  }),
  networkNamespaces: option.path({
    optional: true,
    describe:
      "How the path of every network namespace begins: <this><node> are there already, each pod gets its own at <this><address>; absent means that all share the machine's network",
  }),
  nodePortRange: option.string({ default: "30000-32767", describe: "First and last node port" }),
  images: option.path({
    default: "examples/images.yaml",
    describe: "Image table: what runs in place of each image (see the node agent)",
  }),
  clusterDns: option.list({
    optional: true,
    item: (text: string) => ipAddress(text, "clusterDns"),
    describe: "Addresses of the cluster's name server, for the pods' resolv.conf",
  }),
  clusterDomain: option.string({ default: "cluster.local", describe: "DNS name of the cluster" }),
};

const options = defineOptions("devcluster", table);

// For whoever makes the networks that the nodes are in.
export { nodeSubnet } from "./node-agent/address-pool.ts";

/** First and last port of a range. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What the dev cluster is told; see each option's description. */
export type DevclusterConfig = Omit<OptionValues<typeof table>, "nodePortRange" | "clusterDns"> & {
  readonly clusterDns?: readonly IpAddress[] | undefined;
  readonly nodePortRange: PortRange;
};

/** Reads every option; throws `ConfigError` with everything that is wrong. */
export function readDevclusterConfig(sources: ConfigSources): DevclusterConfig {
  const values = options.read(sources);
  const nodePortRange = readPortRange(values.nodePortRange);
  const issues: ConfigIssue[] = overlaps(values);
  if (!nodePortRange) {
    const reason = `must be two ports such as 30000-32767, the smaller one first, not ${JSON.stringify(values.nodePortRange)}`;
    issues.push({ field: "nodePortRange", source: "--node-port-range", reason });
  }
  if (!nodePortRange || issues.length > 0) throw new ConfigError("devcluster", issues);
  return { ...values, nodePortRange };
}

function readPortRange(text: string): PortRange | undefined {
  const [, first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  return range.first >= 1 && range.first <= range.last && range.last <= 65_535 ? range : undefined;
}

/** An address must say what it belongs to, so no range may lie in another. */
function overlaps(values: Readonly<Record<"serviceCidr" | "podCidr" | "nodeCidr" | "lbPool", Cidr>>): ConfigIssue[] {
  const { serviceCidr, podCidr, nodeCidr, lbPool } = values;
  const ranges = Object.entries({ serviceCidr, podCidr, nodeCidr, lbPool });
  return ranges.flatMap(([field, range], index) =>
    ranges
      .slice(0, index)
      .filter(([, other]) => overlap(range, other))
      .map(([name, other]) => ({
        field,
        source: "the options together",
        reason: `${range} overlaps ${name} ${other}`,
      })),
  );
}

function overlap(one: Cidr, other: Cidr): boolean {
  const [a, b] = [cidrParts(one), cidrParts(other)];
  return a.family === b.family && a.first < b.first + b.size && b.first < a.first + a.size;
}
