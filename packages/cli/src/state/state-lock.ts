/**
 * One launcher a state folder. The lock is the kernel's, by way of SQLite: it goes with the process, however that ends, so
 * none is ever left over, and of two launchers that start at the same moment one gets it.
 */
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { StateInUseError, StateUnusableError } from "./errors.ts";

/** Databases of locks that are held: one that nobody refers to would be closed by the garbage collector, and the lock lost. */
const held = new Set<DatabaseSync>();

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
    const locked = database;
    held.add(locked);
    return {
      release() {
        if (held.delete(locked)) locked.close();
      },
    };
  } catch (cause) {
    database?.close();
    if (cause instanceof Error && cause.message.includes("locked"))
      throw new StateInUseError(stateDir, owner(), { cause });
    throw new StateUnusableError(stateDir, cause);
  }
}
