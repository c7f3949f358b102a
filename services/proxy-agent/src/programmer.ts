/** Keeps the plane where the feed says it should be. */
import type { ChangeFeed, FeedBatch, FeedStatus, Following } from "@fairlead/bus";
import type { Logger, Startable } from "@fairlead/host";
import { BoundedFrequencyRunner } from "@fairlead/reconcile";
import type { Clock } from "@fairlead/types";
import type { DesiredDifference, DesiredState } from "./desired-state.ts";
import type { HealthCheckServers } from "./health-check-servers.ts";
import type { Plane, PlaneChange } from "./plane.ts";
import type { ProxyMetrics } from "./proxy-metrics.ts";
import type { ServiceObserver } from "./service-observer.ts";

/** A run without a request, in milliseconds; it finds nothing to do unless an earlier one failed. */
const IDLE_INTERVAL_MS = 30_000;

/** Time until a change that failed is tried again from scratch, in milliseconds. */
const RETRY_INTERVAL_MS = 1_000;

/** A change that waits longer than this to be programmed means that something is stuck, in milliseconds. */
export const STUCK_AFTER_MS = 60_000;

/** What the programmer joins. */
export interface ProgrammerOptions {
  readonly feed: ChangeFeed;
  readonly state: DesiredState;
  readonly plane: Plane;
  readonly healthChecks: HealthCheckServers;
  readonly metrics: ProxyMetrics;
  readonly observer: ServiceObserver;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Batches of the feed only mark what changed; one run at a time brings the plane there, and what arrives meanwhile is handled
 * by the next run together. Nothing is programmed before the feed's first batch.
 */
export class Programmer implements Startable {
  readonly name = "programmer";
  readonly #options: ProgrammerOptions;
  readonly #runner: BoundedFrequencyRunner;
  #following: Following | undefined;
  #seen = false;
  #away = false;
  #programmed = false;
  #intact = true;
  /** When the oldest change came that no run has taken yet, and when the run began that goes on; monotonic. */
  #waitingSince: number | undefined;
  #runningSince: number | undefined;

  constructor(options: ProgrammerOptions) {
    this.#options = options;
    this.#runner = new BoundedFrequencyRunner({
      name: "programmer",
      run: () => this.#run(),
      minIntervalMs: 0,
      maxIntervalMs: IDLE_INTERVAL_MS,
      retryIntervalMs: RETRY_INTERVAL_MS,
      clock: options.clock,
      onError: (error) => options.log.error("the plane could not be programmed; it will be built anew", { error }),
    });
  }

  /** Why this node should not get traffic yet, or undefined. */
  readonly notReady = (): string | undefined =>
    this.#programmed ? undefined : "no state of the cluster has arrived yet";

  /** Why this process should be restarted, or undefined. */
  readonly notLive = (): string | undefined => {
    const since = this.#runningSince ?? this.#waitingSince;
    if (since === undefined) return undefined;
    const waited = this.#options.clock.monotonic() - since;
    return waited > STUCK_AFTER_MS ? `a change has waited ${Math.round(waited)} ms` : undefined;
  };

  async start(): Promise<void> {
    this.#runner.start();
    this.#following = this.#options.feed.follow({
      apply: (batch) => this.#take(batch),
      status: (status) => this.#status(status),
    });
    this.#options.metrics.feedStatus(this.#following.status);
  }

  async stop(): Promise<void> {
    await this.#following?.stop();
    await this.#runner.stop();
    await this.#options.healthChecks.stop();
  }

  #take(batch: FeedBatch): void {
    this.#options.state.feed(batch);
    this.#seen = true;
    this.#waitingSince ??= this.#options.clock.monotonic();
    this.#runner.request();
  }

  #status(status: FeedStatus): void {
    const { log, metrics } = this.#options;
    metrics.feedStatus(status);
    if (status === "stale") log.notice("the change feed is away: traffic goes by the last state");
    else if (this.#away && status === "live") log.notice("the change feed is back");
    this.#away = status === "stale" || (this.#away && status !== "live");
    log.debug("feed", { status });
  }

  async #run(): Promise<void> {
    if (!this.#seen) return;
    const { plane, state, clock, metrics } = this.#options;
    const began = clock.monotonic();
    this.#runningSince = this.#waitingSince ?? began;
    this.#waitingSince = undefined;
    try {
      if (!this.#intact) {
        await plane.cleanup();
        state.restart();
        this.#intact = true;
      }
      const difference = state.take();
      await this.#program(difference);
      this.#programmed = true;
      metrics.programmed({ ms: clock.monotonic() - began, now: clock.now(), triggers: difference.triggers });
    } catch (error) {
      this.#waitingSince = this.#runningSince;
      throw error;
    } finally {
      this.#runningSince = undefined;
    }
  }

  async #program({ change, healthChecks }: DesiredDifference): Promise<void> {
    const { plane, observer } = this.#options;
    if (!isEmpty(change)) {
      try {
        await plane.apply(change);
      } catch (error) {
        this.#intact = false;
        throw error;
      }
      for (const entry of change.removed) observer.forget(entry);
    }
    for (const [service, plan] of healthChecks) await this.#options.healthChecks.set(service, plan);
  }
}

function isEmpty({ added, updated, removed, node }: PlaneChange): boolean {
  return node === undefined && added.length + updated.length + removed.length === 0;
}
