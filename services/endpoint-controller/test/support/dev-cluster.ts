/** The real dev cluster, as a process. By path: services do not import each other. */
import { fileURLToPath } from "node:url";
import { freePort, launch, temporaryDirectory } from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** A running dev cluster with a state directory of its own. */
export interface DevCluster extends AsyncDisposable {
  readonly kubeconfig: string;
  /** Kills it at once and starts it again on the same port, with the same state. */
  restart(): Promise<void>;
}

/** Starts one. */
export async function startDevCluster(): Promise<DevCluster> {
  const directory = await temporaryDirectory();
  const port = await freePort();
  const start = (): Promise<Launched> =>
    launch({
      command: process.execPath,
      args: [
        "services/devcluster/src/main.ts",
        `--state-dir=${directory.path}`,
        `--api-port=${port}`,
        "--images=examples/images.yaml",
        "--health-address=127.0.0.1:0",
      ],
      cwd: root,
      ready: /"message":"started"/,
      readyTimeoutMs: 45_000,
    });
  let running: Launched;
  try {
    running = await start();
  } catch (error) {
    await directory.remove();
    throw error;
  }
  return {
    kubeconfig: `${directory.path}/kubeconfig`,
    async restart() {
      running.signal("SIGKILL");
      await running.stop();
      running = await start();
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
      await directory.remove();
    },
  };
}
