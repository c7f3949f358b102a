/** A way to the API server from a kubeconfig or from inside a cluster. */
import type { Clock } from "@fairlead/types";
import { InvalidInputError } from "@fairlead/types";
import { KubeClient } from "./client.ts";
import { defaultKubeconfigs, endpointFromFiles, endpointInCluster } from "./kubeconfig-file.ts";
import { ApiTransport } from "./transport.ts";

/**
 * Connects with the kubeconfig file given, else with the Pod's service account, else as kubectl would (KUBECONFIG, ~/.kube/config).
 * Nothing is sent yet. Throws InvalidInputError where no server can be made out. Certificates and tokens are read here; any other
 * credential that kubectl knows loads the client library with the first request.
 */
export function connect(options: {
  readonly kubeconfig?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}): KubeClient {
  const { kubeconfig, env = process.env, clock } = options;
  const inCluster = kubeconfig === undefined ? endpointInCluster(env) : undefined;
  const paths = kubeconfig === undefined ? defaultKubeconfigs(env) : [kubeconfig];
  if (inCluster === undefined && paths.length === 0) {
    throw new InvalidInputError("kubeconfig", "is needed outside a cluster, with a current context that has a cluster");
  }
  const endpoint = inCluster ?? endpointFromFiles(paths);
  return new KubeClient({ transport: new ApiTransport({ endpoint, clock }) });
}
