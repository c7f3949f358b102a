/** How to tell a process from a later one with the same number. */
import { readFileSync } from "node:fs";

/** A process on this boot of the machine. */
export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks from the boot to its start. */
  readonly startTime: number;
  readonly boot: string;
}

/** The mark of a process; undefined if there is none, or it only waits to be reaped. */
export function markOf(pid: number): ProcessMark | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command's name stands in parentheses and may hold anything: fields count from the last one.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return { pid, startTime: Number(fields[19]), boot };
  } catch {
    return undefined;
  }
}

/** Whether the very process is still there. */
export function isAlive({ pid, startTime, boot }: ProcessMark): boolean {
  const now = markOf(pid);
  return now !== undefined && now.startTime === startTime && now.boot === boot;
}

/** Sends a signal to a process or, with a negative number, to a group; false if there is none any more, or it is not ours. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
