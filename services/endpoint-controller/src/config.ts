/** Options of the endpoint-controller. */
import { busOptions } from "@fairlead/bus/options";
import { commonOptions, defineOptions, option } from "@fairlead/host";
import type { ConfigSources } from "@fairlead/host";

const options = defineOptions("endpoint-controller", {
  ...commonOptions({ healthAddress: "0.0.0.0:10257" }),
  kubeconfig: option.path({ optional: true, describe: "kubeconfig; without one the Pod's service account" }),
  mode: option.choice({
    values: ["full", "publish"],
    default: "full",
    describe: "full writes EndpointSlices and Endpoints; publish leaves that to the cluster's own controllers",
  }),
  ...busOptions(),
  podFeed: option.choice({
    values: ["on", "off"],
    default: "on",
    describe: "publish pods on a feed of their own, bucket <natsBucket>-pods, for who follows it",
  }),
  natsReplicas: option.integer({ default: 1, min: 1, max: 5, describe: "copies of the bucket in a NATS cluster" }),
});

/** See {@link readEndpointControllerConfig}. */
export type EndpointControllerConfig = ReturnType<typeof options.read>;

/** Reads flags, environment and file; throws ConfigError with everything that is wrong. */
export function readEndpointControllerConfig(sources: ConfigSources): EndpointControllerConfig {
  return options.read(sources);
}
