/**
 * One launcher a state folder. The lock is the kernel's, by way of SQLite: it goes with the process, however that ends, so
 * none is ever left over, and of two launchers that start at the same moment one gets it.
 */
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StateInUseError, StateUnusableError } from "./errors.ts";

/** A lock that is held. */
export interface StateLock {
  release(): void;
}

/**
 * Makes the folder if it is not there, and takes it. `owner` words who holds it, for the error. Throws {@link StateInUseError},
 * or {@link StateUnusableError} for a folder that cannot be written.
 */
export function takeStateLock(stateDir: string, owner: () => string): StateLock {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const path = join(stateDir, "launcher.lock");
    database = new DatabaseSync(path);
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE;");
    chmodSync(path, 0o600);
    const held = database;
    return { release: () => held.close() };
  } catch (cause) {
    database?.close();
    if (cause instanceof Error && cause.message.includes("locked"))
      throw new StateInUseError(stateDir, owner(), { cause });
    throw new StateUnusableError(stateDir, cause);
  }
}
