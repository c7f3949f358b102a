/**
 * Says on the feed what Services, slices and nodes there are. Told of keys that may have changed, it works out their values from what
 * holds now and publishes those that differ from what it published last, in batches, one after the other.
 */
import type { ChangePublisher, Publication } from "@fairlead/bus";
import { feedKindOf, InvalidInputError } from "@fairlead/types";
import type { Clock, FeedKey, FeedValue } from "@fairlead/types";
import type { EndpointControllerMetrics } from "./metrics.ts";

/** A value and the time of its cause, or `undefined` where the object is gone. */
export interface CurrentValue {
  readonly value: FeedValue;
  /** Milliseconds since 1970. */
  readonly trigger?: number;
}

/** What the writer works with. */
export interface FeedWriterOptions {
  readonly publisher: ChangePublisher;
  readonly clock: Clock;
  readonly metrics: EndpointControllerMetrics;
  /** What holds now. */
  readonly current: (key: FeedKey) => CurrentValue | undefined;
  /** A value cannot be published, because it is too large for the bus; the others go on. */
  readonly onRefused: (key: FeedKey, reason: string) => void;
  /** Publishing failed for good: another publisher has taken over, or the feed refused us. */
  readonly onFailure: (error: unknown) => void;
}

/** See the module. */
export class FeedWriter {
  readonly #options: FeedWriterOptions;
  readonly #dirty = new Set<FeedKey>();
  /** What the feed says, by key: the JSON of the value. */
  readonly #published = new Map<FeedKey, string>();
  #open = false;
  #running: Promise<void> | undefined;

  constructor(options: FeedWriterOptions) {
    this.#options = options;
  }

  /** Takes the feed over with everything there is; until then changes are only noted. */
  async open(keys: Iterable<FeedKey>): Promise<void> {
    this.#dirty.clear();
    const state = new Map<FeedKey, FeedValue>();
    for (const key of keys) {
      const value = this.#options.current(key)?.value;
      if (value !== undefined) state.set(key, value);
    }
    await this.#options.publisher.takeOver(state);
    for (const [key, value] of state) this.#remember(key, JSON.stringify(value));
    this.#options.metrics.lastPublish.set(this.#options.clock.now() / 1000);
    this.#open = true;
    this.#pump();
  }

  /** Notes that the object of this key may have changed. */
  touch(key: FeedKey): void {
    this.#dirty.add(key);
    this.#pump();
  }

  /** Publishes nothing more. */
  async close(): Promise<void> {
    this.#open = false;
    await this.#options.publisher.stop();
    await this.#running;
  }

  #pump(): void {
    if (!this.#open || this.#running !== undefined || this.#dirty.size === 0) return;
    this.#running = this.#publishAll().finally(() => {
      this.#running = undefined;
    });
  }

  async #publishAll(): Promise<void> {
    const { publisher, clock, metrics, onFailure } = this.#options;
    // What is touched in the same turn goes out together.
    await Promise.resolve();
    while (this.#open && this.#dirty.size > 0) {
      const publications = [...this.#dirty].flatMap((key) => this.#publication(key));
      this.#dirty.clear();
      if (publications.length === 0) continue;
      try {
        await publisher.publish(publications);
      } catch (error) {
        if (!this.#open) return;
        if (error instanceof InvalidInputError && publications.some(({ key }) => key === error.field)) {
          // Nothing of the batch was taken: all but the refused one are tried again.
          for (const { key } of publications) if (key !== error.field) this.#dirty.add(key);
          this.#options.onRefused(error.field as FeedKey, error.reason);
          continue;
        }
        this.#open = false;
        onFailure(error);
        return;
      }
      for (const { key, value } of publications) {
        this.#remember(key, value === undefined ? undefined : JSON.stringify(value));
        metrics.published.inc({ kind: feedKindOf(key) });
      }
      metrics.lastPublish.set(clock.now() / 1000);
    }
  }

  #publication(key: FeedKey): Publication[] {
    const current = this.#options.current(key);
    const json = current === undefined ? undefined : JSON.stringify(current.value);
    if (json === this.#published.get(key)) return [];
    return [
      {
        key,
        value: current?.value,
        ...(current?.trigger === undefined ? {} : { trigger: current.trigger }),
      },
    ];
  }

  #remember(key: FeedKey, json: string | undefined): void {
    const kind = feedKindOf(key);
    const known = this.#published.has(key);
    if (json === undefined) {
      if (this.#published.delete(key)) this.#options.metrics.feedSize.dec({ kind });
      return;
    }
    this.#published.set(key, json);
    if (!known) this.#options.metrics.feedSize.inc({ kind });
  }
}
