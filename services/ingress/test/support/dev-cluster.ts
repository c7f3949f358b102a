/** The real dev cluster, as a process. By path: a service does not depend on another. */
import { fileURLToPath } from "node:url";
import { freePort, launch, temporaryDirectory } from "@fairlead/testkit";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** A running dev cluster with a state directory and address ranges of its own. */
export interface DevCluster extends AsyncDisposable {
  readonly kubeconfig: string;
}

export async function startDevCluster(): Promise<DevCluster> {
  const directory = await temporaryDirectory();
  try {
    const running = await launch({
      command: process.execPath,
      args: [
        "services/devcluster/src/main.ts",
        `--state-dir=${directory.path}`,
        `--api-port=${await freePort()}`,
        "--images=examples/images.yaml",
        "--health-address=127.0.0.1:0",
        "--node-cidr=127.67.0.0/24",
        "--pod-cidr=127.247.0.0/16",
        "--service-cidr=127.99.0.0/16",
      ],
      cwd: root,
      ready: /"message":"started"/,
      readyTimeoutMs: 45_000,
    });
    return {
      kubeconfig: `${directory.path}/kubeconfig`,
      async [Symbol.asyncDispose]() {
        await running.stop();
        await directory.remove();
      },
    };
  } catch (error) {
    await directory.remove();
    throw error;
  }
}
