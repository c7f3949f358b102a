/** A way to the API server from a kubeconfig or from inside a cluster, with every kind of credential that the client library knows. */
import { existsSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";
import type { Clock } from "@fairlead/types";
import { InvalidInputError } from "@fairlead/types";
import { KubeClient } from "./client.ts";
import { serviceAccount } from "./kubeconfig-file.ts";
import { ApiTransport } from "./transport.ts";
import type { Credentials } from "./transport.ts";

/** What the client library takes where there is no configuration at all. */
const libraryFallback = "http://localhost:8080";

/**
 * Connects with the kubeconfig file given, else with the Pod's service account, else as kubectl would (KUBECONFIG, ~/.kube/config).
 * Nothing is sent yet. Throws InvalidInputError where no server can be made out.
 */
export function connect(options: {
  readonly kubeconfig?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
}): KubeClient {
  const { kubeconfig, env = process.env, clock } = options;
  const config = new KubeConfig();
  try {
    if (kubeconfig !== undefined) config.loadFromFile(kubeconfig);
    else if (env["KUBERNETES_SERVICE_HOST"] !== undefined && existsSync(`${serviceAccount}/token`)) {
      config.loadFromCluster();
    } else config.loadFromDefault();
  } catch (cause) {
    throw new InvalidInputError("kubeconfig", cause instanceof Error ? cause.message : String(cause), { cause });
  }
  const server = config.getCurrentCluster()?.server;
  // The library falls back to a port that nothing serves any more; a missing file should be said, not tried.
  if (server === undefined || server === libraryFallback) {
    throw new InvalidInputError("kubeconfig", "is needed outside a cluster, with a current context that has a cluster");
  }
  if (!/^https?:$/.test(URL.parse(server)?.protocol ?? "")) {
    throw new InvalidInputError("kubeconfig", `${JSON.stringify(server)} is no URL of a server`);
  }
  const endpoint = {
    server,
    async authorize(request: Credentials): Promise<void> {
      await config.applyToHTTPSOptions(request);
      // The library's agent is kept only where it leads through a proxy: ours bounds and reuses connections.
      if (config.getCurrentCluster()?.proxyUrl === undefined) delete request.agent;
    },
  };
  return new KubeClient({ transport: new ApiTransport({ endpoint, clock }) });
}
