/** Keeps the pods where their feed says they should be, and drops the answers that a change makes wrong. */
import type { ChangeFeed, FeedBatch, Following } from "@fairlead/bus";
import type { Logger, Startable } from "@fairlead/host";
import type { AnswerCache } from "./answer-cache.ts";
import type { DnsMetrics } from "./dns-metrics.ts";
import type { PodIndex } from "./zone/pod-index.ts";

/** What a follower joins. */
export interface PodFollowerOptions {
  readonly feed: ChangeFeed;
  readonly pods: PodIndex;
  readonly answers: AnswerCache;
  readonly metrics: DnsMetrics;
  readonly log: Logger;
}

/** See the module. Started only where pods are to be verified. */
export class PodFollower implements Startable {
  readonly name = "pods";
  readonly #options: PodFollowerOptions;
  #following: Following | undefined;

  constructor(options: PodFollowerOptions) {
    this.#options = options;
  }

  /** Why names of pods are not answered yet, or undefined. */
  readonly notReady = (): string | undefined =>
    this.#options.pods.synced
      ? undefined
      : "the feed of pods has said nothing yet (endpoint-controller publishes it with --pod-feed on; a bus user may need rights to it)";

  async start(): Promise<void> {
    const { feed, metrics } = this.#options;
    this.#following = feed.follow({
      kinds: ["pod"],
      apply: (batch) => this.#take(batch),
      status: (status) => metrics.podFeedStatus(status),
    });
    metrics.podFeedStatus(this.#following.status);
  }

  async stop(): Promise<void> {
    await this.#following?.stop();
  }

  #take(batch: FeedBatch): void {
    const { pods, answers, log } = this.#options;
    const first = !pods.synced;
    answers.drop(pods.apply(batch));
    if (first) log.info("answers names of pods", { pods: pods.size, source: batch.source });
  }
}
