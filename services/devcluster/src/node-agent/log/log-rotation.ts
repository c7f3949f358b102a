/** Keeps container logs within their bound. */
import { copyFile, stat, truncate } from "node:fs/promises";
import type { Clock } from "@fairlead/types";
import { LOG_CHECK_INTERVAL_MS, LOG_MAX_BYTES } from "../limits.ts";

/**
 * Looks at the logs of running containers at intervals; one that has grown too long is copied to `<file>.1` and cut. The
 * process goes on writing to the same file (it appends); lines written between copy and cut are lost, as with logrotate's
 * copytruncate.
 */
export class LogRotation {
  readonly #clock: Clock;
  readonly #files: () => Iterable<string>;
  readonly #maxBytes: number;
  #cancel: (() => void) | undefined;

  constructor(options: { clock: Clock; files: () => Iterable<string>; maxBytes?: number }) {
    this.#clock = options.clock;
    this.#files = options.files;
    this.#maxBytes = options.maxBytes ?? LOG_MAX_BYTES;
  }

  start(): void {
    this.#cancel = this.#clock.setTimer(LOG_CHECK_INTERVAL_MS, () => {
      void this.check().then(() => {
        if (this.#cancel) this.start();
      });
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Looks at every log once. A log that vanished meanwhile is passed over. */
  async check(): Promise<void> {
    for (const file of this.#files()) {
      try {
        if ((await stat(file)).size <= this.#maxBytes) continue;
        await copyFile(file, `${file}.1`);
        await truncate(file, 0);
      } catch {
        // Gone with its pod, or the disk is full: the next look tries again.
      }
    }
  }
}
