/** The launcher's own output: never in the way of what runs, whether its reader is slow, has gone to sleep or is gone. */
import type { Clock } from "@fairlead/types";

/** Characters that may wait for a reader; what comes on top is dropped, and counted. */
export const maxUnread = 1 << 20;

/** As much of a stream as is used. */
export interface OutputStream {
  readonly writableLength: number;
  readonly destroyed: boolean;
  write(text: string, done?: () => void): boolean;
}

/** See the module. Errors of the stream are the business of whoever listens to it. */
export class Output {
  readonly #stream: OutputStream;
  readonly #lost: (lines: number) => string;
  #dropped = 0;

  /** `lost` words a line that says how many lines are missing before it. */
  constructor(options: { stream: OutputStream; lost: (lines: number) => string }) {
    this.#stream = options.stream;
    this.#lost = options.lost;
  }

  write(text: string): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    if (stream.writableLength > maxUnread) {
      this.#dropped++;
      return;
    }
    const missing = this.#dropped === 0 ? "" : this.#lost(this.#dropped);
    this.#dropped = 0;
    stream.write(missing + text);
  }

  /** Settles when all that was written has left this process, or after `limitMs`. */
  async flush(clock: Clock, limitMs: number): Promise<void> {
    const stream = this.#stream;
    if (stream.destroyed || stream.writableLength === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.setTimer(limitMs, resolve);
    stream.write("", () => resolve());
    await promise;
    cancel();
  }
}
