/** The reading side over NATS: one connection and one state for all followers of a process. */
import type { NatsConnection } from "@nats-io/transport-node";
import type { Change, Clock, Random } from "@fairlead/types";
import type { ChangeFeed, FeedStatus, Follower, Following } from "../feed.ts";
import type { FeedLog } from "../feed-log.ts";
import { FeedState } from "../feed-state.ts";
import { Handover } from "../handover.ts";
import { Bucket } from "./bucket.ts";
import { CopyKeeper } from "./copy-keeper.ts";
import { FollowerSession } from "./follower-session.ts";
import { DEFAULT_BUCKET } from "./names.ts";
import { checkNatsOptions, type NatsOptions } from "./options.ts";
import { SessionLoop } from "./session-loop.ts";

/** A feed that was not heard from for this long is stale, in ms. */
export const STALE_AFTER_MS = 3_000;

/** How often it is looked whether the feed is stale, in ms. */
const STATUS_MS = 250;

/** How long the bus has to give a snapshot before followers start from the copy on disk, in ms. */
export const COPY_GRACE_MS = 500;

/** Default of `snapshotJitterMs`. */
const DEFAULT_JITTER_MS = 200;

/** What a feed over NATS needs. */
export interface NatsFeedOptions extends NatsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: FeedLog;
  /** Path of the copy on disk; without it there is none. One feed a path. */
  readonly copy?: string;
  /** Name of the connection in the server's list: the node's, say. */
  readonly name?: string;
  /** A follower that has a state waits up to this long, at random, before it reads a new snapshot, in ms: 200 where absent. For a large fleet 2000 × nodes / 200 is about right, 2000 at most. */
  readonly snapshotJitterMs?: number;
}

/** What a feed has seen so far; counts since its start. */
export interface NatsFeedStats {
  readonly status: FeedStatus;
  readonly epoch: string | undefined;
  readonly seq: number;
  readonly keys: number;
  /** Keys of the feed whose value cannot be read: their last readable value stands. */
  readonly unreadableKeys: readonly string[];
  readonly connects: number;
  readonly snapshots: number;
  /** Times that the state was found in doubt: a loss, a new epoch, a difference. */
  readonly doubts: number;
  readonly changes: number;
}

/** A {@link ChangeFeed} with a life of its own. */
export interface NatsFeed extends ChangeFeed {
  readonly name: string;
  /** Reads the copy on disk and begins to connect. Settles at once, whether or not the bus is there. */
  start(): Promise<void>;
  /** Ends every follower, writes the copy and closes the connection. */
  stop(): Promise<void>;
  stats(): NatsFeedStats;
}

/** A feed over NATS, not yet started. Throws `InvalidInputError` for options that can never work. */
export function createNatsFeed(options: NatsFeedOptions): NatsFeed {
  checkNatsOptions(options);
  return new NatsChangeFeed(options);
}

class NatsChangeFeed implements NatsFeed {
  readonly name = "feed";
  readonly state = new FeedState();
  readonly #options: NatsFeedOptions;
  readonly #clock: Clock;
  readonly #log: FeedLog;
  readonly #loop: SessionLoop;
  readonly #copy: CopyKeeper | undefined;
  readonly #handovers = new Set<Handover>();
  #origin: "disk" | "snapshot" = "disk";
  /** Followers may have the state. */
  #open = false;
  #status: FeedStatus = "connecting";
  #heardAt = Number.NEGATIVE_INFINITY;
  #cancelGrace = (): void => undefined;
  #cancelStatus = (): void => undefined;
  #unreadable: readonly string[] = [];
  #snapshots = 0;
  #doubts = 0;
  #changes = 0;

  constructor(options: NatsFeedOptions) {
    this.#options = options;
    this.#clock = options.clock;
    this.#log = options.log;
    const { clock, random, log, copy } = options;
    this.#loop = new SessionLoop({
      nats: options,
      name: options.name ?? "fairlead-follower",
      clock,
      random,
      log,
      session: (connection, signal) => this.#session(connection, signal),
    });
    if (copy !== undefined) this.#copy = new CopyKeeper({ path: copy, state: this.state, clock, log });
  }

  get origin(): "disk" | "snapshot" {
    return this.#origin;
  }

  async start(): Promise<void> {
    const found = await this.#copy?.read();
    if (found) {
      this.state.acceptSnapshot(found, this.#clock.now());
      this.#cancelGrace = this.#clock.setTimer(COPY_GRACE_MS, () => this.#openFromDisk());
    }
    this.#watchStatus();
    this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#cancelGrace();
    this.#cancelStatus();
    this.#status = "closed";
    await this.#loop.stop();
    await Promise.all(Array.from(this.#handovers, (handover) => handover.stop()));
    await this.#copy?.stop();
  }

  follow(follower: Follower): Following {
    const handover = new Handover({
      follower,
      source: this,
      clock: this.#clock,
      log: this.#log,
      stopped: (ended) => void this.#handovers.delete(ended),
    });
    this.#handovers.add(handover);
    handover.setStatus(this.#status);
    if (this.#open) handover.snapshot();
    return handover;
  }

  stats(): NatsFeedStats {
    return {
      status: this.#status,
      epoch: this.state.epoch,
      seq: this.state.seq,
      keys: this.state.entries.size,
      unreadableKeys: this.#unreadable,
      connects: this.#loop.connects,
      snapshots: this.#snapshots,
      doubts: this.#doubts,
      changes: this.#changes,
    };
  }

  async #session(connection: NatsConnection, signal: AbortSignal): Promise<void> {
    const { bucket: name = DEFAULT_BUCKET, inboxPrefix, random, snapshotJitterMs = DEFAULT_JITTER_MS } = this.#options;
    const bucket = await Bucket.open(connection, name);
    const session = new FollowerSession({
      connection,
      signal,
      bucket,
      state: this.state,
      hooks: {
        aligned: (how) => this.#aligned(how),
        stepped: (change) => this.#stepped(change),
        heard: () => this.#heard(),
        doubted: (reason) => this.#doubted(reason),
        unreadable: (keys) => this.#cannotRead(keys),
      },
      clock: this.#clock,
      random,
      log: this.#log,
      inboxPrefix,
      jitterMs: snapshotJitterMs,
    });
    await session.run();
  }

  #aligned(how: "snapshot" | "resumed"): void {
    const { epoch, seq, entries } = this.state;
    this.#log.info("the feed is here", { how, epoch, seq, keys: entries.size });
    this.#cancelGrace();
    const first = !this.#open || this.#origin === "disk";
    this.#origin = "snapshot";
    this.#open = true;
    if (how === "snapshot") this.#snapshots++;
    if (how === "resumed" && !first) return;
    for (const handover of this.#handovers) handover.snapshot();
    this.#copy?.changed();
  }

  #openFromDisk(): void {
    this.#log.warn("the bus is away: starting from the copy on disk", {
      seq: this.state.seq,
      keys: this.state.entries.size,
    });
    this.#open = true;
    this.#setStatus("stale");
    for (const handover of this.#handovers) handover.snapshot();
  }

  #stepped(change: Change): void {
    this.#changes++;
    for (const handover of this.#handovers) handover.live(change);
    this.#copy?.changed();
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    if (this.#status !== "live") this.#setStatus("live");
  }

  #doubted(reason: string): void {
    this.#doubts++;
    this.#log.warn("the feed is read anew", { reason, epoch: this.state.epoch, seq: this.state.seq });
  }

  #cannotRead(keys: readonly string[]): void {
    if (keys.length > 0)
      this.#log.error("values of the feed cannot be read: their last ones stand", {
        keys: keys.slice(0, 10),
        count: keys.length,
      });
    this.#unreadable = keys;
  }

  #watchStatus(): void {
    const silent = this.#clock.monotonic() - this.#heardAt;
    if (this.#status === "live" && silent > STALE_AFTER_MS) {
      this.#log.warn("the feed is silent: the last state stands", { seq: this.state.seq });
      this.#setStatus("stale");
    }
    this.#cancelStatus = this.#clock.setTimer(STATUS_MS, () => this.#watchStatus());
  }

  #setStatus(status: FeedStatus): void {
    if (this.#status === status || this.#status === "closed") return;
    this.#status = status;
    for (const handover of this.#handovers) handover.setStatus(status);
  }
}
