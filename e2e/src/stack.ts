/** Starts the real stack as a user would (`fairlead dev`), on an address plan of its own and a fresh state folder. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { freePort, launch } from "@fairlead/testkit";
import type { Exit, Launched } from "@fairlead/testkit";
import { loopbackPlan } from "./address-plan.ts";
import type { AddressPlan, Plane } from "./address-plan.ts";
import { kubectlFor } from "./kubectl.ts";
import type { Kubectl } from "./kubectl.ts";

export const repository: string = resolve(import.meta.dirname, "../..");

/** The two ways to run the stack. */
export const modes = ["embedded", "distributed"] as const;
export type Mode = (typeof modes)[number];

/** What `<state-dir>/dev.json` says. */
export interface DevFile {
  readonly kubeconfig: string;
  readonly api: string;
  readonly dns: { readonly address: string; readonly port: number };
  readonly ingress: { readonly http: string; readonly https: string };
  readonly plane: Plane;
  readonly nodes: readonly { readonly name: string; readonly address: string; readonly networkNamespace?: string }[];
  readonly metrics: Readonly<Record<string, string>>;
}

/** A running stack. */
export interface Stack {
  readonly mode: Mode;
  readonly stateDir: string;
  readonly plan: AddressPlan;
  readonly dev: DevFile;
  readonly process: Launched;
  readonly kubectl: Kubectl;
  /** SIGTERM to the launcher; settles with how it ended. The state folder stays. */
  terminate(): Promise<Exit>;
  /** SIGKILL to the launcher alone, as the kernel would; settles when it is gone. */
  kill(): Promise<void>;
  /** Ends what runs and removes the state folder. */
  dispose(): Promise<void>;
}

/** How to start it. */
export interface StackOptions {
  readonly mode: Mode;
  /** Goes on with this folder instead of a fresh one. */
  readonly stateDir?: string;
  readonly args?: readonly string[];
  /** Addresses of load balancers, if not those of the plan. */
  readonly lbPool?: string;
  /** Where it is not {@link loopbackPlan}. For a plane in the kernel this thread is in a network of its own. */
  readonly plan?: AddressPlan;
  /** Put before the command, for example to give up privileges. */
  readonly prefix?: readonly string[];
}

/** The launcher stops all within 5 s; killed before, it would leave a nats-server behind. In milliseconds. */
const stopMs = 8_000;

/** A fresh state folder. Short, since sockets and logs lie below it; outside the repository, as a user's may be. */
export function freshStateDir(): string {
  return mkdtempSync(join(tmpdir(), "fairlead-story-"));
}

/** Starts a stack and waits for `fairlead is ready`. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { mode, prefix = [], plan = loopbackPlan } = options;
  const stateDir = options.stateDir ?? freshStateDir();
  const [command = "", ...args] = [
    ...prefix,
    join(repository, "node_modules", ".bin", "node"),
    join(repository, "packages/cli/src/main.ts"),
    "dev",
    ...Object.entries({
      "--state-dir": stateDir,
      "--api-port": String(await freePort()),
      "--plane": plan.plane,
      "--service-cidr": plan.serviceCidr,
      "--pod-cidr": plan.podCidr,
      "--node-cidr": plan.nodeCidr,
      "--lb-pool": options.lbPool ?? plan.lbPool,
      // Nothing leaves this machine.
      "--resolv-conf": "/dev/null",
      "--http-port": "0",
      "--https-port": "0",
    }).flat(),
    ...(mode === "distributed" ? ["--distributed"] : []),
    ...(options.args ?? []),
  ];
  const launched = launch({ command, args, ready: /fairlead is ready/, readyTimeoutMs: 30_000, graceMs: stopMs });
  const process = await launched.catch((error) => {
    if (options.stateDir === undefined) rmSync(stateDir, { recursive: true, force: true });
    throw error;
  });
  const dev = JSON.parse(readFileSync(join(stateDir, "dev.json"), "utf8")) as DevFile;
  plan.surround(stateDir);
  return {
    mode,
    stateDir,
    plan,
    dev,
    process,
    kubectl: kubectlFor(dev.kubeconfig, stateDir),
    async terminate() {
      // To the launcher alone: it is its task to stop the rest.
      globalThis.process.kill(process.pid, "SIGTERM");
      return await process.exited;
    },
    async kill() {
      globalThis.process.kill(process.pid, "SIGKILL");
      await process.exited;
    },
    async dispose() {
      await process.stop();
      plan.clear(stateDir);
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}
