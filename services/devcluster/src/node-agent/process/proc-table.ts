/** The machine's processes as /proc shows them. Synchronous: a look takes some milliseconds and must not race with itself. */
import { readdirSync, readFileSync } from "node:fs";

/** One process; `startTime` (clock ticks since boot) tells it from a later one with the same number. */
export interface ProcessEntry {
  readonly pid: number;
  readonly state: string;
  readonly group: number;
  readonly startTime: number;
}

/** A process, or `undefined` if there is none with this number. */
export function processEntry(pid: number): ProcessEntry | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command's name stands in parentheses and may hold spaces and parentheses itself: fields count from the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state = "", , group = "0"] = fields;
    return { pid, state, group: Number(group), startTime: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

/** Whether a process with this number and start time is there and not merely waiting to be reaped. */
export function isAlive(pid: number, startTime: number): boolean {
  const entry = processEntry(pid);
  return entry !== undefined && entry.state !== "Z" && entry.startTime === startTime;
}

/** Names one boot of the machine: numbers and start times mean nothing across two. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

/** Every living process of the machine; those that only wait to be reaped are left out. */
export function livingProcesses(): ProcessEntry[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processEntry(Number(name)))
    .filter((entry) => entry !== undefined && entry.state !== "Z") as ProcessEntry[];
}

/** Whether a process was started with all of these `NAME=value` variables; false if its environment may not be read. */
export function hasVariables(pid: number, variables: readonly string[]): boolean {
  try {
    const environment = `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}\0`;
    return variables.every((variable) => environment.includes(`\0${variable}\0`));
  } catch {
    return false;
  }
}

/** Sends a signal to a process or, with a negative number, to a group; false if there is none any more. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
