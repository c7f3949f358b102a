/** Reads a container's log from disk: all of it, its last lines, or on and on while it grows. */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { Clock } from "@fairlead/types";
import { LOG_CHUNK_BYTES, LOG_FOLLOW_INTERVAL_MS } from "../limits.ts";
import { pause } from "../pause.ts";

/** What to read. */
export interface LogRequest {
  readonly file: string;
  /** Only this many lines from the end; absent: all. */
  readonly tailLines?: number;
  /** At most this many bytes. */
  readonly limitBytes?: number;
  /** Goes on as long as this says true, then reads what is left. Absent: ends at the end of the file. */
  readonly growing?: () => boolean;
  readonly signal?: AbortSignal;
  readonly clock: Clock;
}

/** The log's bytes in pieces. A file that is not there reads as empty. */
export async function* readLog(request: LogRequest): AsyncGenerator<Uint8Array, void, undefined> {
  const { file, clock, signal, growing } = request;
  let left = request.limitBytes ?? Number.POSITIVE_INFINITY;
  const log = await open(file, "r").catch(() => undefined);
  if (!log) return;
  try {
    let offset = request.tailLines === undefined ? 0 : await tailOffset(log, request.tailLines);
    while (left > 0) {
      if (signal?.aborted) return;
      // Asked before the read, so that what was written before the end is not missed.
      const more = growing?.() ?? false;
      const { bytesRead, buffer } = await log.read(Buffer.alloc(LOG_CHUNK_BYTES), 0, LOG_CHUNK_BYTES, offset);
      if (bytesRead > 0) {
        const piece = buffer.subarray(0, Math.min(bytesRead, left));
        offset += bytesRead;
        left -= piece.length;
        yield piece;
        continue;
      }
      if (!more) return;
      // Rotation cuts the file: read on from its new beginning.
      if ((await log.stat()).size < offset) offset = 0;
      else await pause(clock, LOG_FOLLOW_INTERVAL_MS, signal);
    }
  } finally {
    await log.close();
  }
}

/** Where the last `lines` lines begin. */
async function tailOffset(log: FileHandle, lines: number): Promise<number> {
  const { size } = await log.stat();
  if (lines <= 0) return size;
  let seen = 0;
  let end = size;
  while (end > 0) {
    const start = Math.max(0, end - LOG_CHUNK_BYTES);
    const { buffer } = await log.read(Buffer.alloc(end - start), 0, end - start, start);
    for (let at = buffer.length - 1; at >= 0; at--) {
      // The newline that ends the last line does not begin another.
      if (buffer[at] !== 0x0a || start + at === size - 1) continue;
      seen += 1;
      if (seen === lines) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
