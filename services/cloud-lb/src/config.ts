/** Options of cloud-lb. */
import { commonOptions, ConfigError, defineOptions, option } from "@fairlead/host";
import type { ConfigSources } from "@fairlead/host";

const options = defineOptions("cloud-lb", {
  ...commonOptions({ healthAddress: "0.0.0.0:10258" }),
  kubeconfig: option.path({ optional: true, describe: "kubeconfig; without one the Pod's service account" }),
  provider: option.choice({
    values: ["none", "pool"],
    default: "none",
    describe: "who gives addresses; with none a LoadBalancer Service is a NodePort one",
  }),
  pools: option.path({ optional: true, describe: "YAML file of address pools, for the provider pool" }),
  poolRange: option.cidr({ optional: true, describe: "a single pool of this range, instead of a file" }),
  loadBalancerClass: option.string({
    optional: true,
    describe: "serve only Services of this class; without it those without a class, and fairlead.dev/cloud-lb",
  }),
  leaseNamespace: option.string({ default: "kube-system", describe: "namespace of the lease of the leading process" }),
  leaseName: option.string({ default: "fairlead-cloud-lb", describe: "name of that lease, one for each class" }),
});

/** See {@link readCloudLbConfig}. */
export type CloudLbConfig = ReturnType<typeof options.read>;

/** Reads flags, environment and file; throws ConfigError with everything that is wrong. */
export function readCloudLbConfig(sources: ConfigSources): CloudLbConfig {
  const config = options.read(sources);
  const { provider, pools, poolRange } = config;
  if (provider === "pool" && (pools === undefined) === (poolRange === undefined)) {
    throw new ConfigError("cloud-lb", [
      { field: "pools", source: "nowhere", reason: "provider pool needs either --pools FILE or --pool-range RANGE" },
    ]);
  }
  return config;
}
