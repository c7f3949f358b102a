/** The real launcher on an address plan of its own and a fresh state folder. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "@fairlead/host";
import { launch, temporaryDirectory } from "@fairlead/testkit";
import type { Launched } from "@fairlead/testkit";
import { removeNetwork } from "../../src/network/node-network.ts";
import { isNetworkNoted } from "../../src/state/network-record.ts";
import { sendSignal } from "../../src/state/process-mark.ts";
import { leftoversIn } from "../../src/state/run-record.ts";

/** The launcher's entry point. */
export const main: string = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** A busy machine gets this long to start a stack, in milliseconds. */
const readyTimeoutMs = 30_000;

/** A state folder that is removed in the end, with everything that runs on it. */
export interface StateFolder extends AsyncDisposable {
  readonly path: string;
  /** Arguments of the launcher for this folder, with more behind. */
  args(...more: readonly string[]): readonly string[];
  /** Starts a launcher and waits for `ready`; without it, only for its start. */
  dev(more: readonly string[], ready?: RegExp): Promise<Launched>;
  /** Processes whose command line names the folder. */
  processes(): readonly number[];
}

/** See {@link StateFolder}. */
export async function stateFolder(): Promise<StateFolder> {
  const folder = await temporaryDirectory();
  const { path } = folder;
  const launched: Launched[] = [];
  const own = {
    "--state-dir": path,
    "--api-port": "0",
    "--service-cidr": "127.98.0.0/16",
    "--pod-cidr": "127.246.0.0/16",
    "--node-cidr": "127.66.0.0/24",
    "--lb-pool": "127.202.0.0/24",
    // So that what is printed does not depend on who runs the tests.
    "--dns-port": "0",
    // Nothing leaves this machine: the DNS asks its upstreams whether they lead back to it.
    "--resolv-conf": "/dev/null",
    "--http-port": "0",
    "--https-port": "0",
  };
  const args = (...more: readonly string[]): readonly string[] => [main, "dev", ...Object.entries(own).flat(), ...more];
  return {
    path,
    args,
    async dev(more, ready) {
      const process = await launch({
        command: globalThis.process.execPath,
        args: args(...more),
        readyTimeoutMs,
        // None of the options of whoever runs the tests.
        env: Object.fromEntries(fairleadVariables().map((name) => [name, undefined])),
        ...(ready && { ready }),
      });
      launched.push(process);
      return process;
    },
    processes: () => processesNaming(path),
    async [Symbol.asyncDispose]() {
      for (const process of launched) await process.stop();
      // After a failed test: what a killed launcher left.
      for (const { pid } of leftoversIn(path)) sendSignal(-pid, "SIGKILL");
      if (isNetworkNoted(path)) await removeNetwork(path, systemClock);
      await folder.remove();
    },
  };
}

function fairleadVariables(): readonly string[] {
  return Object.keys(process.env).filter((name) => name.startsWith("FAIRLEAD_"));
}

function processesNaming(text: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return readFileSync(join("/proc", name, "cmdline"), "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);
}
