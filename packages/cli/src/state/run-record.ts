/**
 * `<state-dir>/launcher.json`: who works on a state folder, and which processes it runs, written down for the next launcher
 * in case this one is killed. Services end by themselves then, since their standard input closes; nats-server does not.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@fairlead/types";
import { isAlive, markOf, sendSignal } from "./process-mark.ts";
import type { ProcessMark } from "./process-mark.ts";

/** Services of a killed launcher have this time to end by themselves, in milliseconds: 5 s are their own deadline. */
export const leftoverPatienceMs = 6_000;
/** How often it is looked whether they have, and for how long after SIGKILL, in milliseconds. */
const lookMs = 25;
const killedMs = 1_000;

/** A process that a launcher runs; it leads a group of its own. */
export interface RecordedProcess extends ProcessMark {
  readonly name: string;
  /** It ends by itself when the launcher is gone. */
  readonly endsAlone: boolean;
}

interface RunFile {
  readonly launcher: ProcessMark;
  readonly processes: readonly RecordedProcess[];
}

/** The record of this run. Write it only with the folder's lock held. */
export class RunRecord {
  readonly #path: string;
  #processes: RecordedProcess[] = [];

  constructor(options: { stateDir: string }) {
    this.#path = recordPath(options.stateDir);
  }

  /** Writes that this process works on the folder. */
  open(): void {
    this.#save();
  }

  /** Call it in the turn of the start: what is not written down is not found again. */
  add(process: { readonly pid: number; readonly name: string; readonly endsAlone: boolean }): void {
    const mark = markOf(process.pid);
    if (mark === undefined) return;
    this.#processes.push({ ...mark, name: process.name, endsAlone: process.endsAlone });
    this.#save();
  }

  /** The process has ended. */
  remove(pid: number): void {
    this.#processes = this.#processes.filter((entry) => entry.pid !== pid);
    this.#save();
  }

  /** Nothing of this run is left. */
  close(): void {
    rmSync(this.#path, { force: true });
  }

  #save(): void {
    const launcher = markOf(process.pid);
    if (launcher === undefined) return;
    const content: RunFile = { launcher, processes: this.#processes };
    writeFileSync(`${this.#path}.new`, JSON.stringify(content, null, 2), { mode: 0o600 });
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/** Words for who holds a folder's lock. */
export function ownerOf(stateDir: string): string {
  const launcher = readRecord(stateDir)?.launcher;
  return launcher !== undefined && isAlive(launcher) ? `process ${launcher.pid}` : "another process";
}

/** Processes of an earlier run that are still there. */
export function leftoversIn(stateDir: string): readonly RecordedProcess[] {
  return (readRecord(stateDir)?.processes ?? []).filter(isAlive);
}

/**
 * Settles when nothing is left of an earlier run: what ends by itself gets {@link leftoverPatienceMs}, the rest is told to,
 * and what does not end is killed with its group. Resolves to what would not die.
 */
export async function endLeftovers(
  leftovers: readonly RecordedProcess[],
  clock: Clock,
): Promise<readonly RecordedProcess[]> {
  for (const { pid, endsAlone } of leftovers) if (!endsAlone) sendSignal(pid, "SIGTERM");
  const left = await untilEnded(leftovers, clock, leftoverPatienceMs);
  for (const entry of left) if (isAlive(entry)) sendSignal(-entry.pid, "SIGKILL");
  return await untilEnded(left, clock, killedMs);
}

async function untilEnded(
  processes: readonly RecordedProcess[],
  clock: Clock,
  limitMs: number,
): Promise<readonly RecordedProcess[]> {
  const deadline = clock.monotonic() + limitMs;
  let left = processes.filter(isAlive);
  while (left.length > 0 && clock.monotonic() < deadline) {
    await new Promise<void>((resolve) => clock.setTimer(lookMs, resolve));
    left = left.filter(isAlive);
  }
  return left;
}

function readRecord(stateDir: string): RunFile | undefined {
  try {
    const { launcher, processes } = JSON.parse(readFileSync(recordPath(stateDir), "utf8")) as Partial<RunFile>;
    if (!isMark(launcher) || !Array.isArray(processes)) return undefined;
    return { launcher, processes: processes.filter(isMark) as RecordedProcess[] };
  } catch {
    // None, or one that was never ours: nothing to wait for.
    return undefined;
  }
}

function isMark(value: unknown): value is ProcessMark {
  const { pid, startTime, boot } = (value ?? {}) as Partial<ProcessMark>;
  // A number of 0 or 1 would make a group signal hit what is not ours at all.
  return Number.isInteger(pid) && (pid ?? 0) > 1 && typeof startTime === "number" && typeof boot === "string";
}

function recordPath(stateDir: string): string {
  return join(stateDir, "launcher.json");
}
