/**
 * A program that the launcher runs and keeps running: its log goes to a sink, it is started again with back-off when it ends by
 * itself, and it ends when the launcher does, even by SIGKILL (its standard input closes; see runService in `@fairlead/host`).
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import type { Clock } from "@fairlead/types";

/** First wait before a program that ended is started again, doubled up to the second. In milliseconds. */
export const firstRestartMs = 500;
export const longestRestartMs = 30_000;
/** A program that ran this long has its waits begin anew, in milliseconds. */
export const steadyMs = 60_000;
/** SIGKILL follows SIGTERM after this time, in milliseconds; the whole stack has 5 s. */
export const killAfterMs = 4_000;
/** How often a program that is starting is asked whether it is ready, and for how long, in milliseconds. */
export const readyPollMs = 20;
export const readyTimeoutMs = 30_000;

/** What to run. */
export interface ChildServiceOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly log: Writable;
  readonly clock: Clock;
  /** Rejects or returns false while the program is not ready. */
  readonly ready: () => Promise<boolean>;
  /** Told when it ended by itself and will be started again. */
  readonly onRestart: (reason: string) => void;
  /** Told the process id of every incarnation. */
  readonly onStart?: (pid: number) => void;
}

/** See the module. */
export class ChildService {
  readonly name: string;
  readonly #options: ChildServiceOptions;
  #child: ChildProcess | undefined;
  #stopping = false;
  #restartMs = firstRestartMs;
  #cancelRestart = (): void => {};

  constructor(options: ChildServiceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Settles when the program is ready; rejects when it ends before, or takes longer than {@link readyTimeoutMs}. */
  async start(): Promise<void> {
    const { clock } = this.#options;
    const child = this.#spawn();
    const deadline = clock.monotonic() + readyTimeoutMs;
    while (!(await this.#isReady())) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended with ${ending(child)}`);
      if (clock.monotonic() > deadline) throw new Error(`it was not ready within ${readyTimeoutMs / 1000} s`);
      await new Promise<void>((resolve) => {
        clock.setTimer(readyPollMs, resolve);
      });
    }
    // From here on it is kept running.
    child.once("exit", () => this.#ended(child));
    if (child.exitCode !== null || child.signalCode !== null) this.#ended(child);
  }

  /** SIGTERM, SIGKILL after {@link killAfterMs}; settles when it has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRestart();
    const child = this.#child;
    if (child === undefined || child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const cancel = this.#options.clock.setTimer(killAfterMs, () => child.kill("SIGKILL"));
    await exited;
    cancel();
  }

  #spawn(): ChildProcess {
    const { command, args, env, log, onStart } = this.#options;
    // A group of its own: Ctrl-C at the terminal is for the launcher, which stops its services in order.
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
      env: { ...process.env, ...env, FAIRLEAD_PARENT_PIPE: "1" },
    });
    this.#child = child;
    child.on("error", (error) => log.write(`${error.message}\n`));
    child.stdin?.on("error", () => {});
    child.stdout?.on("data", (chunk: Buffer) => log.write(chunk));
    child.stderr?.on("data", (chunk: Buffer) => log.write(chunk));
    if (child.pid !== undefined) onStart?.(child.pid);
    return child;
  }

  async #isReady(): Promise<boolean> {
    try {
      return await this.#options.ready();
    } catch {
      return false;
    }
  }

  #ended(child: ChildProcess): void {
    if (this.#stopping || child !== this.#child) return;
    const { clock, onRestart } = this.#options;
    const wait = this.#restartMs;
    this.#restartMs = Math.min(this.#restartMs * 2, longestRestartMs);
    onRestart(`ended with ${ending(child)}; it is started again in ${wait / 1000} s`);
    this.#cancelRestart = clock.setTimer(wait, () => {
      const next = this.#spawn();
      const cancelSteady = clock.setTimer(steadyMs, () => {
        this.#restartMs = firstRestartMs;
      });
      next.once("exit", () => {
        cancelSteady();
        this.#ended(next);
      });
    });
  }
}

function ending(child: ChildProcess): string {
  return child.signalCode === null ? `exit code ${child.exitCode}` : `signal ${child.signalCode}`;
}
