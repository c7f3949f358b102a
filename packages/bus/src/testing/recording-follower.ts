/** A follower that remembers, and watches that the feed keeps to what can be seen from one follower's side. */
import { feedKindOf } from "@fairlead/types";
import type { FeedKey, FeedKind, FeedValue } from "@fairlead/types";
import type { FeedBatch, FeedStatus, Follower } from "../feed.ts";

/** See the module. */
export class RecordingFollower implements Follower {
  /** The default kinds where absent. */
  readonly kinds?: readonly FeedKind[];
  readonly batches: FeedBatch[] = [];
  readonly statuses: FeedStatus[] = [];
  /** What the batches amount to. */
  readonly values = new Map<FeedKey, FeedValue>();
  /** What the feed did that it must not: empty as long as all is well. */
  readonly violations: string[] = [];
  /** Batches that were asked to be rejected and were. */
  rejected = 0;
  #rejections = 0;
  #gate: Promise<void> | undefined;
  #busy = false;
  #last: { epoch: string; seq: number } | undefined;

  constructor(options: { kinds?: readonly FeedKind[] } = {}) {
    if (options.kinds) this.kinds = options.kinds;
  }

  /** From now on `apply` does not settle, until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return () => {
      this.#gate = undefined;
      resolve();
    };
  }

  /** Takes half of each of the next `count` batches and then rejects it. */
  reject(count: number): void {
    this.#rejections = count;
  }

  async apply(batch: FeedBatch): Promise<void> {
    if (this.#busy) this.violations.push("a batch came before the one before it was applied");
    this.#busy = true;
    try {
      await this.#take(batch);
    } finally {
      this.#busy = false;
    }
  }

  /** Every change handed over so far, as `put <key>` or `delete <key>`; of batches from the `from`-th on. */
  told(from = 0): string[] {
    return this.batches.slice(from).flatMap(({ changes }) => changes.map(({ op, key }) => `${op} ${key}`));
  }

  status(status: FeedStatus): void {
    if (this.statuses.at(-1) === status) this.violations.push(`told of ${status} twice`);
    if (this.statuses.includes("closed")) this.violations.push("told of a status after the end");
    this.statuses.push(status);
  }

  async #take(batch: FeedBatch): Promise<void> {
    if (this.statuses.includes("closed")) this.violations.push("a batch came after the end");
    this.#inspect(batch);
    this.batches.push(batch);
    await this.#gate;
    const failing = this.#rejections > 0;
    const changes = failing ? batch.changes.slice(0, Math.ceil(batch.changes.length / 2)) : batch.changes;
    for (const change of changes) {
      if (change.op === "put") this.values.set(change.key, change.value);
      else this.values.delete(change.key);
    }
    if (!failing) return;
    this.#rejections--;
    this.rejected++;
    throw new Error("rejected as the test asked");
  }

  #inspect(batch: FeedBatch): void {
    const last = this.#last;
    this.#last = { epoch: batch.epoch, seq: batch.seq };
    if (batch.changes.some(({ key }) => this.kinds?.includes(feedKindOf(key)) === false)) {
      this.violations.push("a kind that was not asked for");
    }
    if (batch.source !== "live") return;
    if (last === undefined) this.violations.push("the first batch is no snapshot");
    let before = last?.seq ?? 0;
    for (const { epoch, seq } of batch.changes) {
      if (epoch !== batch.epoch || epoch !== last?.epoch) this.violations.push("a live change of another epoch");
      if (seq <= before) this.violations.push(`change ${seq} after ${before}`);
      before = seq;
    }
    if (before > batch.seq) this.violations.push(`a batch at ${batch.seq} holds change ${before}`);
  }
}
