/** Options of the endpoint-controller. */
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
  natsUrl: option.string({ optional: true, describe: "NATS servers, comma separated: nats://host:4222" }),
  natsBucket: option.string({ default: "fairlead", describe: "bucket of the feed, one a cluster" }),
  podFeed: option.choice({
    values: ["on", "off"],
    default: "on",
    describe: "publish pods on a feed of their own, bucket <natsBucket>-pods, for who follows it",
  }),
  natsReplicas: option.integer({ default: 1, min: 1, max: 5, describe: "copies of the bucket in a NATS cluster" }),
  natsUser: option.string({ optional: true, describe: "user name for NATS" }),
  natsPassword: option.string({ optional: true, secret: true, describe: "password for NATS" }),
  natsCredentials: option.path({ optional: true, describe: "credentials file for NATS (JWT and nkey)" }),
  natsCa: option.path({ optional: true, describe: "CA certificate of the NATS servers" }),
  natsCert: option.path({ optional: true, describe: "client certificate for NATS" }),
  natsKey: option.path({ optional: true, describe: "key of the client certificate" }),
});

/** See {@link readEndpointControllerConfig}. */
export type EndpointControllerConfig = ReturnType<typeof options.read>;

/** Reads flags, environment and file; throws ConfigError with everything that is wrong. */
export function readEndpointControllerConfig(sources: ConfigSources): EndpointControllerConfig {
  return options.read(sources);
}
