/** Buffers that relays read into, kept for the next connection. */

/** What a relay starts with, in bytes: most requests and answers fit. */
export const SMALL_READ_BYTES = 8 * 1024;

/** What a relay reads into once a read has filled the small one, in bytes. */
export const LARGE_READ_BYTES = 64 * 1024;

/** Small buffers kept for reuse; more are left to the garbage collector. Bounds the idle memory to 4 MiB. */
export const MAX_KEPT_BUFFERS = 512;

/** See the module. A buffer must be given back only when nothing will read or write it any more. */
export class ReadBuffers {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(SMALL_READ_BYTES);
  }

  giveBack(buffer: Buffer): void {
    if (buffer.length === SMALL_READ_BYTES && this.#free.length < MAX_KEPT_BUFFERS) this.#free.push(buffer);
  }
}
