/** The options of the proxy agent. */
import { hostname } from "node:os";
import { busOptions } from "@fairlead/bus/options";
import { commonOptions, defineOptions, option } from "@fairlead/host";
import type { ConfigSources, GivenValues, OptionValues } from "@fairlead/host";
import { cidr, nodeName, schedulerNames } from "@fairlead/types";
import { checkOptions, localTrafficOf } from "./config-checks.ts";
import type { ConntrackSettings } from "./conntrack-settings.ts";
import type { LocalTraffic } from "./kernel/kernel-plane-options.ts";
import { KubeProxyDialect } from "./kube-proxy-config.ts";
import { interfaceName, nodePortRange } from "./option-kinds.ts";

/** What may be asked for: a plane, or the best that the kernel carries. */
export const planeChoices = ["userspace", "nftables", "ipvs", "auto"] as const;
/** See {@link planeChoices}. */
export type PlaneChoice = (typeof planeChoices)[number];

/** Every option; names, defaults and meaning are in the README too. */
export const proxyAgentOptions = defineOptions("proxy-agent", table());

function table() {
  return {
    nodeName: option.custom({
      kind: "name",
      read: (text: string) => nodeName(text),
      describe: "Name of the Node object that this agent serves",
    }),
    plane: option.choice({
      values: planeChoices,
      default: "userspace",
      describe: "How traffic is led to endpoints; auto is nftables where the kernel takes it, else userspace",
    }),
    cleanup: option.boolean({ default: false, describe: "Remove what every plane made in the kernel, and exit" }),
    networkNamespace: option.path({
      optional: true,
      describe:
        "Network namespace in which the kernel is programmed, for example /run/netns/node-1; absent: this process' own",
    }),
    ...busOptions(),
    kubeconfig: option.path({
      optional: true,
      describe: "For Events on Services; absent means that they are only logged",
    }),
    scheduler: option.choice({
      values: schedulerNames,
      optional: true,
      describe:
        "Balancing for Services without the annotation fairlead.dev/scheduler; absent: random for nftables, else rr",
    }),
    serviceProxyName: option.string({
      optional: true,
      describe: "Serve only Services whose label service.kubernetes.io/service-proxy-name is this",
    }),
    feedCopy: option.path({ optional: true, describe: "Where the last state is kept for a start without the bus" }),
    sharedHost: option.boolean({
      optional: true,
      describe:
        "Several nodes share this machine and its addresses: one of them holds each cluster-wide address (default: with the plane userspace)",
    }),
    nodePortAddresses: option.list({
      default: [],
      item: nodePortRange,
      describe: "Addresses to serve NodePorts at: ranges, primary, all, localhost; empty means all of the Node object",
    }),
    connectTimeout: option.duration({
      default: "2s",
      describe: "userspace: time for an endpoint to accept before another is tried",
    }),
    udpTimeout: option.duration({ default: "60s", describe: "userspace: silence after which a UDP flow ends" }),
    ...kernelOptions(),
    ...ipvsOptions(),
    ...commonOptions({ healthAddress: "127.0.0.1:10256" }),
    metricsAddress: option.address({
      optional: true,
      describe: "Where /metrics and /proxyMode answer; absent: at the health address",
    }),
  };
}

function kernelOptions() {
  return {
    clusterCidr: option.list({
      default: [],
      item: (text: string) => cidr(text, "clusterCidr"),
      describe: "Ranges of the cluster's pods, for --detect-local cluster-cidr",
    }),
    detectLocal: option.choice({
      values: ["cluster-cidr", "node-cidr", "bridge-interface", "interface-name-prefix", "none"],
      optional: true,
      describe:
        "How traffic of pods is told, which is not masqueraded; absent: cluster-cidr where that is given, else none",
    }),
    bridgeInterface: option.custom({
      kind: "name",
      read: interfaceName,
      optional: true,
      describe: "Bridge of the pods, for --detect-local bridge-interface",
    }),
    interfaceNamePrefix: option.custom({
      kind: "prefix",
      read: interfaceName,
      optional: true,
      describe: "How interfaces of pods begin, for --detect-local interface-name-prefix",
    }),
    masqueradeAll: option.boolean({ default: false, describe: "Masquerade everything that goes to a cluster IP" }),
    masqueradeBit: option.integer({
      default: 14,
      min: 0,
      max: 31,
      describe: "Bit of the packet mark for masquerading",
    }),
    trafficCounters: option.boolean({
      default: true,
      describe: "Count connections, packets and bytes of every Service",
    }),
    verifyInterval: option.duration({
      default: "30s",
      describe: "Time between two comparisons of the kernel with what it should hold",
    }),
  };
}

function ipvsOptions() {
  return {
    ipvsInterface: option.custom({
      kind: "name",
      read: interfaceName,
      default: "fairlead-ipvs",
      describe: "ipvs: interface that holds the Services' addresses; made where there is none",
    }),
    strictArp: option.boolean({
      default: false,
      describe: "ipvs: answer ARP only for addresses of the interface asked",
    }),
    excludeCidrs: option.list({
      default: [],
      item: (text: string) => cidr(text, "excludeCidrs"),
      describe: "ipvs: ranges whose virtual services are somebody else's",
    }),
    ipvsTcpTimeout: option.duration({ default: "0", describe: "ipvs: of idle TCP connections; 0: the kernel's" }),
    ipvsTcpFinTimeout: option.duration({
      default: "0",
      describe: "ipvs: of TCP connections after a FIN; 0: the kernel's",
    }),
    ipvsUdpTimeout: option.duration({ default: "0", describe: "ipvs: of UDP flows; 0: the kernel's" }),
    drainTimeout: option.duration({
      default: "1h",
      describe: "ipvs: longest time that an endpoint which has left keeps its open connections; 0: none",
    }),
  };
}

type Values = OptionValues<ReturnType<typeof table>>;

/** The configuration as read. */
export type ProxyAgentConfig = Omit<Values, "sharedHost"> & {
  readonly sharedHost: boolean;
  readonly localTraffic: LocalTraffic;
  /** What kube-proxy's file asks of connection tracking. */
  readonly conntrack?: ConntrackSettings;
  /** Things to know about the configuration, for people; said once. */
  readonly notices: readonly string[];
};

/** Reads and checks everything; throws a ConfigError that lists every mistake. */
export function readProxyAgentConfig(sources: ConfigSources): ProxyAgentConfig {
  const dialect = new KubeProxyDialect({ hostName: hostname() });
  let given: GivenValues = new Map();
  const values = proxyAgentOptions.read(namedFor(sources), {
    dialect,
    check: (read, from) => {
      given = from;
      return checkOptions(read, from);
    },
  });
  const { conntrack } = dialect;
  return {
    ...values,
    sharedHost: values.sharedHost ?? values.plane === "userspace",
    localTraffic: localTrafficOf(values),
    ...(conntrack === undefined ? {} : { conntrack }),
    notices: [
      ...dialect.notices
        .filter(({ option: about }) => about === undefined || given.get(about)?.field !== undefined)
        .map(({ text }) => text),
      ...loopbackNotice(values),
    ],
  };
}

/** Cleaning up is of the machine, whatever its node is called, and not worth looking the name up. */
function namedFor(sources: ConfigSources): ConfigSources {
  const cleanup = sources.argv.includes("--cleanup") || sources.env["FAIRLEAD_CLEANUP"] === "true";
  return cleanup ? { ...sources, env: { FAIRLEAD_NODE_NAME: "cleanup", ...sources.env } } : sources;
}

function loopbackNotice({ plane, nodePortAddresses }: Values): readonly string[] {
  if (plane === "userspace" || !nodePortAddresses.includes("localhost")) return [];
  return [
    "nodePortAddresses: a plane in the kernel serves no node ports at loopback addresses, so localhost is left aside",
  ];
}
