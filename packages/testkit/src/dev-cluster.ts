/** The real dev cluster, as a process. Started by its path: a package does not depend on a service. */
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.ts";
import { launch, type Launched } from "./launch.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Time a service has to start, in ms: several suites share the machine. */
const SERVICE_READY_TIMEOUT_MS = 45_000;

/** A running dev cluster with a state directory of its own. */
export interface DevCluster extends AsyncDisposable {
  readonly kubeconfig: string;
  /** Ends it with SIGTERM, or at once with SIGKILL, and starts it again on the same port, with the same state. */
  restart(signal: "SIGTERM" | "SIGKILL"): Promise<void>;
}

/** Starts one; `flags` are put after its own, for example address ranges that do not meet those of other suites. */
export async function startDevCluster(...flags: string[]): Promise<DevCluster> {
  const directory = await temporaryDirectory();
  const port = await freePort();
  const start = (): Promise<Launched> =>
    launchService(
      "devcluster",
      `--state-dir=${directory.path}`,
      `--api-port=${port}`,
      "--images=examples/images.yaml",
      ...flags,
    );
  let running: Launched;
  try {
    running = await start();
  } catch (error) {
    await directory.remove();
    throw error;
  }
  return {
    kubeconfig: `${directory.path}/kubeconfig`,
    async restart(signal) {
      if (signal === "SIGKILL") running.signal(signal);
      await running.stop();
      running = await start();
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
      await directory.remove();
    },
  };
}

/** Starts a service by its `main.ts` with these flags, its health port a free one, and waits until it says that it has started. */
export function launchService(service: string, ...flags: string[]): Promise<Launched> {
  return launch({
    command: process.execPath,
    args: [`services/${service}/src/main.ts`, "--health-address=127.0.0.1:0", ...flags],
    cwd: root,
    ready: /"message":"started"/,
    readyTimeoutMs: SERVICE_READY_TIMEOUT_MS,
  });
}
