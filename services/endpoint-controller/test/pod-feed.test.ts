import { createMemoryFeed } from "@fairlead/bus";
import type { ChangePublisher } from "@fairlead/bus";
import { createMetrics } from "@fairlead/host";
import { FakeClock, RecordingLogger } from "@fairlead/testkit";
import { ipAddress, podFeedKey } from "@fairlead/types";
import type { FeedKey } from "@fairlead/types";
import { expect, onTestFinished, test } from "vitest";
import type { CurrentValue } from "../src/feed-writer.ts";
import { endpointControllerMetrics } from "../src/metrics.ts";
import { PodFeed, takeBackMs } from "../src/pod-feed.ts";

const current = (name: string): CurrentValue => ({
  value: { kind: "pod", pod: { namespace: "shop", name, addresses: [ipAddress("10.0.0.1")] } },
});
const [a, b, c] = ["a", "b", "c"].map((name) => podFeedKey("shop", name)) as [FeedKey, FeedKey, FeedKey];

interface Rig {
  readonly podFeed: PodFeed;
  readonly pods: Map<FeedKey, CurrentValue>;
  /** The keys that a follower holds. */
  readonly held: Set<FeedKey>;
  readonly other: ChangePublisher;
  readonly clock: FakeClock;
  readonly failures: unknown[];
  readonly text: () => Promise<string>;
}

function rig(publisher?: ChangePublisher): Rig {
  const clock = new FakeClock();
  const memory = createMemoryFeed({ clock });
  const pods = new Map([[a, current("a")]]);
  const held = new Set<FeedKey>();
  const failures: unknown[] = [];
  const metrics = createMetrics();
  const following = memory.feed.follow({
    kinds: ["pod"],
    apply({ changes }) {
      for (const { key, op } of changes)
        if (op === "put") held.add(key);
        else held.delete(key);
    },
  });
  const podFeed = new PodFeed({
    publisher: publisher ?? memory.publisher(),
    keys: () => pods.keys(),
    current: (key) => pods.get(key),
    metrics: endpointControllerMetrics(metrics),
    clock,
    log: new RecordingLogger(),
    onRefused: () => undefined,
    onFailure: (error) => failures.push(error),
  });
  onTestFinished(async () => {
    await podFeed.close();
    await following.stop();
  });
  return { podFeed, pods, held, other: memory.publisher(), clock, failures, text: () => metrics.text() };
}

test("pods are published once the feed is taken over, and until then it says why not", async () => {
  const { podFeed, pods, held, clock } = rig();
  expect(podFeed.whyNotReady()).toContain("pods");
  podFeed.open();
  await clock.advance(0);
  expect(podFeed.whyNotReady()).toBeUndefined();
  expect(held).toEqual(new Set([a]));
  pods.set(b, current("b")).delete(a);
  podFeed.touch(a);
  podFeed.touch(b);
  await clock.advance(0);
  expect(held).toEqual(new Set([b]));
});

test("whoever took it in between, it is taken back by who still has the main feed", async () => {
  const { podFeed, pods, held, other, clock, failures, text } = rig();
  podFeed.open();
  await clock.advance(0);
  await other.takeOver(new Map([[c, current("c").value]]));
  pods.set(b, current("b")).delete(a);
  podFeed.touch(b);
  await clock.advance(0);
  expect(held).toEqual(new Set([c]));
  expect(podFeed.whyNotReady()).toBeDefined();
  await clock.advance(takeBackMs);
  expect(podFeed.whyNotReady()).toBeUndefined();
  expect(held).toEqual(new Set([b]));
  expect(failures).toEqual([]);
  expect(await text()).toContain('fairlead_endpoint_controller_feed_objects{kind="pod"} 1');
});

test("one that was closed leaves it to the other", async () => {
  const { podFeed, pods, held, other, clock } = rig();
  podFeed.open();
  await clock.advance(0);
  await other.takeOver(new Map([[c, current("c").value]]));
  pods.set(b, current("b"));
  podFeed.touch(b);
  await clock.advance(0);
  await podFeed.close();
  await clock.advance(takeBackMs);
  podFeed.open();
  await clock.advance(0);
  expect(held).toEqual(new Set([c]));
  expect(clock.pending).toBe(0);
});

test("a bus that refuses for good is told", async () => {
  const refusal = new Error("no");
  const refuse = (): Promise<void> => Promise.reject(refusal);
  const { podFeed, clock, failures } = rig({ takeOver: refuse, publish: refuse, stop: () => Promise.resolve() });
  podFeed.open();
  await clock.advance(0);
  expect(failures).toEqual([refusal]);
  expect(podFeed.whyNotReady()).toBeDefined();
});
