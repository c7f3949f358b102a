/** What the writer over NATS does beyond what every transport promises. */
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import type { NatsConnection } from "@nats-io/transport-node";
import { launch, needs, startTcpRelay } from "@fairlead/testkit";
import { decodeChange, nodeFeedKey, serviceFeedKey } from "@fairlead/types";
import type { FeedValue } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  put,
  RecordingFollower,
  remove,
  sampleNode,
  sampleService,
  sampleSlice,
  stateOf,
  FeedStage,
} from "../src/testing.ts";
import type { NatsPublisher } from "../src/nats/index.ts";
import { type NatsSetup, natsSetup } from "./support/nats-setup.ts";

describe.skipIf(needs("nats-server"))("the writer over NATS", () => {
  let setup: NatsSetup;
  let stage: FeedStage;
  let raw: NatsConnection | undefined;

  beforeEach(async () => {
    setup = await natsSetup();
    stage = new FeedStage(setup);
  });

  afterEach(async () => {
    await raw?.close();
    raw = undefined;
    await stage.close();
  });

  const writer = async (...values: readonly FeedValue[]): Promise<NatsPublisher> => {
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(...values));
    return publisher;
  };
  const stranger = async (): Promise<NatsConnection> => (raw ??= await connect({ servers: setup.url() }));
  const messages = async (): Promise<number> => {
    const manager = await jetstreamManager(await stranger());
    return (await manager.streams.info("KV_fairlead")).state.messages;
  };

  it("keeps a bucket that plain key-value tools can read", async () => {
    const publisher = await writer(sampleService("a"), sampleNode("node-1"));
    await remove(publisher, nodeFeedKey("node-1"));
    const bucket = await new Kvm(await stranger()).open("fairlead");
    const entry = await bucket.get("service.default.a");
    expect(decodeChange(entry?.value ?? new Uint8Array())).toMatchObject({ op: "put", value: sampleService("a") });
    expect((await bucket.get("node.node-1"))?.operation).toBe("DEL");
    expect((await bucket.status()).storage).toBe("file");
  });

  it("neither fences itself nor repeats a change when answers are lost", async () => {
    const follower = await stage.follow();
    await using relay = await startTcpRelay({ host: "127.0.0.1", port: Number(new URL(setup.url()).port) });
    const publisher = await setup.publisher({ servers: relay.url });
    await publisher.takeOver(new Map());
    for (let round = 1; round <= 8; round++) {
      const done = put(publisher, ...Array.from({ length: 60 }, (_, n) => sampleService(`s${n}`, round)));
      // The server has the messages by the time that its answers are on their way back.
      relay.delay(20);
      await new Promise((resolve) => setTimeout(resolve, round * 5));
      relay.cut();
      relay.delay(0);
      await done;
    }
    await stage.holds(follower, ...Array.from({ length: 60 }, (_, n) => sampleService(`s${n}`, 8)));
    expect(publisher.stats()).toMatchObject({ role: "writer", waiting: 0 });
    expect(publisher.stats().connects).toBeGreaterThan(4);
    const values = follower.batches.flatMap(({ changes }) =>
      changes.map((change) => JSON.stringify({ ...change, seq: 0, at: 0 })),
    );
    expect(new Set(values).size).toBe(values.length);
  });

  it("takes over from a publisher that was killed in the middle", async () => {
    const follower = await stage.follow();
    const script = fileURLToPath(new URL("support/publisher-process.ts", import.meta.url));
    const child = await launch({ command: process.execPath, args: [script, setup.url()], ready: /writing/ });
    await stage.becomes(() => expect(follower.values.size).toBeGreaterThan(50));
    child.signal("SIGKILL");
    await child.exited;
    const left = [...follower.values.keys()].filter((key) => key.startsWith("node.") && key !== nodeFeedKey("n1"));
    await writer(sampleService("kept"), sampleNode("n1", false));
    await stage.holds(follower, sampleService("kept"), sampleNode("n1", false));
    for (const key of left) expect(follower.told()).toContain(`delete ${key}`);
    expect(follower.told().filter((what) => what === "put service.default.kept")).toHaveLength(1);
  });

  it("removes deletes from the store, and a follower that was away still learns of them", async () => {
    const nodes = Array.from({ length: 300 }, (_, n) => sampleNode(`n${n}`));
    const publisher = await setup.publisher({ purgeEveryMs: 200 });
    await publisher.takeOver(stateOf(sampleService("a"), ...nodes));
    const follower = await stage.follow();
    await stage.holds(follower, sampleService("a"), ...nodes);
    await stage.bus.loseMessages(async () => {
      await remove(publisher, ...nodes.map((_, n) => nodeFeedKey(`n${n}`)));
      await put(publisher, sampleService("a", 2));
      // The Service, and the writer's record.
      await stage.becomes(() => expect(publisher.stats().keys).toBe(1));
      for (let left = await messages(); left > 2; left = await messages()) await put(publisher, sampleService("a", 3));
    });
    await put(publisher, sampleService("a", 4));
    await stage.holds(follower, sampleService("a", 4));
    await stage.status(follower, "live");
    expect(await messages()).toBe(2);
  });

  it("mends what a stranger wrote, and followers keep what they had meanwhile", async () => {
    const publisher = await writer(sampleService("a"), sampleService("b"));
    const follower = await stage.follow();
    await stage.holds(follower, sampleService("a"), sampleService("b"));
    const bucket = await new Kvm(await stranger()).open("fairlead");
    await bucket.put("service.default.a", "what is this?");
    await bucket.put("service.default.b", JSON.stringify({ v: 99 }));
    await bucket.put("service.default.c", "a third");
    await stage.becomes(() => expect(publisher.stats()).toMatchObject({ role: "writer", keys: 2, waiting: 0 }));
    await put(publisher, sampleNode("after"));
    await stage.holds(follower, sampleService("a"), sampleService("b"), sampleNode("after"));
    expect(follower.told(1).filter((what) => what.startsWith("delete service.default.a"))).toEqual([]);
    expect(setup.log.messages("warn")).toContain("a change cannot be read");
    const feed = await setup.feed();
    await stage.becomes(() => expect(feed.stats()).toMatchObject({ status: "live", keys: 3, unreadableKeys: [] }));
  });

  it("says loudly which value it cannot read, and hands over all others", async () => {
    const publisher = await writer(sampleService("a"), sampleService("b"));
    await publisher.stop();
    const bucket = await new Kvm(await stranger()).open("fairlead");
    await bucket.put("service.default.a", "what is this?");
    const feed = await setup.feed();
    const follower = new RecordingFollower();
    feed.follow(follower);
    await stage.holds(follower, sampleService("b"));
    expect(feed.stats().unreadableKeys).toEqual(["service.default.a"]);
    expect(setup.log.messages("error")).toContain("values of the feed cannot be read: their last ones stand");
  });

  it("begins a new epoch when the bucket is deleted under its feet, and nobody loses anything", async () => {
    const values = Array.from({ length: 100 }, (_, n) => sampleSlice("web", `s${n}`, 5));
    const publisher = await writer(...values);
    const follower = await stage.follow();
    await stage.holds(follower, ...values);
    const { epoch } = publisher.stats();
    await (await jetstreamManager(await stranger())).streams.delete("KV_fairlead");
    await stage.becomes(() => expect(publisher.stats().epoch).not.toBe(epoch));
    await put(publisher, sampleService("web"));
    await stage.holds(follower, ...values, sampleService("web"));
    expect(follower.told(1)).toEqual(["put service.default.web"]);
  });

  it("puts back a key that was removed from the store", async () => {
    const publisher = await writer(sampleService("a"), sampleService("b"));
    const manager = await jetstreamManager(await stranger());
    await manager.streams.purge("KV_fairlead", { filter: "$KV.fairlead.service.default.a" });
    const follower = await stage.follow();
    await stage.holds(follower, sampleService("a"), sampleService("b"));
    expect(publisher.stats().role).toBe("writer");
  });

  it("refuses a bucket that keeps a history", async () => {
    await new Kvm(await stranger()).create("fairlead", { history: 5 });
    const publisher = await setup.publisher();
    const taken = publisher.takeOver(new Map());
    await stage.becomes(() =>
      expect(setup.log.records.map(({ fields }) => fields["reason"]).join()).toContain("keeps a history"),
    );
    await publisher.stop();
    await expect(taken).rejects.toMatchObject({ code: "FEED_STOPPED" });
  });

  it("refuses a value that no bus would take, and leaves the others alone", async () => {
    const publisher = await writer(sampleService("a"));
    const endless = sampleSlice("a", "endless", 1_000);
    if (endless.kind !== "slice") throw new Error("not a slice");
    const endpoints = endless.slice.endpoints.map((endpoint) => ({ ...endpoint, zone: "z".repeat(1_500) }));
    const value = { kind: "slice", slice: { ...endless.slice, endpoints } } as const;
    await expect(put(publisher, value)).rejects.toMatchObject({ code: "INVALID_INPUT" });
    await put(publisher, sampleService("a", 2));
    const follower = await stage.follow();
    await stage.holds(follower, sampleService("a", 2));
    expect(publisher.stats()).toMatchObject({ refused: 0, keys: 1 });
  });

  it("tells the new epoch apart where only the writer's record was lost", async () => {
    const publisher = await writer(sampleService("a"));
    const { epoch } = publisher.stats();
    await publisher.stop();
    const manager = await jetstreamManager(await stranger());
    await manager.streams.purge("KV_fairlead", { filter: "$KV.fairlead.meta.writer" });
    const follower = await stage.follow();
    const next = await writer(sampleService("a"), sampleService("b"));
    await stage.holds(follower, sampleService("a"), sampleService("b"));
    expect(next.stats().epoch).not.toBe(epoch);
    expect(follower.batches[0]?.changes.map(({ key }) => key)).toContain(serviceFeedKey("default", "b"));
  });
});
