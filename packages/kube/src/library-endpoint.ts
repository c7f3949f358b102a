/** Credentials that take the client library: it is loaded with the first request, so that whoever does without it stays small. */
import type { KubeConfig } from "@kubernetes/client-node";
import type { ApiEndpoint, Credentials } from "./transport.ts";

/** A server whose requests get their credentials from the library, which reads the kubeconfigs given by itself. */
export function libraryEndpoint(server: string, paths: readonly string[]): ApiEndpoint {
  let loading: Promise<KubeConfig> | undefined;
  return {
    server,
    async authorize(request: Credentials): Promise<void> {
      loading ??= load(paths);
      let config: KubeConfig;
      try {
        config = await loading;
      } catch (error) {
        // The next request tries anew: what was missing may have come.
        loading = undefined;
        throw error;
      }
      await config.applyToHTTPSOptions(request);
      // The library's agent is kept only where it leads through a proxy: ours bounds and reuses connections.
      if (config.getCurrentCluster()?.proxyUrl === undefined) delete request.agent;
    },
  };
}

async function load([first = "", ...others]: readonly string[]): Promise<KubeConfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromFile(first);
  for (const path of others) {
    const other = new KubeConfig();
    other.loadFromFile(path);
    config.mergeConfig(other, true);
  }
  return config;
}
