/**
 * What one side of the feed knows at one `(epoch, seq)`, and the rules by which it moves. Pure: no I/O, no time.
 *
 * An entry that could not be read (`change` absent) still counts: it is in the feed, so it is in the digest, and a follower
 * that forgot it would take the next comparison for a loss.
 */
import { isDeepStrictEqual } from "node:util";
import { changeVersion } from "@fairlead/types";
import type { Change, FeedKey, FeedValue } from "@fairlead/types";

/** A change that gives a key a value. */
export type PutChange = Extract<Change, { op: "put" }>;

/** What the feed holds under one key. */
export interface FeedEntry {
  /** Place of the entry in the feed's order. */
  readonly seq: number;
  /** When it was published, in milliseconds since 1970. With key and seq it tells one entry from any other. */
  readonly at: number;
  /** What could be read of it; of an unreadable entry, what the key had before, if anything. */
  readonly change: PutChange | undefined;
}

/** The whole feed at one point. */
export interface FeedSnapshot {
  readonly epoch: string;
  readonly seq: number;
  readonly entries: ReadonlyMap<FeedKey, FeedEntry>;
}

/** One step of the feed: a change, or (without one) a record of the transport's own that only takes up a number. */
export interface FeedStep {
  readonly epoch: string;
  readonly seq: number;
  readonly change?: Change;
}

/** What {@link FeedState.acceptLive} made of a step: taken over; known already; or proof that something was missed. */
export type StepOutcome = "apply" | "duplicate" | "gap";

/** See the module. Starts empty and unknown (`epoch` undefined): only a snapshot makes it known. */
export class FeedState {
  #epoch: string | undefined;
  #seq = 0;
  #digest = 0;
  #entries = new Map<FeedKey, FeedEntry>();

  get epoch(): string | undefined {
    return this.#epoch;
  }

  get seq(): number {
    return this.#seq;
  }

  get entries(): ReadonlyMap<FeedKey, FeedEntry> {
    return this.#entries;
  }

  /** Sum of {@link entryDigest} over all entries: two sides at the same `(epoch, seq)` that differ in it hold different entries. */
  get digest(): number {
    return this.#digest;
  }

  /** Takes the snapshot's place and returns how the readable values differ from before, as {@link difference} does. */
  acceptSnapshot(snapshot: FeedSnapshot, at: number): Change[] {
    const before = this.#entries;
    this.#epoch = snapshot.epoch;
    this.#seq = snapshot.seq;
    this.#digest = 0;
    this.#entries = new Map();
    for (const [key, entry] of snapshot.entries) {
      // What cannot be read is kept as it was: the last state stands, rather than taking a Service away.
      const change = entry.change ?? before.get(key)?.change;
      this.#entries.set(key, change === entry.change ? entry : { ...entry, change });
      this.#digest = (this.#digest + entryDigest(key, entry.seq, entry.at)) >>> 0;
    }
    return difference(readable(before), readable(this.#entries), { epoch: snapshot.epoch, seq: snapshot.seq, at });
  }

  /** Takes one step if it is the next one. A gap leaves the state as it was: it wants a snapshot. */
  acceptLive(step: FeedStep): StepOutcome {
    if (step.epoch !== this.#epoch) return "gap";
    if (step.seq <= this.#seq) return "duplicate";
    if (step.seq !== this.#seq + 1) return "gap";
    this.#seq = step.seq;
    const { change } = step;
    if (change === undefined) return "apply";
    const old = this.#entries.get(change.key);
    if (old) this.#digest = (this.#digest - entryDigest(change.key, old.seq, old.at)) >>> 0;
    if (change.op === "put") {
      this.#entries.set(change.key, { seq: step.seq, at: change.at, change });
      this.#digest = (this.#digest + entryDigest(change.key, step.seq, change.at)) >>> 0;
    } else {
      this.#entries.delete(change.key);
    }
    return "apply";
  }

  /** The state as a snapshot. The map is the live one: take it at once, or copy it. */
  snapshot(): FeedSnapshot | undefined {
    if (this.#epoch === undefined) return undefined;
    return { epoch: this.#epoch, seq: this.#seq, entries: this.#entries };
  }
}

/** A change out of a publication and the place it got. */
export function changeOf(given: {
  readonly epoch: string;
  readonly seq: number;
  readonly key: FeedKey;
  readonly value: FeedValue | undefined;
  readonly at: number;
  readonly trigger: number | undefined;
}): Change {
  const { epoch, seq, key, value, at, trigger } = given;
  const base = { v: changeVersion, epoch, seq, key, at, ...(trigger === undefined ? {} : { trigger }) } as const;
  return value === undefined ? { ...base, op: "delete" } : { ...base, op: "put", value };
}

/** Number from 0 to 2³²-1 that stands for one entry in a digest (FNV-1a, 32 bits, over its key, place and time). */
export function entryDigest(key: FeedKey, seq: number, at: number): number {
  const text = `${key} ${seq} ${at}`;
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

/** The readable part of a state's entries. */
export function readable(entries: ReadonlyMap<FeedKey, FeedEntry>): Map<FeedKey, PutChange> {
  const changes = new Map<FeedKey, PutChange>();
  for (const [key, { change }] of entries) if (change) changes.set(key, change);
  return changes;
}

/**
 * The changes that lead from one state to another: first what is gone, then what is new or has another value, in the feed's
 * order. Keys in `doubtful` count as unknown before: they are always told. A delete found this way is stamped with `stamp`.
 */
export function difference(
  before: ReadonlyMap<FeedKey, PutChange>,
  after: ReadonlyMap<FeedKey, PutChange>,
  stamp: { readonly epoch: string; readonly seq: number; readonly at: number },
  doubtful: ReadonlySet<FeedKey> = new Set(),
): Change[] {
  const changes: Change[] = [];
  const remove = (key: FeedKey): void => void changes.push({ v: changeVersion, ...stamp, key, op: "delete" });
  for (const key of before.keys()) if (!after.has(key)) remove(key);
  for (const key of doubtful) if (!after.has(key) && !before.has(key)) remove(key);
  const puts: PutChange[] = [];
  for (const [key, change] of after) {
    const old = before.get(key);
    if (old !== undefined && !doubtful.has(key) && sameEntry(old, change)) continue;
    puts.push(change);
  }
  changes.push(...puts.sort((a, b) => a.seq - b.seq));
  return changes;
}

/** Whether two values of the feed say the same. */
export function sameValue(one: FeedValue, other: FeedValue): boolean {
  return one === other || isDeepStrictEqual(one, other);
}

// Within an epoch a place in the order is given out once, but a store that lost its tail may give it out again: `at` tells.
function sameEntry(one: PutChange, other: PutChange): boolean {
  if (one === other) return true;
  if (one.epoch === other.epoch && one.seq === other.seq && one.at === other.at) return true;
  return sameValue(one.value, other.value);
}
