/** The options of `fairlead dev`: names, defaults, and what does not go together. */
import { defineOptions, option } from "@fairlead/host";
import type { ConfigSources } from "@fairlead/host";
import { cidrContains, cidrParts, InvalidInputError, ipAddress, isLoopback } from "@fairlead/types";
import type { Cidr, IpAddress } from "@fairlead/types";

const table = defineOptions("fairlead dev", {
  stateDir: option.path({ default: ".fairlead", describe: "folder of everything that outlives a stop" }),
  nodes: option.integer({ default: 2, min: 1, max: 16, describe: "number of nodes" }),
  serviceCidr: option.cidr({ default: "127.96.0.0/16", describe: "range of cluster IPs" }),
  podCidr: option.cidr({ default: "127.244.0.0/16", describe: "range of pod addresses" }),
  nodeCidr: option.cidr({ default: "127.64.0.0/24", describe: "range of node addresses; node-1 has the first" }),
  lbPool: option.cidr({ default: "127.200.0.0/24", describe: "range of load balancer addresses" }),
  dnsPort: option.port({ default: 53, describe: "port of the cluster's DNS" }),
  httpPort: option.port({ default: 8080, describe: "port of the ingress for HTTP" }),
  httpsPort: option.port({ default: 8443, describe: "port of the ingress for HTTPS" }),
  apiPort: option.port({ default: 6443, describe: "port of the Kubernetes API" }),
  plane: option.choice({
    values: ["userspace", "nftables", "ipvs"],
    default: "userspace",
    describe: "what carries the traffic",
  }),
  distributed: option.boolean({ default: false, describe: "one process a service, over a real nats-server" }),
  natsUrl: option.string({
    optional: true,
    describe: "with --distributed: use this nats-server instead of an own one",
  }),
  images: option.path({ optional: true, describe: "image table; default: examples/images.yaml of the repository" }),
  log: option.choice({ values: ["text", "json"], default: "text", describe: "text for people, json for machines" }),
});

/** Where the API listens. */
export const apiAddress: IpAddress = ipAddress("127.0.0.1");

/** Read options, checked against each other. */
export type DevOptions = ReturnType<typeof readDevOptions>;

/** Reads the options; throws ConfigError or InvalidInputError naming the option. */
export function readDevOptions(sources: ConfigSources) {
  const read = table.read(sources);
  const ranges = {
    "--service-cidr": read.serviceCidr,
    "--pod-cidr": read.podCidr,
    "--lb-pool": read.lbPool,
    "--node-cidr": read.nodeCidr,
  };
  for (const [name, range] of Object.entries(ranges)) {
    const { family } = cidrParts(range);
    if (family !== "IPv4") throw new InvalidInputError(name, `must be an IPv4 range, not ${range}`);
    if (!isLoopback(ipAddress(range.split("/")[0] ?? ""))) {
      throw new InvalidInputError(
        name,
        `must lie in 127.0.0.0/8 with the userspace plane, which can listen on no other address; not ${range}`,
      );
    }
    if (cidrContains(range, apiAddress))
      throw new InvalidInputError(name, `${range} holds ${apiAddress}, where the API listens`);
    const other = Object.entries(ranges).find(
      ([otherName, otherRange]) => otherName !== name && overlap(range, otherRange),
    );
    if (other) throw new InvalidInputError(name, `${range} overlaps ${other[0]} (${other[1]})`);
  }
  if (read.plane !== "userspace") {
    throw new InvalidInputError("--plane", `${read.plane} is not part of this version: userspace is`);
  }
  if (read.natsUrl !== undefined && !read.distributed) {
    throw new InvalidInputError("--nats-url", "goes with --distributed: one process needs no bus");
  }
  return read;
}

function overlap(a: Cidr, b: Cidr): boolean {
  const first = cidrParts(a);
  const second = cidrParts(b);
  return (
    first.family === second.family &&
    first.first < second.first + second.size &&
    second.first < first.first + first.size
  );
}
