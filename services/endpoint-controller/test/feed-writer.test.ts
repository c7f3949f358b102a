import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher, FeedBatch, Publication } from "@fairlead/bus";
import { createMetrics } from "@fairlead/host";
import { eventually, FakeClock } from "@fairlead/testkit";
import { InvalidInputError, nodeFeedKey } from "@fairlead/types";
import type { FeedKey, FeedValue, NodeName } from "@fairlead/types";
import { expect, onTestFinished, test } from "vitest";
import { FeedWriter } from "../src/feed-writer.ts";
import type { CurrentValue } from "../src/feed-writer.ts";
import { endpointControllerMetrics } from "../src/metrics.ts";

function value(name: string, zone = "zone-a"): FeedValue {
  const node = {
    name: name as NodeName,
    addresses: [],
    podCIDRs: [],
    ready: true,
    leaving: false,
    excludedFromLoadBalancers: false,
  };
  return { kind: "node", node: { ...node, zone } };
}

const [a, b, c] = ["a", "b", "c"].map(nodeFeedKey) as [FeedKey, FeedKey, FeedKey];

/** Refuses some keys as too large, as the publisher over NATS does, and may hold its answers back. */
class PickyPublisher implements ChangePublisher {
  readonly batches: (readonly Publication[])[] = [];
  readonly tooLarge = new Set<FeedKey>();
  readonly #inner: ChangePublisher;
  gate: Promise<void> = Promise.resolve();

  constructor(inner: ChangePublisher) {
    this.#inner = inner;
  }

  async takeOver(state: ReadonlyMap<FeedKey, FeedValue>): Promise<void> {
    for (const key of state.keys()) this.#check(key, state.get(key));
    await this.#inner.takeOver(state);
  }

  async publish(publications: readonly Publication[]): Promise<void> {
    for (const publication of publications) this.#check(publication.key, publication.value);
    this.batches.push(publications);
    await this.gate;
    await this.#inner.publish(publications);
  }

  stop(): Promise<void> {
    return this.#inner.stop();
  }

  #check(key: FeedKey, wanted: FeedValue | undefined): void {
    if (wanted !== undefined && this.tooLarge.has(key)) throw new InvalidInputError(key, "is 2 MB long");
  }
}

interface Rig {
  readonly publisher: PickyPublisher;
  readonly current: Map<FeedKey, CurrentValue>;
  readonly writer: FeedWriter;
  readonly batches: FeedBatch[];
  readonly refused: string[];
  readonly failures: unknown[];
  readonly other: ChangePublisher;
  readonly text: () => Promise<string>;
  /** What the feed holds: name and zone of each node. */
  readonly held: () => Record<string, string | undefined>;
}

function rig(...names: string[]): Rig {
  const clock = new FakeClock();
  const memory = createMemoryFeed({ clock });
  const batches: FeedBatch[] = [];
  const state = new Map<FeedKey, FeedValue>();
  const following = memory.feed.follow({
    apply(batch) {
      batches.push(batch);
      for (const change of batch.changes) {
        if (change.op === "put") state.set(change.key, change.value);
        else state.delete(change.key);
      }
    },
  });
  const publisher = new PickyPublisher(memory.publisher());
  const current = new Map<FeedKey, CurrentValue>(names.map((name) => [nodeFeedKey(name), { value: value(name) }]));
  const refused: string[] = [];
  const failures: unknown[] = [];
  const metrics = createMetrics();
  const writer = new FeedWriter({
    publisher,
    clock,
    metrics: endpointControllerMetrics(metrics),
    current: (key) => current.get(key),
    onRefused: (key) => refused.push(key),
    onFailure: (error) => failures.push(error),
  });
  onTestFinished(async () => {
    await writer.close();
    await following.stop();
  });
  const held = (): Record<string, string | undefined> =>
    Object.fromEntries([...state].map(([key, held]) => [key, held.kind === "node" ? held.node.zone : undefined]));
  return {
    publisher,
    current,
    writer,
    batches,
    refused,
    failures,
    other: memory.publisher(),
    text: () => metrics.text(),
    held,
  };
}

test("the feed is taken over with everything there is", async () => {
  const { current, writer, held, batches, text } = rig("a", "b");
  await writer.open(current.keys());
  await eventually(() => expect(held()).toEqual({ [a]: "zone-a", [b]: "zone-a" }));
  expect(batches).toHaveLength(1);
  expect(await text()).toContain('fairlead_endpoint_controller_feed_objects{kind="node"} 2');
});

test("what changes in one turn goes out together, once, and what does not change not at all", async () => {
  const { publisher, current, writer, held } = rig("a", "b");
  await writer.open(current.keys());
  current.set(a, { value: value("a", "zone-b") });
  current.set(c, { value: value("c") });
  current.delete(b);
  for (const key of [a, b, c, a]) writer.touch(key);
  writer.touch(nodeFeedKey("never-there"));
  await eventually(() => expect(held()).toEqual({ [a]: "zone-b", [c]: "zone-a" }));
  writer.touch(a);
  current.set(a, { value: value("a", "zone-b") });
  writer.touch(a);
  await new Promise((resolve) => setImmediate(resolve));
  expect(publisher.batches.map((batch) => batch.map(({ key }) => key))).toEqual([[a, b, c]]);
});

test("while a batch is under way the next one gathers", async () => {
  const { publisher, current, writer, held } = rig("a");
  await writer.open(current.keys());
  const gate = Promise.withResolvers<void>();
  publisher.gate = gate.promise;
  for (const zone of ["1", "2", "3", "4"]) {
    current.set(a, { value: value("a", zone) });
    writer.touch(a);
    await new Promise((resolve) => setImmediate(resolve));
  }
  gate.resolve();
  await eventually(() => expect(held()).toEqual({ [a]: "4" }));
  expect(publisher.batches).toHaveLength(2);
});

test("what is touched before and while the feed is taken over is not lost", async () => {
  const { current, writer, held } = rig("a");
  writer.touch(b);
  const opening = writer.open(current.keys());
  current.set(b, { value: value("b") });
  current.set(a, { value: value("a", "zone-z") });
  writer.touch(a);
  writer.touch(b);
  await opening;
  await eventually(() => expect(held()).toEqual({ [a]: "zone-z", [b]: "zone-a" }));
});

test("a trigger goes with the change that it caused, and with no other", async () => {
  const { publisher, current, writer } = rig();
  current.set(a, { value: value("a"), trigger: 1 });
  await writer.open(current.keys());
  const zones: [string, number | undefined][] = [
    ["b", 1],
    ["c", 2],
    ["d", 2],
    ["e", undefined],
    ["f", 2],
  ];
  for (const [zone, trigger] of zones) {
    current.set(a, { value: value("a", zone), ...(trigger === undefined ? {} : { trigger }) });
    writer.touch(a);
    await eventually(() => expect(publisher.batches.at(-1)?.[0]?.value).toEqual(value("a", zone)));
  }
  expect(publisher.batches.map(([publication]) => publication?.trigger)).toEqual([
    undefined,
    2,
    undefined,
    undefined,
    2,
  ]);
});

test("a value too large is left out from the start, and the others go on", async () => {
  const { publisher, current, writer, held, refused } = rig("a", "b");
  publisher.tooLarge.add(a);
  await writer.open(current.keys());
  await eventually(() => expect(held()).toEqual({ [b]: "zone-a" }));
  expect(refused).toEqual([a]);
});

test("a value that has become too large is taken off the feed, once, and comes back when it fits", async () => {
  const { publisher, current, writer, held, refused, failures } = rig("a", "b");
  await writer.open(current.keys());
  publisher.tooLarge.add(a);
  current.set(a, { value: value("a", "large") });
  current.set(b, { value: value("b", "new") });
  writer.touch(a);
  writer.touch(b);
  await eventually(() => expect(held()).toEqual({ [b]: "new" }));
  writer.touch(a);
  await new Promise((resolve) => setImmediate(resolve));
  expect(refused).toEqual([a]);
  publisher.tooLarge.clear();
  current.set(a, { value: value("a", "small") });
  writer.touch(a);
  await eventually(() => expect(held()).toEqual({ [a]: "small", [b]: "new" }));
  expect(failures).toEqual([]);
});

test("once another publisher has taken over nothing more is written", async () => {
  const { current, writer, failures, other, held, publisher } = rig("a");
  await writer.open(current.keys());
  await other.takeOver(new Map([[b, value("b")]]));
  current.set(a, { value: value("a", "stale") });
  writer.touch(a);
  await eventually(() => expect(failures).toMatchObject([{ code: "FEED_FENCED" }]));
  const sent = publisher.batches.length;
  writer.touch(a);
  await new Promise((resolve) => setImmediate(resolve));
  expect(publisher.batches).toHaveLength(sent);
  expect(held()).toEqual({ [b]: "zone-a" });
});

test("closed, it neither writes nor fails", async () => {
  const { current, writer, failures, publisher } = rig("a");
  await writer.open(current.keys());
  const gate = Promise.withResolvers<void>();
  publisher.gate = gate.promise;
  current.set(a, { value: value("a", "late") });
  writer.touch(a);
  await eventually(() => expect(publisher.batches).toHaveLength(1));
  const closing = writer.close();
  gate.resolve();
  await closing;
  writer.touch(a);
  await new Promise((resolve) => setImmediate(resolve));
  expect(publisher.batches).toHaveLength(1);
  expect(failures).toEqual([]);
});

test("a feed that cannot be taken over is the opener's to handle", async () => {
  const { current, writer, publisher } = rig("a");
  await publisher.stop();
  await expect(writer.open(current.keys())).rejects.toMatchObject({ code: "FEED_STOPPED" });
});
