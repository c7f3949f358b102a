/** A way to the API server from a kubeconfig or from inside a cluster, with every kind of credential that the client library knows. */
import { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "@fairlead/types";
import { InvalidInputError } from "@fairlead/types";
import { KubeClient } from "./client.ts";
import { ApiTransport } from "./transport.ts";
import type { Credentials } from "./transport.ts";

/**
 * Connects with the kubeconfig file given, else with the Pod's service account, else as kubectl would (KUBECONFIG, ~/.kube/config).
 * Nothing is sent yet. Throws InvalidInputError where no server can be made out.
 */
export function connect(options: { readonly kubeconfig?: string; readonly clock: Clock }): KubeClient {
  const config = new KubeConfig();
  try {
    if (options.kubeconfig !== undefined) config.loadFromFile(options.kubeconfig);
    else config.loadFromDefault();
  } catch (cause) {
    throw new InvalidInputError("kubeconfig", cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const server = config.getCurrentCluster()?.server;
  if (server === undefined) throw new InvalidInputError("kubeconfig", "has no current context with a cluster");
  const endpoint = {
    server,
    async authorize(request: Credentials): Promise<void> {
      await config.applyToHTTPSOptions(request);
      // The library's agent is kept only where it leads through a proxy: ours bounds and reuses connections.
      if (config.getCurrentCluster()?.proxyUrl === undefined) delete request.agent;
    },
  };
  return new KubeClient({ transport: new ApiTransport({ endpoint, clock: options.clock }) });
}
