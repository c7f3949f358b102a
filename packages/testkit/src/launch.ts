/** Real programs in tests: started in a process group of their own, watched, and never left behind. */
import { spawn, type ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { CodedError } from "@fairlead/types";
import { reapGroup } from "./reaper.ts";

/** Characters kept of each output stream; the oldest go first. */
const OUTPUT_LIMIT = 1_000_000;

/** Characters of output shown in an error. */
const OUTPUT_IN_ERROR = 4_000;

/** Time a program has to become ready, in ms, unless the caller says otherwise. */
const DEFAULT_READY_TIMEOUT_MS = 15_000;

/** Time between SIGTERM and SIGKILL, in ms, unless the caller says otherwise. */
const DEFAULT_GRACE_MS = 5_000;

/** How long the last output is waited for after the exit, in ms: a child that lives on may hold the pipe open for ever. */
const DRAIN_MS = 200;

/** Thrown when a program cannot be started, ends before it is ready, or is not ready in time. */
export class LaunchError extends CodedError {
  readonly code = "LAUNCH_FAILED";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "LaunchError";
  }
}

/** How a program ended: exactly one of the two is not null. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A running program. */
export interface Launched extends AsyncDisposable {
  readonly pid: number;
  /** Its standard input; null unless asked for with `stdin: "pipe"`. Ending it is what the program sees when its parent dies. */
  readonly stdin: Writable | null;
  /** What it wrote so far, the last million characters. */
  stdout(): string;
  stderr(): string;
  /** Sends a signal to its whole process group; does nothing once the group is gone. */
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM to the group, SIGKILL after the grace; settles when the program has ended and its group is gone. Safe to call twice. */
  stop(): Promise<void>;
  readonly exited: Promise<Exit>;
}

/** What to run, and how to tell that it is ready. */
export interface LaunchOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Matched against the output of either stream; without it the program counts as ready once it is started. */
  readonly ready?: RegExp;
  /** 15 s unless told. */
  readonly readyTimeoutMs?: number;
  /** Time between SIGTERM and SIGKILL when it is stopped; 5 s unless told. */
  readonly graceMs?: number;
  /** "ignore" (empty input) unless told. */
  readonly stdin?: "ignore" | "pipe";
}

/** Starts a program and waits until it is ready; throws {@link LaunchError}, with its group killed, when that fails. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { command, args = [], stdin = "ignore" } = options;
  const child = spawn(command, args, {
    detached: true,
    stdio: [stdin, "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const { pid } = child;
  if (pid === undefined) {
    const cause = await new Promise<Error>((resolve) => child.once("error", resolve));
    throw new LaunchError(`cannot start ${command}: ${cause.message}`, { cause });
  }
  const launched = watch(child, pid, options.graceMs ?? DEFAULT_GRACE_MS);
  try {
    if (options.ready) await becomesReady(launched, child, options, options.ready);
  } catch (error) {
    launched.signal("SIGKILL");
    await launched.stop();
    throw error;
  }
  return launched;
}

function watch(child: ChildProcess, pid: number, graceMs: number): Launched {
  const stdout = keepTail(child.stdout as Readable);
  const stderr = keepTail(child.stderr as Readable);
  const signal = (name: NodeJS.Signals): void => signalGroup(pid, name);
  const forget = reapGroup(pid);
  const drained = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (code, name) => {
      // A group number is free for reuse once the group is empty: from then on it must not be signalled.
      if (!groupLives(pid)) forget();
      const exit: Exit = { code, signal: name };
      void Promise.race([drained, sleep(DRAIN_MS)]).then(() => resolve(exit));
    });
  });
  const stopGroup = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) signal("SIGTERM");
    const patience = new AbortController();
    const killer = sleep(graceMs, undefined, { signal: patience.signal }).then(
      () => signal("SIGKILL"),
      () => undefined,
    );
    await exited;
    patience.abort();
    await killer;
    if (groupLives(pid)) signal("SIGKILL");
    child.stdin?.destroy();
    child.stdout?.destroy();
    child.stderr?.destroy();
    forget();
  };
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= stopGroup());
  return { pid, stdin: child.stdin, stdout, stderr, signal, stop, exited, [Symbol.asyncDispose]: stop };
}

async function becomesReady(
  launched: Launched,
  child: ChildProcess,
  options: LaunchOptions,
  ready: RegExp,
): Promise<void> {
  const timeoutMs = options.readyTimeoutMs ?? DEFAULT_READY_TIMEOUT_MS;
  const fail = (what: string): LaunchError => {
    const output = `${launched.stdout()}${launched.stderr()}`.slice(-OUTPUT_IN_ERROR);
    return new LaunchError(`${[options.command, ...(options.args ?? [])].join(" ")} ${what}\n${output}`);
  };
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(fail(`was not ready (${ready}) within ${timeoutMs} ms`)), timeoutMs);
    const look = (): void => {
      if (launched.stdout().search(ready) < 0 && launched.stderr().search(ready) < 0) return;
      clearTimeout(timer);
      child.stdout?.off("data", look);
      child.stderr?.off("data", look);
      resolve();
    };
    child.stdout?.on("data", look);
    child.stderr?.on("data", look);
    void launched.exited.then(({ code, signal }) => {
      clearTimeout(timer);
      // Its last output may have been the sign, but what has ended is not ready.
      reject(fail(`ended before it was ready, with ${signal ?? `code ${code}`}`));
    });
  });
}

function keepTail(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    text += chunk;
    if (text.length > OUTPUT_LIMIT * 2) text = text.slice(-OUTPUT_LIMIT);
  });
  return () => text.slice(-OUTPUT_LIMIT);
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function groupLives(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
