/** The options of dns. */
import { busOptions } from "@fairlead/bus/options";
import { commonOptions, ConfigError, defineOptions, option, splitHostPort } from "@fairlead/host";
import type { ConfigIssue, ConfigSources, OptionValues } from "@fairlead/host";
import { InvalidInputError } from "@fairlead/types";
import { forwardPolicies } from "./forward/policy.ts";
import { MAX_UPSTREAMS } from "./forward/forwarder.ts";
import { serverAddress, stubDomain } from "./forward/server-address.ts";
import { parseName } from "./wire/name.ts";
import { WireError } from "./wire/wire-error.ts";
import { podRecordModes } from "./zone/pods.ts";

/** TTL at most, in seconds: CoreDNS' bound. */
const maxTtlSeconds = 3_600;

/** Longest lame duck time, in ms: a process that is told to stop has 5 s in all. */
export const MAX_LAMEDUCK_MS = 4_000;

/** Every option; names, defaults and meaning are in the README too. */
export const dnsOptions = defineOptions("dns", table());

function table() {
  return {
    listen: option.list({
      default: ["127.0.0.1:53"],
      item: (text: string) => {
        splitHostPort(text, "listen");
        return text;
      },
      describe: "Addresses to answer at, UDP and TCP; port 0 takes a free one",
    }),
    clusterDomain: option.custom({
      kind: "name",
      default: "cluster.local",
      read: domainName,
      describe: "DNS name of the cluster",
    }),
    ttl: option.integer({
      default: 5,
      min: 0,
      max: maxTtlSeconds,
      describe: "TTL of the cluster's records, in seconds",
    }),
    podRecords: option.choice({
      values: podRecordModes,
      default: "disabled",
      describe: "Names of pods by address (CoreDNS: pods)",
    }),
    endpointPodNames: option.boolean({
      default: false,
      describe: "Endpoints without a host name go by their pod's name, not by their address",
    }),
    ignoreEmptyServices: option.boolean({
      default: false,
      describe:
        "A Service with a cluster IP but without a ready endpoint does not exist (CoreDNS: ignore empty_service)",
    }),
    upstreams: option.list({
      optional: true,
      item: (text: string) => serverAddress(text, "upstreams"),
      describe: `Servers for all other names, ${MAX_UPSTREAMS} at most; absent means those of resolvConf`,
    }),
    resolvConf: option.path({ default: "/etc/resolv.conf", describe: "Where upstreams come from if none are given" }),
    stubDomains: option.list({
      default: [],
      item: (text: string) => stubDomain(text, "stubDomains"),
      describe: "Zones with servers of their own: zone=address|address",
    }),
    forwardPolicy: option.choice({
      values: forwardPolicies,
      default: "random",
      describe: "Order in which upstreams are asked",
    }),
    forwardTimeout: option.duration({
      default: "2s",
      describe: "Time for an upstream to answer before the next is asked",
    }),
    forceTcp: option.boolean({ default: false, describe: "Ask upstreams over TCP only" }),
    ...busOptions(),
    feedCopy: option.path({ optional: true, describe: "Where the last state is kept for a start without the bus" }),
    ...commonOptions({ healthAddress: "127.0.0.1:8080" }),
    readyAddress: optionalAddress("127.0.0.1:8181", "Where /readyz answers besides healthAddress; none for nowhere"),
    lameduck: option.duration({
      default: "0s",
      describe: "How long it still answers, no longer ready, once it is told to stop; 4s at most",
    }),
    metricsAddress: optionalAddress("127.0.0.1:9153", "Where /metrics answers besides healthAddress; none for nowhere"),
  };
}

function optionalAddress(address: string, describe: string) {
  return option.custom<string | undefined>({
    kind: "host:port|none",
    default: address,
    describe,
    read(text) {
      if (text === "none") return undefined;
      splitHostPort(text, "");
      return text;
    },
  });
}

/** The configuration as read. */
export type DnsConfig = OptionValues<ReturnType<typeof table>>;

/** Reads and checks everything; throws a ConfigError that lists every mistake. */
export function readDnsConfig(sources: ConfigSources): DnsConfig {
  const values = dnsOptions.read(sources);
  const issues: ConfigIssue[] = [];
  if (values.listen.length === 0) issues.push({ field: "listen", source: "--listen", reason: "must name an address" });
  if (values.lameduck > MAX_LAMEDUCK_MS) {
    const reason = `must be ${MAX_LAMEDUCK_MS / 1_000}s at most: a process has 5 s to stop`;
    issues.push({ field: "lameduck", source: "--lameduck", reason });
  }
  if (issues.length > 0) throw new ConfigError("dns", issues);
  return values;
}

function domainName(text: string): string {
  try {
    if (parseName(text).length > 0) return text;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
  }
  throw new InvalidInputError("", `must be a domain name such as cluster.local, not ${JSON.stringify(text)}`);
}
