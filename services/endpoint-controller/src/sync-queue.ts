/** Which Services are to be brought up to date, and when: at once, or together with what comes next. */
import type { Logger } from "@fairlead/host";
import { WorkQueue } from "@fairlead/reconcile";
import type { Clock, Random } from "@fairlead/types";
import { showWhenRead } from "./metrics.ts";
import type { EndpointControllerMetrics } from "./metrics.ts";

/** Services synced at the same time; each sync waits for the API, so this bounds open requests. */
export const syncConcurrency = 8;
/** Waits between tries of a Service that could not be synced, in milliseconds. It is never given up. */
export const firstSyncRetryMs = 50;
export const longestSyncRetryMs = 30_000;
/**
 * A Service that was just written waits this long before it is written again for endpoints that came, so that those which come together
 * are written together. One that leaves is never waited for. In milliseconds.
 */
export const syncPauseMs = 50;

/** What a sync of a Service came to. */
export interface SyncResult {
  /** Whether the Service exists. */
  readonly exists: boolean;
  readonly writes: number;
}

/** See the module. Keys are `<namespace>/<name>`; there are never more than Services that exist or have just gone. */
export class SyncQueue {
  readonly #sync: (namespace: string, name: string) => Promise<SyncResult>;
  readonly #metrics: EndpointControllerMetrics;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #queue: WorkQueue<string>;
  /** When each Service was last written, on the monotonic clock. */
  readonly #writtenAt = new Map<string, number>();

  constructor(options: {
    sync: (namespace: string, name: string) => Promise<SyncResult>;
    metrics: EndpointControllerMetrics;
    log: Logger;
    clock: Clock;
    random: Random;
  }) {
    const { clock, random } = options;
    this.#sync = options.sync;
    this.#metrics = options.metrics;
    this.#log = options.log;
    this.#clock = clock;
    this.#queue = new WorkQueue({
      process: (key) => this.#process(key),
      clock,
      random,
      concurrency: syncConcurrency,
      baseDelayMs: firstSyncRetryMs,
      maxDelayMs: longestSyncRetryMs,
      onError: (key, error, attempt) => this.#onError(key, error, attempt),
    });
    showWhenRead(this.#metrics.queued, () => this.#queue.size);
  }

  /** Begins; what was asked for before is kept. */
  start(): void {
    this.#queue.start();
  }

  /** Settles when no sync is under way; none begins afterwards. */
  stop(): Promise<void> {
    return this.#queue.stop();
  }

  /** Something may be wrong with the Service: sync it at once. */
  now(namespace: string, name: string): void {
    this.#queue.add(`${namespace}/${name}`);
  }

  /** Something was added to the Service: sync it at once, but not within {@link syncPauseMs} of its last write. */
  soon(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    const since = this.#clock.monotonic() - (this.#writtenAt.get(key) ?? Number.NEGATIVE_INFINITY);
    if (since >= syncPauseMs) this.#queue.add(key);
    else this.#queue.addAfter(key, syncPauseMs - since);
  }

  async #process(key: string): Promise<void> {
    const slash = key.indexOf("/");
    const { exists, writes } = await this.#sync(key.slice(0, slash), key.slice(slash + 1));
    this.#metrics.syncs.inc({ result: "success" });
    if (!exists) this.#writtenAt.delete(key);
    else if (writes > 0) this.#writtenAt.set(key, this.#clock.monotonic());
  }

  #onError(key: string, error: unknown, attempt: number): void {
    this.#metrics.syncs.inc({ result: "error" });
    // The first tries may lose a race with another writer, which the next one settles; after that a reminder is enough.
    const level = attempt % 10 === 3 ? "warn" : "debug";
    this.#log[level]("a Service could not be synced and is tried again", { service: key, attempt, error });
  }
}
