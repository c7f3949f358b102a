/** A service's log on disk: everything it says, bounded, one earlier part kept. */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Size at which a log file is put aside as `<name>.1` and a new one begun, in bytes. */
export const maxLogBytes = 10 * 1024 * 1024;

/** Appends lines to a file; see the module. Writes are synchronous, so that a crash loses none; they throw what the system says. */
export class LogFile {
  readonly path: string;
  readonly #maxBytes: number;
  #descriptor: number | undefined;
  #size = 0;

  /** `maxBytes` is {@link maxLogBytes} unless told. */
  constructor(path: string, options: { maxBytes?: number } = {}) {
    this.path = path;
    this.#maxBytes = options.maxBytes ?? maxLogBytes;
  }

  /** Appends one line. */
  write(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    this.#descriptor ??= this.#open();
    if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) {
      this.close();
      renameSync(this.path, `${this.path}.1`);
      this.#descriptor = this.#open();
    }
    this.#size += writeSync(this.#descriptor, bytes);
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #open(): number {
    mkdirSync(dirname(this.path), { recursive: true, mode: 0o700 });
    const descriptor = openSync(this.path, "a", 0o600);
    this.#size = fstatSync(descriptor).size;
    return descriptor;
  }
}
