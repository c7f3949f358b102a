/**
 * Which processes are ours, durably: after `kill -9` of the launcher the next start finds what the last one left behind.
 * Two marks make sure that it finds all of it, and nothing else: a record on disk for every process group (number and start
 * time of its leader), and the state directory's own identity in the environment of every process, which also covers the
 * moment between a start and its record, and processes that moved to a group of their own.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ProcessEntry } from "./proc-table.ts";
import type { Clock } from "@fairlead/types";
import { CodedError } from "@fairlead/types";
import { KILL_WAIT_MS } from "../limits.ts";
import { pause } from "../pause.ts";
import { bootId, hasVariables, isAlive, livingProcesses, processEntry, sendSignal } from "./proc-table.ts";

/** Variable that names the state directory's identity in every process. */
export const STATE_VARIABLE = "FAIRLEAD_STATE_ID";
/** Variable that names the pod in every process. */
export const POD_VARIABLE = "FAIRLEAD_POD_UID";
/** Variable that names the container in every process. */
export const CONTAINER_VARIABLE = "FAIRLEAD_CONTAINER";

/** Rounds of looking and killing before a start gives up on processes that will not die (uninterruptible ones). */
const REAP_ROUNDS = 40;
const REAP_INTERVAL_MS = 25;

/** Thrown when another running launcher uses the same state directory. */
export class StateInUseError extends CodedError {
  readonly code = "STATE_IN_USE";

  constructor(directory: string, pid: number) {
    super(`${directory} is in use by process ${pid}`);
    this.name = "StateInUseError";
  }
}

interface Identity {
  readonly id: string;
  readonly path: string;
  readonly owner?: { readonly pid: number; readonly startTime: number; readonly boot: string };
}

interface ProcessRecord {
  readonly pid: number;
  readonly startTime: number;
  readonly boot: string;
  readonly podUid: string;
  readonly container: string;
}

/** The processes started for one state directory. Call {@link open} first. */
export class ProcessLedger {
  readonly #directory: string;
  readonly #clock: Clock;
  #identity: Identity = { id: "", path: "" };
  #boot = "";
  readonly #startTimes = new Map<number, number>();
  #sweeping: { readonly wanted: Wanted[]; readonly done: Promise<readonly number[]> } | undefined;

  /** `directory` is the ledger's own; it is made by {@link open}. */
  constructor(options: { directory: string; clock: Clock }) {
    this.#directory = options.directory;
    this.#clock = options.clock;
  }

  /** Takes the directory for this process; throws {@link StateInUseError} while another living one holds it. */
  open(): void {
    mkdirSync(join(this.#directory, "running"), { recursive: true });
    this.#boot = bootId();
    const path = realpathSync(this.#directory);
    const known = readJson(join(this.#directory, "identity.json")) as Identity | undefined;
    const owner = known?.path === path ? known.owner : undefined;
    if (owner && owner.pid !== process.pid && owner.boot === this.#boot && isAlive(owner.pid, owner.startTime)) {
      throw new StateInUseError(path, owner.pid);
    }
    // A copied directory must not inherit the identity: the processes belong to the original.
    if (known && known.path !== path) rmSync(join(this.#directory, "running"), { recursive: true, force: true });
    mkdirSync(join(this.#directory, "running"), { recursive: true });
    const startTime = processEntry(process.pid)?.startTime ?? 0;
    const id = known?.path === path ? known.id : randomUUID();
    this.#identity = { id, path, owner: { pid: process.pid, startTime, boot: this.#boot } };
    this.#save();
  }

  /** Gives the directory free for another launcher. */
  close(): void {
    this.#identity = { id: this.#identity.id, path: this.#identity.path };
    this.#save();
  }

  /** The variables that mark a process as ours. */
  marks(podUid: string, container: string): Record<string, string> {
    return { [STATE_VARIABLE]: this.#identity.id, [POD_VARIABLE]: podUid, [CONTAINER_VARIABLE]: container };
  }

  /** Writes down a process that leads its group. Call it in the same turn as the start. */
  record(pid: number, podUid: string, container: string): void {
    const startTime = processEntry(pid)?.startTime ?? 0;
    this.#startTimes.set(pid, startTime);
    const entry: ProcessRecord = { pid, startTime, boot: this.#boot, podUid, container };
    writeFileSync(this.#file(pid), JSON.stringify(entry));
  }

  /** Strikes out a process whose whole group is gone. */
  forget(pid: number): void {
    this.#startTimes.delete(pid);
    rmSync(this.#file(pid), { force: true });
  }

  /**
   * Kills what is left of a container whose first process `pid` has ended: its group, and what carries its marks. Settles
   * when all is gone, or after 0.5 s with the numbers of what is not. Calls of one turn share one look at the processes.
   */
  sweep(podUid: string, container: string, pid: number): Promise<readonly number[]> {
    const variables = Object.entries(this.marks(podUid, container)).map(([name, value]) => `${name}=${value}`);
    const own: Wanted = { group: pid, variables, since: this.#startTimes.get(pid) ?? 0 };
    if (this.#sweeping) {
      this.#sweeping.wanted.push(own);
      return this.#sweeping.done;
    }
    const wanted = [own];
    const done = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#sweeping = undefined;
      return this.#killAll(() => wanted, KILL_WAIT_MS);
    });
    this.#sweeping = { wanted, done };
    return done;
  }

  /** Kills everything that an earlier run under this identity left; settles to how many processes that were. */
  async reap(): Promise<{ killed: number; left: readonly number[] }> {
    const variables = [`${STATE_VARIABLE}=${this.#identity.id}`];
    const killed = new Set<number>();
    const left = await this.#killAll(
      () => [{ variables, since: 0 }, ...this.#recordedGroups()],
      REAP_ROUNDS * REAP_INTERVAL_MS,
      killed,
    );
    for (const name of readdirSync(join(this.#directory, "running"))) {
      const pid = Number(name);
      if (!left.includes(pid)) this.forget(pid);
    }
    return { killed: killed.size, left };
  }

  async #killAll(
    wanted: () => readonly Wanted[],
    patienceMs: number,
    killed = new Set<number>(),
  ): Promise<readonly number[]> {
    const until = this.#clock.monotonic() + patienceMs;
    for (;;) {
      const ours = wanted();
      const found = livingProcesses().filter(
        (entry) => entry.pid !== process.pid && ours.some((one) => fits(entry, one)),
      );
      if (found.length === 0) return [];
      for (const { pid, startTime } of found) {
        if (isAlive(pid, startTime) && sendSignal(pid, "SIGKILL")) killed.add(pid);
      }
      if (this.#clock.monotonic() >= until) return found.map(({ pid }) => pid);
      await pause(this.#clock, REAP_INTERVAL_MS);
    }
  }

  /** Groups whose leader is still the process that was recorded. Without it only the marks prove that a process is ours. */
  #recordedGroups(): Wanted[] {
    const groups: Wanted[] = [];
    for (const name of readdirSync(join(this.#directory, "running"))) {
      const entry = readJson(join(this.#directory, "running", name)) as ProcessRecord | undefined;
      if (!entry || entry.boot !== this.#boot) continue;
      const now = processEntry(entry.pid);
      if (now?.startTime === entry.startTime && now.group === entry.pid) groups.push({ group: entry.pid });
    }
    return groups;
  }

  #file(pid: number): string {
    return join(this.#directory, "running", String(pid));
  }

  #save(): void {
    const file = join(this.#directory, "identity.json");
    writeFileSync(`${file}.new`, JSON.stringify(this.#identity));
    renameSync(`${file}.new`, file);
  }
}

/** Processes that are to be killed: a group, or what carries these marks and was not started before `since`. */
interface Wanted {
  readonly group?: number;
  readonly variables?: readonly string[];
  readonly since?: number;
}

function fits(entry: ProcessEntry, { group, variables, since = 0 }: Wanted): boolean {
  if (entry.group === group) return true;
  // Reading an environment costs a system call or three: a process older than the container cannot be of it.
  return variables !== undefined && entry.startTime >= since && hasVariables(entry.pid, variables);
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
