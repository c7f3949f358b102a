/** Waiting for something that another process or socket does in its own time. */
import { setTimeout as sleep } from "node:timers/promises";

/** How long a test waits unless it says otherwise, in ms: long enough for a busy two-core machine. */
const DEFAULT_TIMEOUT_MS = 10_000;

/** Pause between two looks, in ms. */
const DEFAULT_INTERVAL_MS = 20;

/**
 * Calls `probe` until it does not throw and returns its value. After `timeoutMs` it throws an error with the last one as its
 * cause; a probe that hangs is given up then too.
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  options: { timeoutMs?: number; intervalMs?: number } = {},
): Promise<T> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, intervalMs = DEFAULT_INTERVAL_MS } = options;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const given = new Promise<never>((_, reject) => {
    deadline.signal.addEventListener("abort", () => reject(new Error("the probe did not answer")));
  });
  given.catch(() => undefined);
  try {
    for (;;) {
      try {
        return await Promise.race([Promise.resolve().then(probe), given]);
      } catch (error) {
        if (deadline.signal.aborted) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new Error(`not within ${timeoutMs} ms: ${reason}`, { cause: error });
        }
      }
      await sleep(intervalMs);
    }
  } finally {
    clearTimeout(timer);
  }
}
