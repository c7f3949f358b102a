/**
 * The feed of pods, written beside the main one. The main feed decides who is in charge: an instance that lost it closes this one too, so
 * one that still has it takes this one back, whoever was here in between (two instances that start at once may meet in either order).
 */
import { FencedError } from "@fairlead/bus";
import type { ChangePublisher } from "@fairlead/bus";
import type { Logger } from "@fairlead/host";
import type { Clock, FeedKey } from "@fairlead/types";
import { FeedWriter } from "./feed-writer.ts";
import type { CurrentValue } from "./feed-writer.ts";
import type { EndpointControllerMetrics } from "./metrics.ts";

/** Pause before the feed is taken back, in milliseconds: longer than it takes the loser of the main feed to notice (its heartbeat, 1 s). */
export const takeBackMs = 3_000;

/** See the module. */
export class PodFeed {
  readonly #writer: FeedWriter;
  readonly #keys: () => Iterable<FeedKey>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #onFailure: (error: unknown) => void;
  #cancel = (): void => {};
  #opening: Promise<void> | undefined;
  #opened = false;
  #closed = false;

  constructor(options: {
    publisher: ChangePublisher;
    /** Every pod there is. */
    keys: () => Iterable<FeedKey>;
    current: (key: FeedKey) => CurrentValue | undefined;
    metrics: EndpointControllerMetrics;
    clock: Clock;
    log: Logger;
    onRefused: (key: FeedKey, reason: string) => void;
    /** Publishing failed for good, for another reason than another publisher. */
    onFailure: (error: unknown) => void;
  }) {
    const { publisher, clock, metrics, current, onRefused } = options;
    this.#keys = options.keys;
    this.#clock = clock;
    this.#log = options.log;
    this.#onFailure = options.onFailure;
    this.#writer = new FeedWriter({
      publisher,
      clock,
      metrics,
      current,
      onRefused,
      onFailure: (error) => this.#failed(error),
    });
  }

  /** Why the feed does not say yet what pods there are, or undefined. */
  whyNotReady(): string | undefined {
    return this.#opened ? undefined : "waiting for the bus to take the pods";
  }

  /** Begins to take the feed over; returns at once, as a bus that is away or refuses must not hold up the main feed. */
  open(): void {
    if (!this.#closed) this.#opening = this.#open();
  }

  /** Notes that a pod may have changed. */
  touch(key: FeedKey): void {
    this.#writer.touch(key);
  }

  /** Publishes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#writer.close();
    await this.#opening;
  }

  async #open(): Promise<void> {
    try {
      await this.#writer.open(this.#keys());
      this.#opened = true;
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#opened = false;
    if (!(error instanceof FencedError)) return this.#onFailure(error);
    this.#log.warn("another publisher has taken the feed of pods; it is taken back unless it has the main feed too");
    this.#cancel();
    this.#cancel = this.#clock.setTimer(takeBackMs, () => this.open());
  }
}
