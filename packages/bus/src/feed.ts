/**
 * The change feed: how the endpoint-controller tells every other part what Services, slices, nodes and namespaces there are.
 * Pods have a feed of their own, of the same kind, so that only who asks for them pays for them.
 *
 * A follower may rely on five promises, whatever the transport. `feedCompliance` (./testing.ts) holds each transport to them.
 *
 * 1. The first batch is a snapshot: complete, at one `(epoch, seq)`. An empty one is handed over too: it says "nothing exists".
 * 2. Then changes, in order, without a gap, each applied once; changes that arrive together are handed over together.
 * 3. A lost message, a slow follower, a bus restart or a lost bucket (new epoch) is noticed within 3 s and ends in a new
 *    snapshot, handed over as the difference to what the follower already has. A follower is never silently wrong.
 * 4. While the bus is away the last state stands. A follower started meanwhile begins from its copy on disk (`source: "disk"`).
 * 5. One writer: a second or stale publisher is refused by revision ({@link FencedError}), not by hope.
 */
import { CodedError } from "@fairlead/types";
import type { Change, FeedKey, FeedKind, FeedValue } from "@fairlead/types";

/** Where a batch comes from: the copy on disk, a snapshot (as a difference to what was handed over before), or live changes. */
export type BatchSource = "disk" | "snapshot" | "live";

/** Changes that belong together. After it, the follower's state is exactly the feed's at `(epoch, seq)`. */
export interface FeedBatch {
  readonly source: BatchSource;
  readonly epoch: string;
  readonly seq: number;
  /** May be empty: a snapshot that differs in nothing, or an empty feed. */
  readonly changes: readonly Change[];
}

/** `live`: heard from within 3 s. `stale`: the last state stands, the feed is away. */
export type FeedStatus = "connecting" | "live" | "stale" | "closed";

/** Kinds that a follower receives where it names none: what traffic goes by. */
export const DEFAULT_KINDS: readonly FeedKind[] = ["service", "slice", "node"];

/** What a follower hands to {@link ChangeFeed.follow}. */
export interface Follower {
  /** Kinds to receive; {@link DEFAULT_KINDS} where absent. */
  readonly kinds?: readonly FeedKind[];
  /** Takes a batch. The next one waits until the returned promise settles; a rejection ends in a new snapshot. */
  apply(batch: FeedBatch): void | Promise<void>;
  /** Told on every change of status. */
  status?(status: FeedStatus): void;
}

/** A running follower. */
export interface Following {
  readonly status: FeedStatus;
  /** Ends it; no batch is handed over once the promise has settled. */
  stop(): Promise<void>;
}

/** The reading side. */
export interface ChangeFeed {
  /** Begins to follow; returns at once, also while the bus is away. */
  follow(follower: Follower): Following;
}

/** What a publisher wants the feed to say of one key: a value, or nothing (`undefined` deletes). */
export interface Publication {
  readonly key: FeedKey;
  readonly value: FeedValue | undefined;
  /** Time of the cause, in milliseconds since 1970. */
  readonly trigger?: number;
}

/** The writing side. One at a time a feed. */
export interface ChangePublisher {
  /**
   * Makes the feed say exactly `state`: what differs is put or deleted. Takes the writer's role over from an earlier
   * publisher, which is fenced out from then on. Call it first, and again after {@link FencedError} if still in charge.
   * While the bus is away it waits; what is published meanwhile counts on top of `state`. Values are not copied: nobody may
   * change one that was given.
   */
  takeOver(state: ReadonlyMap<FeedKey, FeedValue>): Promise<void>;
  /**
   * Publishes changes in order; settles when the bus holds them. While the bus is away it keeps the last wish for each
   * key and publishes when it is back, so the promise may take that long. Rejects with {@link FencedError} once fenced.
   */
  publish(publications: readonly Publication[]): Promise<void>;
  /**
   * Publishes nothing more. Unpublished wishes are dropped, and their promises reject with {@link PublisherStoppedError}:
   * the next publisher's takeOver repeats them.
   */
  stop(): Promise<void>;
}

/** Thrown when another publisher has taken over: this one's view may be old and must not be written. */
export class FencedError extends CodedError {
  readonly code = "FEED_FENCED";

  constructor(message = "another publisher has taken over the feed") {
    super(message);
    this.name = "FencedError";
  }
}

/** Thrown when a publisher was stopped before the bus held what it was given. */
export class PublisherStoppedError extends CodedError {
  readonly code = "FEED_STOPPED";

  constructor(message = "the publisher has stopped") {
    super(message);
    this.name = "PublisherStoppedError";
  }
}
