/** What a publisher is to the feed, across its connections. */
import type { FencedError } from "../feed.ts";
import { FeedState } from "../feed-state.ts";
import type { WriterRecord } from "./message.ts";
import { Wishes } from "./wishes.ts";

/** `idle`: has not taken over yet. `claiming`: wants to. `fenced`: another one has. */
export type RoleState = "idle" | "claiming" | "writer" | "fenced" | "stopped";

/** See the module. */
export class Role {
  readonly wishes = new Wishes();
  state: RoleState = "idle";
  /** The name under which it took over last. */
  writer = "";
  epoch = "";
  /** What the bucket holds, as far as known. */
  held = new FeedState();
  /** The bucket holds a whole state, not the beginnings of one. */
  complete = false;
  /** Wishes that must be held before it does. */
  fillUpTo = 0;
  /** Changes published. */
  published = 0;
  /** Values that the server would not take: they are missing from the feed. */
  refused = 0;

  /** A record of ours was stored: the role begins, or a new epoch. */
  claimed(record: WriterRecord, seq: number): void {
    if (this.state !== "stopped") this.state = "writer";
    this.writer = record.writer;
    this.held = new FeedState();
    this.held.acceptSnapshot({ epoch: record.epoch, seq, entries: new Map() }, 0);
    this.adopt(record);
  }

  adopt(record: WriterRecord): void {
    this.epoch = record.epoch;
    this.complete = record.complete;
    this.fillUpTo = this.wishes.number;
  }

  fence(error: FencedError): void {
    if (this.state !== "writer") return;
    this.state = "fenced";
    this.wishes.fail(error);
  }
}
