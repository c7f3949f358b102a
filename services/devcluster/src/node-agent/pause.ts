/** Waiting on the clock, endable from outside. */
import type { Clock } from "@fairlead/types";
import { LONGEST_TIMER_MS } from "./limits.ts";

/** Resolves after `ms` of the clock, or as soon as `signal` is aborted; tells which. Leaves no timer behind. */
export function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<"elapsed" | "aborted"> {
  if (signal?.aborted) return Promise.resolve("aborted");
  return new Promise((resolve) => {
    const abort = (): void => {
      cancel();
      resolve("aborted");
    };
    const cancel = clock.setTimer(Math.min(ms, LONGEST_TIMER_MS), () => {
      signal?.removeEventListener("abort", abort);
      resolve("elapsed");
    });
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** The value of `promise`, or `undefined` once `ms` have passed; the promise itself goes on. */
export async function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([promise, pause(clock, ms, timer.signal).then(() => undefined)]);
  } finally {
    timer.abort();
  }
}

/** A point in time as Kubernetes writes it: RFC 3339 in whole seconds. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
