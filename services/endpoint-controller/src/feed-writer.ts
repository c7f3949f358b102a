/**
 * Says on the feed what Services, slices and nodes there are. Told of keys that may have changed, it works out their values from what
 * holds now and publishes those that differ from what it published last, in batches, one after the other. Its memory is one JSON text an
 * object; what waits is a set of keys, so it is bounded by the objects there are.
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
  /** A value cannot be published, because it is too large for the bus: the feed says nothing of this key. The others go on. */
  readonly onRefused: (key: FeedKey, reason: string) => void;
  /** Publishing failed for good: another publisher has taken over, or the feed refused us. */
  readonly onFailure: (error: unknown) => void;
}

/** What the feed says of a key. */
interface Published {
  /** JSON of the value. */
  readonly json: string;
  readonly trigger: number | undefined;
}

/** See the module. */
export class FeedWriter {
  readonly #options: FeedWriterOptions;
  readonly #dirty = new Set<FeedKey>();
  readonly #published = new Map<FeedKey, Published>();
  /** Values that the bus would not take, as JSON: they are not tried again. */
  readonly #refused = new Map<FeedKey, string>();
  /** `failed`: another publisher has taken over; {@link open} may take the feed back. */
  #state: "new" | "open" | "failed" | "closed" = "new";
  #running: Promise<void> | undefined;

  constructor(options: FeedWriterOptions) {
    this.#options = options;
  }

  /**
   * Takes the feed over with everything there is; until then changes are only noted. Rejects with the publisher's error. After a failure
   * it may be called again, by who still has a right to the feed.
   */
  async open(keys: Iterable<FeedKey>): Promise<void> {
    if (this.#isClosed()) return;
    this.#state = "new";
    this.#dirty.clear();
    const state = new Map<FeedKey, FeedValue>();
    const given = new Map<FeedKey, Published>();
    for (const key of keys) {
      const current = this.#current(key);
      if (current === undefined) continue;
      state.set(key, current.value);
      given.set(key, current);
    }
    await this.#takeOver(state);
    if (this.#isClosed()) return;
    for (const key of this.#published.keys()) if (!state.has(key)) this.#remember(key, undefined);
    for (const key of state.keys()) this.#remember(key, given.get(key));
    this.#options.metrics.lastPublish.set(this.#options.clock.now() / 1000);
    this.#state = "open";
    this.#pump();
  }

  /** Notes that the object of this key may have changed. */
  touch(key: FeedKey): void {
    if (this.#state === "closed" || this.#state === "failed") return;
    this.#dirty.add(key);
    this.#pump();
  }

  /** Publishes nothing more. */
  async close(): Promise<void> {
    this.#end("closed");
    await this.#options.publisher.stop();
    await this.#running;
  }

  #end(state: "failed" | "closed"): void {
    this.#state = state;
    this.#dirty.clear();
  }

  async #takeOver(state: Map<FeedKey, FeedValue>): Promise<void> {
    for (;;) {
      try {
        return await this.#options.publisher.takeOver(state);
      } catch (error) {
        const key = refusedKey(error, state.keys());
        if (key === undefined) throw error;
        this.#refuse(key, JSON.stringify(state.get(key)), error);
        state.delete(key);
      }
    }
  }

  #pump(): void {
    if (this.#state !== "open" || this.#running !== undefined || this.#dirty.size === 0) return;
    this.#running = this.#publishAll().finally(() => {
      this.#running = undefined;
      // What was touched between the last look and now.
      this.#pump();
    });
  }

  async #publishAll(): Promise<void> {
    const { publisher, clock, metrics, onFailure } = this.#options;
    // What is touched in the same turn goes out together.
    await Promise.resolve();
    while (this.#state === "open" && this.#dirty.size > 0) {
      const changes = [...this.#dirty].flatMap((key) => this.#change(key));
      this.#dirty.clear();
      if (changes.length === 0) continue;
      try {
        await publisher.publish(changes.map(({ publication }) => publication));
      } catch (error) {
        if (this.#isClosed()) return;
        const refused = refusedKey(
          error,
          changes.map(({ publication }) => publication.key),
        );
        if (refused === undefined) {
          this.#end("failed");
          onFailure(error);
          return;
        }
        // Nothing of the batch was taken: the others go out without it, and the feed forgets what it said of it before.
        for (const { publication, next } of changes) {
          this.#dirty.add(publication.key);
          if (publication.key === refused) this.#refuse(refused, next?.json ?? "", error);
        }
        continue;
      }
      for (const { publication, next } of changes) {
        this.#remember(publication.key, next);
        metrics.published.inc({ kind: feedKindOf(publication.key) });
      }
      metrics.lastPublish.set(clock.now() / 1000);
    }
  }

  /** A method, so that the state is looked at anew after a wait. */
  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #current(key: FeedKey): (Published & { readonly value: FeedValue }) | undefined {
    const current = this.#options.current(key);
    if (current === undefined) {
      this.#refused.delete(key);
      return undefined;
    }
    const json = JSON.stringify(current.value);
    const refused = this.#refused.get(key);
    if (refused === json) return undefined;
    if (refused !== undefined) this.#refused.delete(key);
    return { value: current.value, json, trigger: current.trigger };
  }

  /** What to publish of a key, if anything: an unchanged value is no news, and an old trigger is not the cause of a new value. */
  #change(key: FeedKey): { publication: Publication; next: Published | undefined }[] {
    const before = this.#published.get(key);
    const next = this.#current(key);
    if (next?.json === before?.json) {
      if (next !== undefined) this.#remember(key, next);
      return [];
    }
    const trigger = next?.trigger === before?.trigger ? undefined : next?.trigger;
    return [{ publication: { key, value: next?.value, ...(trigger === undefined ? {} : { trigger }) }, next }];
  }

  #refuse(key: FeedKey, json: string, error: unknown): void {
    this.#refused.set(key, json);
    this.#options.onRefused(key, error instanceof InvalidInputError ? error.reason : String(error));
  }

  #remember(key: FeedKey, next: Published | undefined): void {
    const kind = feedKindOf(key);
    const known = this.#published.has(key);
    if (next === undefined) {
      if (this.#published.delete(key)) this.#options.metrics.feedSize.dec({ kind });
      return;
    }
    this.#published.set(key, { json: next.json, trigger: next.trigger });
    if (!known) this.#options.metrics.feedSize.inc({ kind });
  }
}

/** The key that a publisher would not take, if that is what the error says. */
function refusedKey(error: unknown, keys: Iterable<FeedKey>): FeedKey | undefined {
  if (!(error instanceof InvalidInputError)) return undefined;
  for (const key of keys) if (key === error.field) return key;
  return undefined;
}
