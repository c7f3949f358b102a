/** The real dev cluster and the real cloud-lb, as processes. By path: a service does not depend on another. */
import { fileURLToPath } from "node:url";
import { freePort, launch, temporaryDirectory } from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** A running dev cluster with a state directory of its own. */
export interface DevCluster extends AsyncDisposable {
  readonly kubeconfig: string;
}

/** Starts one with address ranges of its own, so that it does not meet those of other suites. */
export async function startDevCluster(): Promise<DevCluster> {
  const directory = await temporaryDirectory();
  const stop = await launch({
    command: process.execPath,
    args: [
      "services/devcluster/src/main.ts",
      `--state-dir=${directory.path}`,
      `--api-port=${await freePort()}`,
      "--images=examples/images.yaml",
      "--health-address=127.0.0.1:0",
      "--service-cidr=127.97.0.0/16",
      "--pod-cidr=127.245.0.0/16",
      "--node-cidr=127.65.0.0/24",
    ],
    cwd: root,
    ready: /"message":"started"/,
    readyTimeoutMs: 45_000,
  }).catch(async (error: unknown) => {
    await directory.remove();
    throw error;
  });
  return {
    kubeconfig: `${directory.path}/kubeconfig`,
    async [Symbol.asyncDispose]() {
      await stop.stop();
      await directory.remove();
    },
  };
}

/** Starts cloud-lb with these further flags. */
export function startCloudLb(kubeconfig: string, ...flags: string[]): Promise<Launched> {
  return launch({
    command: process.execPath,
    args: ["services/cloud-lb/src/main.ts", `--kubeconfig=${kubeconfig}`, "--health-address=127.0.0.1:0", ...flags],
    cwd: root,
    ready: /"message":"started"/,
    readyTimeoutMs: 45_000,
  });
}
