/** The options of the ingress. */
import { busOptions } from "@fairlead/bus/options";
import { commonOptions, defineOptions, option } from "@fairlead/host";
import type { ConfigSources, OptionValues } from "@fairlead/host";
import { cidr, InvalidInputError, isDnsLabel, isDnsSubdomain, schedulerNames } from "@fairlead/types";

/** Every option; names, defaults and meaning are in the README too. */
export const ingressOptions = defineOptions("ingress", table());

function table() {
  return {
    kubeconfig: option.path({ optional: true, describe: "The API server; absent inside a cluster" }),
    ingressClass: option.string({
      default: "fairlead",
      describe: "Class that the annotation kubernetes.io/ingress.class may name",
    }),
    controllerName: option.string({
      default: "fairlead.dev/ingress",
      describe: "spec.controller of the IngressClasses that are served",
    }),
    httpAddress: option.address({ default: "0.0.0.0:80", describe: "Where HTTP is served" }),
    httpsAddress: option.address({ default: "0.0.0.0:443", describe: "Where HTTPS is served" }),
    tcpServicesConfigmap: option.custom({
      kind: "namespace/name",
      read: objectReference,
      optional: true,
      describe: "ConfigMap of ports to serve over TCP",
    }),
    udpServicesConfigmap: option.custom({
      kind: "namespace/name",
      read: objectReference,
      optional: true,
      describe: "ConfigMap of ports to serve over UDP",
    }),
    tcpAddress: option.ip({ default: "0.0.0.0", describe: "Where the ports of tcp-services are served" }),
    udpAddress: option.ip({ default: "0.0.0.0", describe: "Where the ports of udp-services are served" }),
    udpTimeout: option.duration({ default: "60s", describe: "Silence after which a UDP flow ends" }),
    publicHttpsPort: option.port({
      optional: true,
      describe: "Port in redirects to https; else the one that is bound",
    }),
    publishAddress: option.list({ default: [], describe: "Addresses or names to write into the status of Ingresses" }),
    updateStatusOnShutdown: option.boolean({
      default: true,
      describe: "The last replica takes the status of Ingresses back when it stops",
    }),
    leaseNamespace: option.string({
      default: "kube-system",
      describe: "Namespace of the Lease of who writes the status",
    }),
    leaseName: option.string({ default: "fairlead-ingress", describe: "Its name; another one for each class" }),
    podNamespace: option.string({ optional: true, describe: "Namespace of the pod that this process runs in" }),
    podName: option.string({ optional: true, describe: "Its name; by its labels other replicas are known" }),
    ...busOptions(),
    feedCopy: option.path({ optional: true, describe: "Where the last state is kept for a start without the bus" }),
    scheduler: option.choice({
      values: schedulerNames,
      default: "rr",
      describe: "Balancing where no annotation says otherwise",
    }),
    connectTimeout: option.duration({ default: "5s", describe: "Time for an endpoint to accept" }),
    readTimeout: option.duration({ default: "60s", describe: "Silence of an endpoint after which a request fails" }),
    sendTimeout: option.duration({ default: "60s", describe: "Time without progress while a body is sent" }),
    maxBodyBytes: option.integer({ default: 1_048_576, min: 0, describe: "Longest body of a request; 0 means any" }),
    sslRedirect: option.boolean({ default: true, describe: "Plain requests for a host with TLS are sent to https" }),
    trustedProxies: option.list({
      default: [],
      item: (text: string) => cidr(text, "trustedProxies"),
      describe: "Ranges whose X-Forwarded-* and Forwarded are believed",
    }),
    drainTimeout: option.duration({ default: "3s", describe: "Time for requests under way when the ingress stops" }),
    ...commonOptions({ healthAddress: "0.0.0.0:10254" }),
  };
}

/** Reads `namespace/name`. */
function objectReference(text: string): { readonly namespace: string; readonly name: string } {
  const [namespace = "", name = "", ...more] = text.split("/");
  if (more.length === 0 && isDnsLabel(namespace) && isDnsSubdomain(name)) return { namespace, name };
  throw new InvalidInputError("", `must be <namespace>/<name>, not ${JSON.stringify(text)}`);
}

/** The configuration as read. */
export type IngressConfig = OptionValues<ReturnType<typeof table>>;

/** Reads and checks everything; throws a ConfigError that lists every mistake. */
export function readIngressConfig(sources: ConfigSources): IngressConfig {
  return ingressOptions.read(sources);
}
