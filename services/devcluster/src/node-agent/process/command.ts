/** A command run within a container's surroundings, for exec probes and hooks: its own group, its output kept in part. */
import type { ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import type { Clock } from "@fairlead/types";
import { PROBE_OUTPUT_BYTES } from "../limits.ts";
import type { PodNetwork, PodProgram } from "../network/pod-network.ts";
import { exitCode } from "./container-process.ts";
import { sendSignal } from "./proc-table.ts";

/** What became of a command. */
export type CommandResult =
  | { readonly kind: "exited"; readonly code: number; readonly output: string }
  | { readonly kind: "stopped"; readonly output: string }
  | { readonly kind: "unstartable"; readonly reason: string };

/** Where and how a command runs. */
export interface CommandOptions {
  readonly program: PodProgram;
  readonly network: PodNetwork;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** Runs a command; its group is killed after `timeoutMs` or when `signal` is aborted. Never throws. */
export function runCommand(options: CommandOptions): Promise<CommandResult> {
  const { program, network, timeoutMs, clock, signal } = options;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let stopped = false;
    let child: ChildProcess;
    try {
      child = network.spawn(program, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
    } catch (error) {
      return resolve({ kind: "unstartable", reason: error instanceof Error ? error.message : String(error) });
    }
    const outputs = [child.stdout, child.stderr] as [Readable, Readable];
    const stop = (): void => {
      stopped = true;
      if (child.pid !== undefined) sendSignal(-child.pid, "SIGKILL");
    };
    const cancel = clock.setTimer(timeoutMs, stop);
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    const keep = (chunk: Buffer): void => {
      if (size < PROBE_OUTPUT_BYTES) chunks.push(chunk.subarray(0, PROBE_OUTPUT_BYTES - size));
      size += chunk.length;
    };
    for (const output of outputs) output.on("data", keep);
    const settle = (result: CommandResult): void => {
      cancel();
      signal?.removeEventListener("abort", stop);
      // A background process of the command may hold the pipes open: their end is not waited for.
      for (const output of outputs) output.destroy();
      resolve(result);
    };
    child.once("error", (error) => settle({ kind: "unstartable", reason: error.message }));
    child.once("exit", (code, signalName) => {
      // What was written before the exit may still be on its way through the pipe.
      setImmediate(() => {
        const output = Buffer.concat(chunks).toString("utf8").trim();
        settle(stopped ? { kind: "stopped", output } : { kind: "exited", code: exitCode(code, signalName), output });
      });
    });
  });
}
