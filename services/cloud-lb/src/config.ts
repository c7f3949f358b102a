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

/** As the API wants a class: a name, with a domain before it if need be. */
const classPattern = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
/** As the API wants names of namespaces and Leases. */
const namePattern = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Reads flags, environment and file; throws ConfigError with everything that is wrong. */
export function readCloudLbConfig(sources: ConfigSources): CloudLbConfig {
  const config = options.read(sources);
  const { provider, pools, poolRange, loadBalancerClass, leaseNamespace, leaseName } = config;
  const issues: { field: string; source: string; reason: string }[] = [];
  if (provider === "pool" && (pools === undefined) === (poolRange === undefined)) {
    const reason = "provider pool needs either --pools FILE or --pool-range RANGE";
    issues.push({ field: "pools", source: pools === undefined ? "nowhere" : "two places", reason });
  }
  if (loadBalancerClass !== undefined && !classPattern.test(loadBalancerClass)) {
    const reason = "must be a name such as example.org/cloud: no Service can have this class";
    issues.push({ field: "loadBalancerClass", source: loadBalancerClass, reason });
  }
  for (const [field, name] of Object.entries({ leaseNamespace, leaseName })) {
    if (!namePattern.test(name)) issues.push({ field, source: name, reason: "must be a name of lower case letters" });
  }
  if (issues.length > 0) throw new ConfigError("cloud-lb", issues);
  return config;
}
