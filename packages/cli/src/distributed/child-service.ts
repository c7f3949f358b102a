/**
 * A program that the launcher runs and keeps running: its log goes to a sink, it is started again with back-off when it ends by
 * itself, and it ends when the launcher does, even by SIGKILL (its standard input closes; see runService in `@fairlead/host`).
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";
import type { Clock } from "@fairlead/types";
import { StoppedError } from "../stack/stack.ts";
import { sendSignal } from "../state/process-mark.ts";

/** First wait before a program that ended is started again, doubled up to the second, in milliseconds. */
export const firstRestartMs = 500;
export const longestRestartMs = 30_000;
/** A program that ran this long has its waits begin anew, in milliseconds. */
export const steadyMs = 60_000;
/** How often a program that is starting is asked whether it is ready, and for how long, in milliseconds. */
export const readyPollMs = 20;
export const readyTimeoutMs = 30_000;
/** How long the last output is waited for after the end, in milliseconds: a process that lives on may hold the pipe. */
const drainMs = 200;

/** What to run. */
export interface ChildServiceOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** All of its environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Writable;
  readonly clock: Clock;
  /** Rejects or returns false while the program is not ready. */
  readonly ready: () => Promise<boolean>;
  /** Told when it ended by itself and will be started again. */
  readonly onRestart: (reason: string) => void;
  /** Told when it is ready again after that. */
  readonly onReadyAgain: () => void;
  /** Told of every process, in the turn of its start and when it has ended. */
  readonly onStart?: (pid: number) => void;
  readonly onEnd?: (pid: number) => void;
}

/** One process of the program. */
interface Incarnation {
  readonly child: ChildProcess;
  /** Settles with how it ended, when its last words are in the log. */
  readonly ended: Promise<string>;
  ending: string | undefined;
}

/** See the module. */
export class ChildService {
  readonly name: string;
  readonly #options: ChildServiceOptions;
  #current: Incarnation | undefined;
  #stopping: Promise<void> | undefined;
  #restartMs = firstRestartMs;
  #cancelTimer = (): void => {};

  constructor(options: ChildServiceOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The process that runs at this moment. */
  get pid(): number | undefined {
    return this.#current?.ending === undefined ? this.#current?.child.pid : undefined;
  }

  /**
   * Settles when the program is ready; from then on it is kept running. Rejects when it ends before, takes longer than
   * {@link readyTimeoutMs}, or is stopped; what was started is then to be stopped.
   */
  async start(): Promise<void> {
    if (this.#stopping !== undefined) throw new StoppedError();
    const first = this.#spawn();
    await this.#becomesReady(first);
    void first.ended.then((ending) => this.#planRestart(ending));
  }

  /** SIGTERM, SIGKILL to its group after `killAfterMs`; settles when it has ended. Safe to call twice, and before the start. */
  stop(killAfterMs: number): Promise<void> {
    this.#stopping ??= this.#end(killAfterMs);
    return this.#stopping;
  }

  async #end(killAfterMs: number): Promise<void> {
    this.#cancelTimer();
    const current = this.#current;
    const pid = this.pid;
    if (current === undefined || pid === undefined) return;
    sendSignal(pid, "SIGTERM");
    const cancel = this.#options.clock.setTimer(killAfterMs, () => sendSignal(-pid, "SIGKILL"));
    await current.ended;
    cancel();
  }

  #spawn(): Incarnation {
    const { command, args, env, log, clock, onStart, onEnd } = this.#options;
    // A group of its own: Ctrl-C at the terminal is for the launcher, which stops its services in order.
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], detached: true, env: { ...env } });
    const { pid } = child;
    if (pid !== undefined) onStart?.(pid);
    const { promise: ended, resolve } = Promise.withResolvers<string>();
    const incarnation: Incarnation = { child, ended, ending: undefined };
    const end = (ending: string): void => {
      if (incarnation.ending !== undefined) return;
      incarnation.ending = ending;
      // What it started and did not end goes with it.
      if (pid !== undefined) sendSignal(-pid, "SIGKILL");
      if (pid !== undefined) onEnd?.(pid);
      const cancel = clock.setTimer(drainMs, () => resolve(ending));
      child.once("close", () => {
        cancel();
        resolve(ending);
      });
    };
    child.once("exit", (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.once("error", (error) => {
      if (pid === undefined) end(error.message);
    });
    for (const stream of child.stdio) stream?.on("error", () => {});
    child.stdout?.on("data", (chunk: Buffer) => log.write(chunk));
    child.stderr?.on("data", (chunk: Buffer) => log.write(chunk));
    this.#current = incarnation;
    return incarnation;
  }

  async #becomesReady(incarnation: Incarnation): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + readyTimeoutMs;
    for (;;) {
      const ready = await this.#isReady();
      if (this.#stopping !== undefined) throw new StoppedError();
      if (incarnation.ending !== undefined) throw new Error(`it ended with ${await incarnation.ended}`);
      if (ready) return;
      if (clock.monotonic() > deadline) throw new Error(`it was not ready within ${readyTimeoutMs / 1000} s`);
      const { promise, resolve } = Promise.withResolvers<void>();
      const cancel = clock.setTimer(readyPollMs, resolve);
      await Promise.race([promise, incarnation.ended]);
      cancel();
    }
  }

  async #isReady(): Promise<boolean> {
    try {
      return await this.#options.ready();
    } catch {
      return false;
    }
  }

  #planRestart(ending: string): void {
    if (this.#stopping !== undefined) return;
    const { clock, onRestart } = this.#options;
    const wait = this.#restartMs;
    this.#restartMs = Math.min(this.#restartMs * 2, longestRestartMs);
    onRestart(`ended with ${ending}; it is started again in ${wait / 1000} s`);
    this.#cancelTimer = clock.setTimer(wait, () => this.#restart());
  }

  #restart(): void {
    const { clock, onReadyAgain } = this.#options;
    const next = this.#spawn();
    this.#cancelTimer = clock.setTimer(steadyMs, () => {
      this.#restartMs = firstRestartMs;
    });
    const cancelSteady = this.#cancelTimer;
    void next.ended.then((ending) => {
      cancelSteady();
      this.#planRestart(ending);
    });
    this.#becomesReady(next).then(onReadyAgain, () => {
      // One that hangs is as good as dead; one that has ended is dealt with above.
      const { pid } = next.child;
      if (next.ending === undefined && this.#stopping === undefined && pid !== undefined) sendSignal(-pid, "SIGKILL");
    });
  }
}
