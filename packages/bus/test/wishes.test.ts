import { feedKeyOf, nodeFeedKey } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FencedError } from "../src/feed.ts";
import { changeOf, FeedState, sameValue } from "../src/feed-state.ts";
import { MAX_WAITING_PROMISES, Wishes } from "../src/nats/wishes.ts";
import { sampleNode, stateOf } from "../src/testing.ts";

describe("Wishes", () => {
  it("keeps the last wish for a key, behind what was wished before it", () => {
    const wishes = new Wishes();
    void wishes.replace(new Map());
    void wish(wishes, sampleNode("a", true), sampleNode("b"));
    void wish(wishes, sampleNode("a", false));
    expect(wishes.take(10).map(({ key, value }) => [key, value])).toEqual([
      [nodeFeedKey("b"), sampleNode("b")],
      [nodeFeedKey("a"), sampleNode("a", false)],
    ]);
  });

  it("settles a promise when the bus holds its wishes, or later ones for the same keys", async () => {
    const wishes = new Wishes();
    const states: string[] = [];
    const watch = (name: string, promise: Promise<void>): void => void promise.then(() => states.push(name));
    watch("first", wish(wishes, sampleNode("a", true)));
    watch("second", wish(wishes, sampleNode("b")));
    watch("third", wish(wishes, sampleNode("a", false)));
    const [b, a] = wishes.take(10);
    if (!a || !b) throw new Error("two wishes were taken");
    wishes.held(b);
    wishes.settle();
    await Promise.resolve();
    // The first waits for key a, so those behind it wait as well.
    expect(states).toEqual([]);
    wishes.held(a);
    wishes.settle();
    await Promise.resolve();
    expect(states).toEqual(["first", "second", "third"]);
  });

  it("rejects who waits when it fails, and starts afresh", async () => {
    const wishes = new Wishes();
    const promise = wish(wishes, sampleNode("a"));
    wishes.fail(new FencedError());
    await expect(promise).rejects.toMatchObject({ code: "FEED_FENCED" });
    expect(wishes.size).toBe(0);
    const next = wish(wishes, sampleNode("b"));
    for (const taken of wishes.take(10)) wishes.held(taken);
    wishes.settle();
    await expect(next).resolves.toBeUndefined();
  });

  it("holds a bounded number of promises", () => {
    const wishes = new Wishes();
    const promises = new Set<Promise<void>>();
    for (let n = 0; n < MAX_WAITING_PROMISES + 100; n++) promises.add(wish(wishes, sampleNode("a", n % 2 === 0)));
    expect(promises.size).toBe(MAX_WAITING_PROMISES);
    expect(wishes.size).toBe(1);
  });

  it("does not count a wish as held that was replaced while under way", () => {
    const wishes = new Wishes();
    void wish(wishes, sampleNode("a", true));
    const [first] = wishes.take(1);
    void wish(wishes, sampleNode("a", false));
    if (first) wishes.held(first);
    expect(wishes.size).toBe(1);
    expect(wishes.take(1)).toMatchObject([{ value: sampleNode("a", false) }]);
  });

  it("ends with the bus holding what is wanted, whatever answers were lost", () => {
    const action = fc.oneof(
      fc.record({
        kind: fc.constant("wish" as const),
        name: fc.constantFrom("a", "b", "c"),
        ready: fc.option(fc.boolean()),
      }),
      fc.record({ kind: fc.constant("replace" as const), names: fc.subarray(["a", "b", "c"]) }),
      // Takes some, the bus stores the first of them, and answers for fewer.
      fc.record({ kind: fc.constant("publish" as const), take: fc.nat(3), stored: fc.nat(3), answered: fc.nat(3) }),
      fc.record({ kind: fc.constant("foreign" as const), name: fc.constantFrom("a", "x"), ready: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
        const wishes = new Wishes();
        const bus = new Bus();
        let wanted = new Map<FeedKey, FeedValue>();
        void wishes.replace(wanted);
        for (const act of actions) {
          if (act.kind === "wish") {
            const key = nodeFeedKey(act.name);
            const value = act.ready === null ? undefined : sampleNode(act.name, act.ready);
            if (value) wanted.set(key, value);
            else wanted.delete(key);
            void wishes.add([{ key, value }]);
          } else if (act.kind === "replace") {
            wanted = stateOf(...act.names.map((name) => sampleNode(name)));
            void wishes.replace(wanted);
          } else if (act.kind === "foreign") {
            bus.store(nodeFeedKey(act.name), sampleNode(act.name, act.ready));
          } else {
            const taken = wishes.take(act.take);
            for (const { key, value } of taken.slice(0, act.stored)) bus.store(key, value);
            for (const one of taken.slice(0, Math.min(act.stored, act.answered))) wishes.held(one);
          }
        }
        wishes.compare(bus.state.entries);
        for (const { key, value } of wishes.take(100)) bus.store(key, value);
        const held = new Map([...bus.state.entries].map(([key, { change }]) => [key, change?.value]));
        expect(held).toEqual(wanted);
      }),
      { numRuns: 300 },
    );
  });

  it("wishes for nothing that the bus holds already", () => {
    const wishes = new Wishes();
    const bus = new Bus();
    bus.store(nodeFeedKey("a"), sampleNode("a"));
    bus.store(nodeFeedKey("old"), sampleNode("old"));
    void wishes.replace(stateOf(sampleNode("a"), sampleNode("b")));
    wishes.compare(bus.state.entries);
    const left = wishes.take(10).map(({ key, value }) => [key, value !== undefined]);
    expect(left).toEqual([
      [nodeFeedKey("b"), true],
      [nodeFeedKey("old"), false],
    ]);
  });
});

/** What the server holds. */
class Bus {
  readonly state = new FeedState();

  constructor() {
    this.state.acceptSnapshot({ epoch: "1", seq: 0, entries: new Map() }, 0);
  }

  store(key: FeedKey, value: FeedValue | undefined): void {
    const held = this.state.entries.get(key)?.change?.value;
    if (held && value && sameValue(held, value)) return;
    const seq = this.state.seq + 1;
    const change = changeOf({ epoch: "1", seq, key, value, at: 0, trigger: undefined });
    this.state.acceptLive({ epoch: "1", seq, change });
  }
}

function wish(wishes: Wishes, ...values: FeedValue[]): Promise<void> {
  const promise = wishes.add(values.map((value) => ({ key: feedKeyOf(value), value })));
  promise.catch(() => undefined);
  return promise;
}
