import { changeVersion, nodeFeedKey } from "@fairlead/types";
import type { Change, FeedKey, FeedValue } from "@fairlead/types";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changeOf, difference, type FeedEntry, FeedState, type FeedStep, readable } from "../src/feed-state.ts";
import { sampleNode } from "../src/testing.ts";

const keys = ["a", "b", "c", "d"].map(nodeFeedKey);

/** The publisher's side: every step it has made, and its state after each. */
class Store {
  readonly steps: FeedStep[] = [];
  readonly state = new FeedState();
  #epochs = 0;
  #at = 0;

  constructor() {
    this.wipe();
  }

  wipe(): void {
    this.steps.length = 0;
    this.state.acceptSnapshot({ epoch: `epoch-${++this.#epochs}`, seq: 0, entries: new Map() }, 0);
  }

  write(key: FeedKey | undefined, value: FeedValue | undefined): void {
    const { epoch = "", seq } = this.state;
    const place = { epoch, seq: seq + 1 };
    const change = key && changeOf({ ...place, key, value, at: ++this.#at, trigger: undefined });
    const step = change ? { ...place, change } : place;
    if (this.state.acceptLive(step) !== "apply") throw new Error("the store refused its own step");
    this.steps.push(step);
  }

  snapshot(): { epoch: string; seq: number; entries: Map<FeedKey, FeedEntry> } {
    const { epoch = "", seq, entries } = this.state;
    return { epoch, seq, entries: new Map(entries) };
  }
}

/** A follower that sees an arbitrary part of the steps and takes a snapshot whenever it has to. */
class Reader {
  readonly state = new FeedState();
  /** What a consumer would hold that applied every change it was handed. */
  readonly told = new Map<FeedKey, FeedValue>();
  resnapshots = 0;

  see(step: FeedStep, store: Store): void {
    const outcome = this.state.acceptLive(step);
    if (outcome === "gap") this.align(store);
    if (outcome === "apply" && step.change) this.tell([step.change]);
  }

  align(store: Store): void {
    this.resnapshots++;
    this.tell(this.state.acceptSnapshot(store.snapshot(), 0));
  }

  tell(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.op === "put") this.told.set(change.key, change.value);
      else this.told.delete(change.key);
    }
  }
}

const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("put" as const), key: fc.constantFrom(...keys), ready: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("delete" as const), key: fc.constantFrom(...keys) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("record" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("wipe" as const) }) },
);
/** What happens to the message of each event on its way. */
const fate = fc.constantFrom("arrives", "arrives", "is lost", "arrives twice", "comes with an older one");

describe("FeedState", () => {
  it("ends equal to the publisher's, whatever was lost, repeated or begun anew", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fate, fc.nat()), { maxLength: 60 }), (history) => {
        const store = new Store();
        const reader = new Reader();
        for (const [what, how, pick] of history) {
          if (what.kind === "wipe") store.wipe();
          else if (what.kind === "put") store.write(what.key, sampleNode(what.key.slice(5), what.ready));
          else store.write(what.kind === "delete" ? what.key : undefined, undefined);
          const step = store.steps.at(-1);
          if (step === undefined || how === "is lost") continue;
          const older = store.steps[pick % store.steps.length];
          if (how === "comes with an older one" && older) reader.see(older, store);
          reader.see(step, store);
          if (how === "arrives twice") reader.see(step, store);
          expect(reader.state.digest).toBe(store.state.digest);
        }
        // The heartbeat after the last message: another place or digest asks for a snapshot.
        if (reader.state.epoch !== store.state.epoch || reader.state.seq !== store.state.seq) reader.align(store);
        expect(reader.state.digest).toBe(store.state.digest);
        expect(reader.state.entries).toEqual(store.state.entries);
        expect(reader.told).toEqual(
          new Map([...readable(store.state.entries)].map(([key, { value }]) => [key, value])),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("tells of a snapshot only what has another value", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("a", "b", "c"), fc.boolean()),
        fc.dictionary(fc.constantFrom("a", "b", "c"), fc.boolean()),
        (one, other) => {
          const before = new FeedState();
          before.acceptSnapshot({ epoch: "1", seq: 9, entries: entriesOf("1", one) }, 0);
          const told = before.acceptSnapshot({ epoch: "2", seq: 7, entries: entriesOf("2", other) }, 0);
          const expected = ["a", "b", "c"].filter((name) => one[name] !== other[name]);
          expect(told.map(({ key }) => key.slice(5)).toSorted()).toEqual(expected);
        },
      ),
    );
  });

  it("takes nothing before a snapshot", () => {
    const state = new FeedState();
    expect(state.acceptLive({ epoch: "1", seq: 1 })).toBe("gap");
    expect(state.snapshot()).toBeUndefined();
  });

  it("leaves a gap to a snapshot, and the state as it was", () => {
    const state = new FeedState();
    state.acceptSnapshot({ epoch: "1", seq: 4, entries: new Map() }, 0);
    const change = put("1", 6, "a");
    expect(state.acceptLive({ epoch: "1", seq: 6, change })).toBe("gap");
    expect(state.seq).toBe(4);
    expect(state.entries.size).toBe(0);
  });

  it("lets the last value stand where an entry cannot be read, and keeps its place in the digest", () => {
    const state = new FeedState();
    const other = new FeedState();
    const key = nodeFeedKey("a");
    state.acceptSnapshot({ epoch: "1", seq: 4, entries: entriesOf("1", { a: true }) }, 0);
    const entries = new Map([[key, { seq: 5, at: 77, change: undefined }]]);
    expect(state.acceptSnapshot({ epoch: "1", seq: 5, entries }, 0)).toEqual([]);
    expect(state.entries.get(key)).toMatchObject({ seq: 5, at: 77, change: { seq: 1 } });
    other.acceptSnapshot({ epoch: "1", seq: 5, entries }, 0);
    expect(state.digest).toBe(other.digest);
  });

  it("has another digest for another key, place or time", () => {
    const digests = [put("1", 1, "a"), put("1", 1, "b"), put("1", 2, "a"), put("1", 1, "a", 5)].map((change) => {
      const state = new FeedState();
      const entries = new Map([[change.key, { seq: change.seq, at: change.at, change }]]);
      state.acceptSnapshot({ epoch: "1", seq: 9, entries }, 0);
      return state.digest;
    });
    expect(new Set(digests).size).toBe(digests.length);
  });
});

describe("difference", () => {
  it("tells first what is gone, then what is new in the feed's order", () => {
    const before = new Map([put("1", 1, "gone"), put("1", 2, "same")].map((change) => [change.key, change]));
    const after = new Map(
      [put("1", 9, "late"), put("1", 2, "same"), put("1", 5, "early")].map((change) => [change.key, change]),
    );
    const told = difference(before, after, { epoch: "1", seq: 9, at: 3 });
    expect(told.map(({ op, key }) => `${op} ${key}`)).toEqual(["delete node.gone", "put node.early", "put node.late"]);
    expect(told[0]).toEqual({ v: changeVersion, epoch: "1", seq: 9, at: 3, key: nodeFeedKey("gone"), op: "delete" });
  });

  it("always tells of a doubtful key", () => {
    const held = new Map([put("1", 1, "same")].map((change) => [change.key, change]));
    const doubtful = new Set([nodeFeedKey("same"), nodeFeedKey("unknown")]);
    const told = difference(held, held, { epoch: "1", seq: 1, at: 0 }, doubtful);
    expect(told.map(({ op, key }) => `${op} ${key}`)).toEqual(["delete node.unknown", "put node.same"]);
  });

  it("does not take a place given out twice for the same change", () => {
    const before = new Map([[nodeFeedKey("a"), put("1", 1, "a", 10, true)]]);
    const after = new Map([[nodeFeedKey("a"), put("1", 1, "a", 20, false)]]);
    expect(difference(before, after, { epoch: "1", seq: 1, at: 0 })).toHaveLength(1);
  });
});

function put(epoch: string, seq: number, name: string, at = 0, ready = true): Extract<Change, { op: "put" }> {
  return { v: changeVersion, epoch, seq, key: nodeFeedKey(name), at, op: "put", value: sampleNode(name, ready) };
}

function entriesOf(epoch: string, nodes: Record<string, boolean>): Map<FeedKey, FeedEntry> {
  return new Map(
    Object.entries(nodes).map(([name, ready], index) => {
      const change = put(epoch, index + 1, name, 0, ready);
      return [change.key, { seq: change.seq, at: 0, change }];
    }),
  );
}
