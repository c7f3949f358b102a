/** Keeps the plane where the feed says it should be. */
import type { ChangeFeed, FeedBatch, FeedStatus, Following } from "@fairlead/bus";
import type { Logger, Startable } from "@fairlead/host";
import { BoundedFrequencyRunner } from "@fairlead/reconcile";
import type { Clock, IpFamily } from "@fairlead/types";
import type { DesiredDifference, DesiredState } from "./desired-state.ts";
import { ipFamilies } from "./feed-changes.ts";
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

/** A change that failed is tried again this often on top of what is there, before everything is removed and built anew. */
const MAX_RESUMPTIONS = 3;

/** A plane that can be started again without removing what it made. */
export interface ProgrammedPlane extends Pick<Plane, "mode" | "apply" | "cleanup"> {
  /** Forgets what it holds: the next change adds everything. What can stay in force meanwhile stays. */
  resume(): Promise<void>;
}

/** How the agent is, for who asks. */
export interface ProgrammingHealth {
  /** No change waits for too long. */
  readonly healthy: boolean;
  /** End of the last run that did what it should, in milliseconds since 1970; undefined before the first. */
  readonly lastUpdated: number | undefined;
}

/** What the programmer joins. */
export interface ProgrammerOptions {
  readonly feed: ChangeFeed;
  readonly state: DesiredState;
  readonly plane: ProgrammedPlane;
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
  #lastUpdated: number | undefined;
  /** Runs that failed since one was right. */
  #failures = 0;
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
    this.#lastUpdated === undefined ? "no state of the cluster has arrived yet" : undefined;

  /** Why this process should be restarted, or undefined. */
  readonly notLive = (): string | undefined => {
    const since = this.#runningSince ?? this.#waitingSince;
    if (since === undefined) return undefined;
    const waited = this.#options.clock.monotonic() - since;
    return waited > STUCK_AFTER_MS ? `a change has waited ${Math.round(waited)} ms` : undefined;
  };

  get health(): ProgrammingHealth {
    return { healthy: this.notLive() === undefined, lastUpdated: this.#lastUpdated };
  }

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
    const { clock, metrics, state } = this.#options;
    metrics.queued(state.feed(batch), clock.now());
    this.#seen = true;
    this.#waitingSince ??= clock.monotonic();
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
      if (this.#failures > 0) {
        await (this.#failures > MAX_RESUMPTIONS ? plane.cleanup() : plane.resume());
        state.restart();
      }
      const full = this.#failures > 0 || this.#lastUpdated === undefined;
      metrics.taken();
      const difference = state.take();
      await this.#program(difference, full);
      this.#failures = 0;
      const now = clock.now();
      this.#lastUpdated = now;
      const { change, triggers } = difference;
      metrics.programmed({ ms: clock.monotonic() - began, now, triggers, families: familiesOf(change), full });
    } catch (error) {
      this.#waitingSince = this.#runningSince;
      this.#failures += 1;
      metrics.failed(plane.mode);
      throw error;
    } finally {
      this.#runningSince = undefined;
    }
  }

  async #program({ change, healthChecks }: DesiredDifference, full: boolean): Promise<void> {
    const { plane, observer } = this.#options;
    try {
      // Also a whole state that is empty: the kernel may hold something of an earlier run.
      if (full || !isEmpty(change)) await plane.apply(change);
      for (const entry of change.removed) observer.forget(entry);
    } finally {
      // No later difference tells of these again.
      for (const [service, plan] of healthChecks) await this.#options.healthChecks.set(service, plan);
    }
  }
}

function familiesOf({ added, updated, removed, node }: PlaneChange): ReadonlySet<IpFamily> {
  if (node !== undefined) return new Set(ipFamilies);
  return new Set([...added, ...updated.map(({ after }) => after), ...removed].map(({ family }) => family));
}

function isEmpty({ added, updated, removed, node }: PlaneChange): boolean {
  return node === undefined && added.length + updated.length + removed.length === 0;
}
