/** The options of `fairlead dev`: names, defaults, and what does not go together. */
import { ConfigError, defineOptions, option } from "@fairlead/host";
import type { ConfigIssue, ConfigSources, OptionValues } from "@fairlead/host";
import { InvalidInputError } from "@fairlead/types";
import { defaultRanges, defaultRangeText, planes, planIssues } from "./address-plan.ts";
import type { AddressPlan, Ranges } from "./address-plan.ts";

/** Nodes at most: every one has a proxy agent, with `--distributed` a process. */
const maxNodes = 16;

const range = (field: keyof Ranges, describe: string) =>
  option.cidr({ optional: true, describe: `${describe}; default: ${defaultRangeText(field)}` });

const table = {
  stateDir: option.path({ default: ".fairlead", describe: "Folder of everything that outlives a stop" }),
  nodes: option.integer({ default: 2, min: 1, max: maxNodes, describe: `Number of nodes, up to ${maxNodes}` }),
  serviceCidr: range("serviceCidr", "Range of cluster IPs"),
  podCidr: range("podCidr", "Range of pod addresses, a /24 of it for each node"),
  nodeCidr: range("nodeCidr", "Range of node addresses; node-1 has the first"),
  lbPool: range("lbPool", "Range of load balancer addresses"),
  dnsPort: option.port({
    optional: true,
    describe:
      "Port of the cluster's DNS, 0 takes a free one; default: 53, or 1053 where 53 may not be bound or is taken",
  }),
  resolvConf: option.path({
    default: "/etc/resolv.conf",
    describe: "Where the cluster's DNS finds the servers for names that are not the cluster's",
  }),
  httpPort: option.port({
    optional: true,
    describe:
      "Port of the ingress for HTTP on 127.0.0.1, 0 takes a free one; default: 8080, or a free one where that is taken",
  }),
  httpsPort: option.port({
    optional: true,
    describe:
      "Port of the ingress for HTTPS on 127.0.0.1, 0 takes a free one; default: 8443, or a free one where that is taken",
  }),
  apiPort: option.port({ default: 6443, describe: "Port of the Kubernetes API on 127.0.0.1; 0 takes a free one" }),
  plane: option.choice({
    values: planes,
    default: "userspace",
    describe: "What carries the traffic; nftables and ipvs give each node and pod a network of its own, and need root",
  }),
  distributed: option.boolean({ default: false, describe: "One process a service, over a real nats-server" }),
  natsUrl: option.custom({
    kind: "nats://HOST:PORT",
    optional: true,
    describe:
      "With --distributed: use this nats-server instead of one of our own; FAIRLEAD_NATS_USER and the like apply",
    read: natsUrl,
  }),
  images: option.path({ optional: true, describe: "Image table; default: examples/images.yaml of the repository" }),
  log: option.choice({ values: ["text", "json"], default: "text", describe: "Text for people, JSON for machines" }),
};

const command = "fairlead dev";
const options = defineOptions(command, table);

/** The options as read, checked against each other. */
export type DevOptions = Omit<OptionValues<typeof table>, keyof Ranges> & Ranges;

/** Reads the options; throws ConfigError with everything that is wrong, or HelpRequested. */
export function readDevOptions(sources: ConfigSources): DevOptions {
  const read = withRanges(options.read(sources));
  const issues: ConfigIssue[] = [...planIssues(planOf(read))];
  if (read.natsUrl !== undefined && !read.distributed) {
    issues.push({
      field: "natsUrl",
      source: "the options together",
      reason: "goes with --distributed: a stack in one process needs no bus",
    });
  }
  const { apiPort, httpPort, httpsPort } = read;
  const ports = Object.entries({ apiPort, httpPort, httpsPort }).filter(([, port]) => port !== undefined && port !== 0);
  for (const [index, [field, port]] of ports.entries()) {
    const other = ports.slice(0, index).find(([, taken]) => taken === port)?.[0];
    if (other === undefined) continue;
    issues.push({ field, source: "the options together", reason: `${port} is ${other} already, on the same address` });
  }
  if (issues.length > 0) throw new ConfigError(command, issues);
  return read;
}

/** Whether JSON was asked for, told from the raw sources: for what is wrong with the options themselves. */
export function wantsJson({ argv, env }: ConfigSources): boolean {
  const at = argv.lastIndexOf("--log");
  const flag = argv.findLast((word) => word.startsWith("--log="))?.slice("--log=".length);
  return (flag ?? (at === -1 ? env["FAIRLEAD_LOG"] : argv[at + 1])) === "json";
}

/** Ranges that nobody asked for are those of the plane. */
function withRanges(read: OptionValues<typeof table>): DevOptions {
  const usual = defaultRanges(read.plane);
  const { serviceCidr = usual.serviceCidr, podCidr = usual.podCidr } = read;
  const { nodeCidr = usual.nodeCidr, lbPool = usual.lbPool } = read;
  return { ...read, serviceCidr, podCidr, nodeCidr, lbPool };
}

function planOf({ nodes, plane, serviceCidr, podCidr, nodeCidr, lbPool }: DevOptions): AddressPlan {
  return { nodes, plane, serviceCidr, podCidr, nodeCidr, lbPool };
}

function natsUrl(text: string): string {
  if (!text.split(",").every((url) => /^(?:nats|tls):\/\/[^\s/]+$/.test(url))) {
    throw new InvalidInputError("", "must be nats://HOST:PORT or tls://HOST:PORT, several separated by commas");
  }
  return text;
}
