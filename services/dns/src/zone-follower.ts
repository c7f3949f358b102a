/** Keeps the zone where the feed says it should be, and drops the answers that a change makes wrong. */
import type { ChangeFeed, FeedBatch, FeedStatus, Following } from "@fairlead/bus";
import type { Logger, Startable } from "@fairlead/host";
import type { Clock } from "@fairlead/types";
import type { AnswerCache } from "./answer-cache.ts";
import type { DnsMetrics } from "./dns-metrics.ts";
import type { ClusterZone } from "./zone/cluster-zone.ts";
import type { ZoneIndex } from "./zone/zone-index.ts";

/** What a follower joins. */
export interface ZoneFollowerOptions {
  readonly feed: ChangeFeed;
  readonly index: ZoneIndex;
  readonly zone: ClusterZone;
  readonly answers: AnswerCache;
  readonly metrics: DnsMetrics;
  readonly clock: Clock;
  readonly log: Logger;
}

/** See the module. A batch is in force when its hand-over returns: the next query sees all of it. */
export class ZoneFollower implements Startable {
  readonly name = "zone";
  readonly #options: ZoneFollowerOptions;
  #following: Following | undefined;
  #away = false;

  constructor(options: ZoneFollowerOptions) {
    this.#options = options;
  }

  /** Why this server should not be asked yet, or undefined. */
  readonly notReady = (): string | undefined =>
    this.#options.index.synced ? undefined : "no state of the cluster has arrived yet";

  async start(): Promise<void> {
    this.#following = this.#options.feed.follow({
      kinds: ["service", "slice", "namespace"],
      apply: (batch) => this.#take(batch),
      status: (status) => this.#status(status),
    });
    this.#options.metrics.feedStatus(this.#following.status);
  }

  async stop(): Promise<void> {
    await this.#following?.stop();
  }

  #take(batch: FeedBatch): void {
    const { index, zone, answers, metrics, clock, log } = this.#options;
    const first = !index.synced;
    const tags = index.apply(batch);
    if (first || batch.changes.length > 0) zone.serial = Math.floor(clock.now() / 1_000);
    answers.drop(tags);
    metrics.applied(batch, clock.now(), (namespace, name) => index.service(namespace, name)?.kind);
    if (first) log.info("answers for the cluster", { services: index.size, source: batch.source });
  }

  #status(status: FeedStatus): void {
    const { log, metrics } = this.#options;
    metrics.feedStatus(status);
    if (status === "stale") log.notice("the change feed is away: names are answered by the last state");
    else if (this.#away && status === "live") log.notice("the change feed is back");
    this.#away = status === "stale" || (this.#away && status !== "live");
  }
}
