/** The pool file, followed: what it says, and what it says later. */
import { readFile } from "node:fs/promises";
import type { Logger, Startable } from "@fairlead/host";
import type { Clock } from "@fairlead/types";
import { readPools } from "./pool.ts";
import type { Pool } from "./pool.ts";

/** Time between two looks at the file, in ms. A look by content finds files that are replaced by renaming, as mounted ConfigMaps are. */
export const poolFilePollMs = 2_000;

/** What follows the file. */
export interface PoolFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gets the pools of the file at start, and whenever it has other content that can be read. */
  readonly onPools: (pools: readonly Pool[]) => void;
  /** Gets what is wrong with other content. */
  readonly onFault: (error: unknown) => void;
}

/** See the module. Its start fails where the file cannot be read; a file that breaks later changes nothing. */
export class PoolFile implements Startable {
  readonly name = "pool file";
  readonly #options: PoolFileOptions;
  /** Content that was dealt with last; undefined while the file cannot be read. */
  #seen: string | undefined;
  #cancel: (() => void) | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: PoolFileOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const text = await readFile(this.#options.path, "utf8");
    this.#options.onPools(readPools(text));
    this.#seen = text;
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#looking;
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.clock.setTimer(poolFilePollMs, () => {
      this.#looking = this.#look().finally(() => this.#arm());
    });
  }

  async #look(): Promise<void> {
    const { path, onPools, onFault, log } = this.#options;
    let text: string | undefined;
    try {
      text = await readFile(path, "utf8");
      if (text === this.#seen) return;
      this.#seen = text;
      onPools(readPools(text));
    } catch (error) {
      if (text === undefined) {
        // Said once; what the file holds when it is back counts anew, also if that is what it held before.
        if (this.#seen === undefined) return;
        this.#seen = undefined;
      }
      log.error("the pool file is not used: the pools of before stay in force", { path, error });
      onFault(error);
    }
  }
}
