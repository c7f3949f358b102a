/** What a test of the suite works with: followers and publishers of one setup, and the questions asked of them. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { eventually } from "@fairlead/testkit";
import { feedKeyOf } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import type { ChangeFeed, ChangePublisher, FeedStatus, Following } from "../feed.ts";
import { RecordingFollower } from "./recording-follower.ts";
import { stateOf } from "./samples.ts";

/** Long enough for what is promised within 3 s on a machine that has other things to do, in ms. */
const PATIENCE_MS = 15_000;

/** What may happen to a bus. */
export interface BusDisturbances {
  /** Whatever is under way to and from followers is lost while `meanwhile` runs; connections stay open. */
  loseMessages(meanwhile: () => Promise<void>): Promise<void>;
  /** From now on, what goes to and comes from followers is this much later, in ms. */
  delay(ms: number): void;
  /** Ends the bus without warning. */
  kill(): Promise<void>;
  /** Starts it again, at the same address and with what it has stored. */
  start(): Promise<void>;
  /** Removes all it has stored; while it is ended. */
  wipe(): Promise<void>;
}

/** One fresh, empty feed under test. */
export interface FeedSetup {
  /** A reading side of its own, as another process would have; started. */
  feed(): Promise<ChangeFeed>;
  /** A writing side of its own; started. */
  publisher(): Promise<ChangePublisher>;
  /** Absent where nothing lies between the two sides. */
  readonly bus?: BusDisturbances;
  /** Ends everything that the setup gave out. */
  close(): Promise<void>;
}

/** See the module. */
export class FeedStage {
  readonly #setup: FeedSetup;
  readonly #followings: Following[] = [];
  readonly #followers: RecordingFollower[] = [];

  constructor(setup: FeedSetup) {
    this.#setup = setup;
  }

  /** What lies between the two sides. Throws for a setup that has nothing and did not say so. */
  get bus(): BusDisturbances {
    if (this.#setup.bus === undefined) throw new Error("this setup has no bus, and does not say why");
    return this.#setup.bus;
  }

  get hasBus(): boolean {
    return this.#setup.bus !== undefined;
  }

  /** A follower on a reading side of its own. */
  async follow(follower = new RecordingFollower()): Promise<RecordingFollower> {
    await this.followBy(follower);
    return follower;
  }

  /** The same, for who wants to stop it. */
  async followBy(follower: RecordingFollower): Promise<Following> {
    const feed = await this.#setup.feed();
    const following = feed.follow(follower);
    this.#followers.push(follower);
    this.#followings.push(following);
    return following;
  }

  /** A publisher that has not taken over. */
  publisher(): Promise<ChangePublisher> {
    return this.#setup.publisher();
  }

  /** A publisher that has taken over with these values. */
  async writer(...values: readonly FeedValue[]): Promise<ChangePublisher> {
    const publisher = await this.#setup.publisher();
    await publisher.takeOver(stateOf(...values));
    return publisher;
  }

  /** Waits until the follower holds exactly these values. */
  async holds(follower: RecordingFollower, ...values: readonly FeedValue[]): Promise<void> {
    const wanted = stateOf(...values);
    // Not `assert.deepEqual`: at each try it would work out how two maps of thousands differ.
    await this.becomes(() => {
      if (isDeepStrictEqual(follower.values, wanted)) return;
      const missing = [...wanted].filter(([key, value]) => !isDeepStrictEqual(follower.values.get(key), value));
      const extra = [...follower.values.keys()].filter((key) => !wanted.has(key));
      const few = (keys: readonly string[]): string => `${keys.length} (${keys.slice(0, 5).join(", ")})`;
      throw new Error(`lacks or has otherwise ${few(missing.map(([key]) => key))}, has too much ${few(extra)}`);
    });
  }

  /** Waits until the follower was told of this status last. */
  async status(follower: RecordingFollower, status: FeedStatus): Promise<void> {
    await this.becomes(() => assert.equal(follower.statuses.at(-1), status));
  }

  /** Waits until the expectation is met. */
  async becomes(expectation: () => void): Promise<void> {
    await eventually(expectation, { timeoutMs: PATIENCE_MS });
  }

  /** Ends everything, and looks once more whether any follower has seen what it must not. */
  async close(): Promise<void> {
    await Promise.all(this.#followings.map((following) => following.stop()));
    await this.#setup.close();
    for (const follower of this.#followers) assert.deepEqual(follower.violations, []);
  }
}

/** Publishes values. */
export function put(publisher: ChangePublisher, ...values: readonly FeedValue[]): Promise<void> {
  return publisher.publish(values.map((value) => ({ key: feedKeyOf(value), value })));
}

/** Publishes deletes. */
export function remove(publisher: ChangePublisher, ...keys: readonly FeedKey[]): Promise<void> {
  return publisher.publish(keys.map((key) => ({ key, value: undefined })));
}
