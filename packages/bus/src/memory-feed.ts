/** The change feed within one process: no bus, the same promises. */
import { randomUUID } from "node:crypto";
import type { Clock, FeedKey, FeedValue } from "@fairlead/types";
import type { ChangeFeed, ChangePublisher, Follower, Following, Publication } from "./feed.ts";
import { FencedError, PublisherStoppedError } from "./feed.ts";
import { type FeedLog, silentFeedLog } from "./feed-log.ts";
import { changeOf, FeedState, sameValue } from "./feed-state.ts";
import { Handover } from "./handover.ts";

/** A feed and the way to its writers. */
export interface MemoryFeed {
  readonly feed: ChangeFeed;
  /** A new publisher. The one that took over last is the writer; all earlier ones are fenced out. */
  publisher(): ChangePublisher;
}

/**
 * A feed in memory. Followers hear nothing before the first `takeOver`: until then nobody knows what exists. Values are
 * handed over as they are, not copied: nobody may change one that was published.
 */
export function createMemoryFeed(options: { clock: Clock; log?: FeedLog }): MemoryFeed {
  const { clock, log = silentFeedLog } = options;
  const hub = new MemoryHub(clock, log);
  return { feed: hub, publisher: () => new MemoryPublisher(hub) };
}

/** The one state that everybody shares. */
class MemoryHub implements ChangeFeed {
  readonly state = new FeedState();
  readonly origin = "snapshot";
  readonly #clock: Clock;
  readonly #log: FeedLog;
  readonly #handovers = new Set<Handover>();
  #writer: MemoryPublisher | undefined;

  constructor(clock: Clock, log: FeedLog) {
    this.#clock = clock;
    this.#log = log;
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
    if (this.state.epoch !== undefined) {
      handover.setStatus("live");
      handover.snapshot();
    }
    return handover;
  }

  isWriter(publisher: MemoryPublisher): boolean {
    return this.#writer === publisher;
  }

  takeOver(publisher: MemoryPublisher, wanted: ReadonlyMap<FeedKey, FeedValue>): void {
    this.#writer = publisher;
    const first = this.state.epoch === undefined;
    if (first) this.state.acceptSnapshot({ epoch: randomUUID(), seq: 0, entries: new Map() }, this.#clock.now());
    for (const key of this.state.entries.keys()) if (!wanted.has(key)) this.write({ key, value: undefined });
    for (const [key, value] of wanted) {
      const held = this.state.entries.get(key)?.change?.value;
      if (held === undefined || !sameValue(held, value)) this.write({ key, value });
    }
    if (!first) return;
    for (const handover of this.#handovers) {
      handover.setStatus("live");
      handover.snapshot();
    }
  }

  write(publication: Publication): void {
    const { key, value, trigger } = publication;
    const { epoch, seq, entries } = this.state;
    if (epoch === undefined || (value === undefined && !entries.has(key))) return;
    const change = changeOf({ epoch, seq: seq + 1, key, value, trigger, at: this.#clock.now() });
    this.state.acceptLive({ epoch, seq: change.seq, change });
    for (const handover of this.#handovers) handover.live(change);
  }
}

class MemoryPublisher implements ChangePublisher {
  readonly #hub: MemoryHub;
  #stopped = false;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async takeOver(state: ReadonlyMap<FeedKey, FeedValue>): Promise<void> {
    if (this.#stopped) throw new PublisherStoppedError();
    this.#hub.takeOver(this, state);
  }

  async publish(publications: readonly Publication[]): Promise<void> {
    if (this.#stopped) throw new PublisherStoppedError();
    if (!this.#hub.isWriter(this)) throw new FencedError();
    for (const publication of publications) this.#hub.write(publication);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
  }
}
