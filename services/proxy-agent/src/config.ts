/** The options of the proxy agent. */
import { busOptions } from "@fairlead/bus/options";
import { commonOptions, defineOptions, option } from "@fairlead/host";
import type { ConfigSources, OptionValues } from "@fairlead/host";
import { cidr, nodeName, schedulerNames } from "@fairlead/types";

/** Every option; names, defaults and meaning are in the README too. */
export const proxyAgentOptions = defineOptions("proxy-agent", table());

function table() {
  return {
    nodeName: option.string({ describe: "Name of the Node object that this agent serves" }),
    plane: option.choice({ values: ["userspace"], default: "userspace", describe: "How traffic is led to endpoints" }),
    ...busOptions(),
    kubeconfig: option.path({
      optional: true,
      describe: "For Events on Services; absent means that they are only logged",
    }),
    scheduler: option.choice({
      values: schedulerNames,
      default: "rr",
      describe: "Balancing for Services without the annotation fairlead.dev/scheduler",
    }),
    serviceProxyName: option.string({
      optional: true,
      describe: "Serve only Services whose label service.kubernetes.io/service-proxy-name is this",
    }),
    feedCopy: option.path({ optional: true, describe: "Where the last state is kept for a start without the bus" }),
    sharedHost: option.boolean({
      default: true,
      describe: "Several nodes share this machine: one of them holds each cluster-wide address",
    }),
    nodePortAddresses: option.list({
      default: [],
      item: (text: string) => cidr(text, "nodePortAddresses"),
      describe: "Ranges of addresses to serve NodePorts at; empty means the node's own addresses",
    }),
    connectTimeout: option.duration({
      default: "2s",
      describe: "Time for an endpoint to accept before another is tried",
    }),
    udpTimeout: option.duration({ default: "60s", describe: "Silence after which a UDP flow ends" }),
    ...commonOptions({ healthAddress: "127.0.0.1:10256" }),
  };
}

/** The configuration as read. */
export type ProxyAgentConfig = Omit<OptionValues<ReturnType<typeof table>>, "nodeName"> & {
  readonly nodeName: ReturnType<typeof nodeName>;
};

/** Reads and checks everything; throws a ConfigError that lists every mistake. */
export function readProxyAgentConfig(sources: ConfigSources): ProxyAgentConfig {
  const values = proxyAgentOptions.read(sources);
  return { ...values, nodeName: nodeName(values.nodeName) };
}
