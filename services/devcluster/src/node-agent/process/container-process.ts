/** One container's process: a group of its own, its output straight into a file. */
import type { ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import type { ContainerPlan } from "../container-plan.ts";
import type { PodNetwork } from "../network/pod-network.ts";
import { ContainerPlanError } from "../plan-error.ts";
import type { ProcessLedger } from "./process-ledger.ts";
import { sendSignal } from "./proc-table.ts";

/** How a process ended: `code` as a shell would tell it, 128 + number for a signal. */
export interface ProcessExit {
  readonly code: number;
}

const SIGNAL_NUMBERS: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** The exit code of a process that ended by itself or by a signal. */
export function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (SIGNAL_NUMBERS[signal ?? "SIGKILL"] ?? 0);
}

/** A process that was started. */
export class ContainerProcess {
  readonly pid: number;
  /** Settles when the process has ended and nothing of its container is left. */
  readonly exited: Promise<ProcessExit>;
  #over = false;

  private constructor(child: ChildProcess, pid: number, clean: () => Promise<unknown>) {
    this.pid = pid;
    this.exited = new Promise<ProcessExit>((resolve) => {
      child.once("exit", (code, signal) => resolve({ code: exitCode(code, signal) }));
    }).then(async (exit) => {
      this.#over = true;
      // The first process of a container takes the others with it.
      // Should that fail, the next start finds what is left.
      await clean().catch(() => undefined);
      return exit;
    });
  }

  /**
   * Starts a process with its output appended to `logFile`, and writes it down in the ledger. Throws
   * {@link ContainerPlanError} `RunContainerError` if the program or the working directory is not there.
   */
  static async start(options: {
    plan: ContainerPlan;
    network: PodNetwork;
    logFile: string;
    ledger: ProcessLedger;
    podUid: string;
    container: string;
  }): Promise<ContainerProcess> {
    const { plan, network, logFile, ledger, podUid, container } = options;
    const [program] = plan.argv;
    // Else the system's ENOENT would read as if the program were missing.
    if (!existsSync(plan.cwd)) throw cannotRun(program, new Error(`the working directory ${plan.cwd} does not exist`));
    const output = openSync(logFile, "a");
    let child: ChildProcess;
    try {
      const env = { ...plan.env, ...ledger.marks(podUid, container) };
      child = network.spawn({ ...plan, env }, { detached: true, stdio: ["ignore", output, output] });
    } catch (error) {
      throw cannotRun(program, error);
    } finally {
      closeSync(output);
    }
    const { pid } = child;
    if (pid !== undefined) {
      ledger.record(pid, podUid, container);
      return new ContainerProcess(child, pid, async () => {
        const left = await ledger.sweep(podUid, container, pid);
        if (left.length === 0) ledger.forget(pid);
      });
    }
    const error = await new Promise<unknown>((resolve) => child.once("error", resolve));
    throw cannotRun(program, error);
  }

  /** Signals the first process of the container, as a kubelet does; the app passes it on or not. */
  signal(signal: NodeJS.Signals): void {
    if (!this.#over) sendSignal(this.pid, signal);
  }

  /** Kills the whole group. */
  kill(): void {
    if (!this.#over) sendSignal(-this.pid, "SIGKILL");
  }
}

function cannotRun(program: string, error: unknown): ContainerPlanError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ContainerPlanError("RunContainerError", `exec ${JSON.stringify(program)}: ${reason}`, { cause: error });
}
