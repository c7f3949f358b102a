/** Looks at this machine's processes, as `ps` would. */
import { readdirSync, readFileSync } from "node:fs";

/** A process and how to tell it from a later one with the same number. */
export interface ProcessView {
  readonly pid: number;
  readonly command: string;
  readonly environment: string;
}

/** Every process that can be read. */
export function processes(): readonly ProcessView[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const read = (file: string): string => readFileSync(`/proc/${name}/${file}`, "utf8").replaceAll("\0", " ");
        return [{ pid: Number(name), command: read("cmdline"), environment: read("environ") }];
      } catch {
        // It has ended meanwhile, or is another user's.
        return [];
      }
    });
}

/** Processes that have to do with a state folder: the launcher, its services, the pods below it. */
export function processesOf(stateDir: string): readonly ProcessView[] {
  return processes().filter(
    ({ pid, command, environment }) =>
      pid !== process.pid && (command.includes(stateDir) || environment.includes(stateDir)),
  );
}

/** Memory that these processes really take, shared pages counted in parts, in bytes. */
export function memoryOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1];
    return sum + Number(pss ?? 0) * 1024;
  }, 0);
}
