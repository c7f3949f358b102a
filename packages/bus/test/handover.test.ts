import { FakeClock, RecordingLogger } from "@fairlead/testkit";
import { serviceFeedKey } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { STOP_WAIT_MS } from "../src/handover.ts";
import { createMemoryFeed } from "../src/memory-feed.ts";
import { put, RecordingFollower, sampleNode, sampleService, stateOf } from "../src/testing.ts";

describe("handing over", () => {
  it("gives what was published in one turn in one batch", async () => {
    const { clock, memory, publisher } = await running();
    const follower = new RecordingFollower();
    memory.feed.follow(follower);
    await clock.advance(0);
    void put(publisher, sampleService("b"));
    void put(publisher, sampleService("c"), sampleService("d"));
    await clock.advance(0);
    expect(follower.batches.map(({ changes }) => changes.length)).toEqual([1, 3]);
  });

  it("waits longer after each rejection, and says so in the log", async () => {
    const { clock, log, memory } = await running();
    const follower = new RecordingFollower();
    follower.reject(3);
    memory.feed.follow(follower);
    const seen: number[] = [];
    for (let step = 0; step < 8; step++) {
      await clock.advance(100);
      seen.push(follower.batches.length);
    }
    expect(seen).toEqual([2, 2, 3, 3, 3, 3, 4, 4]);
    expect(follower.values).toEqual(stateOf(sampleService("a")));
    expect(log.messages("warn")).toHaveLength(3);
  });

  it("tells again of a key that a rejected batch may have changed, though its value is back", async () => {
    const { clock, memory, publisher } = await running();
    const follower = new RecordingFollower();
    memory.feed.follow(follower);
    await clock.advance(0);
    follower.reject(1);
    await put(publisher, sampleService("a", 2), sampleNode("n"));
    await clock.advance(0);
    await publisher.publish([
      { key: serviceFeedKey("default", "a"), value: sampleService("a", 1) },
      { key: "node.n" as never, value: undefined },
    ]);
    await clock.advance(1_000);
    expect(follower.values).toEqual(stateOf(sampleService("a", 1)));
    expect(follower.told(2)).toEqual(["delete node.n", "put service.default.a"]);
  });

  it("does not wait for ever for a follower that never finishes", async () => {
    const { clock, memory } = await running();
    const follower = new RecordingFollower();
    follower.hold();
    const following = memory.feed.follow(follower);
    await clock.advance(0);
    let stopped = false;
    void following.stop().then(() => void (stopped = true));
    await clock.advance(STOP_WAIT_MS - 1);
    expect(stopped).toBe(false);
    await clock.advance(1);
    expect(stopped).toBe(true);
  });

  it("ends at once while it waits after a rejection, and leaves no timer", async () => {
    const { clock, memory } = await running();
    const follower = new RecordingFollower();
    follower.reject(10);
    const following = memory.feed.follow(follower);
    await clock.advance(250);
    const { length } = follower.batches;
    await following.stop();
    await clock.advance(60_000);
    expect(follower.batches).toHaveLength(length);
    expect(clock.pending).toBe(0);
  });

  it("survives a follower that fails on a status", async () => {
    const { clock, log, memory } = await running();
    const values: number[] = [];
    memory.feed.follow({
      apply: (batch) => void values.push(batch.changes.length),
      status: () => {
        throw new Error("no status, please");
      },
    });
    await clock.advance(0);
    expect(values).toEqual([1]);
    expect(log.messages("error")).toHaveLength(1);
  });
});

async function running() {
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const memory = createMemoryFeed({ clock, log });
  const publisher = memory.publisher();
  await publisher.takeOver(stateOf(sampleService("a")));
  return { clock, log, memory, publisher };
}
