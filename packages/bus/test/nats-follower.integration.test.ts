/** What followers over NATS do beyond what every transport promises: permissions, the copy on disk, size. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect, nkeys } from "@nats-io/transport-node";
import { eventually, needs } from "@fairlead/testkit";
import { nodeFeedKey } from "@fairlead/types";
import { afterEach, describe, expect, it } from "vitest";
import { bucketNames, feedReaderPermissions, feedWriterPermissions, podBucket } from "../src/nats/index.ts";
import {
  FeedStage,
  put,
  RecordingFollower,
  remove,
  sampleNode,
  samplePod,
  sampleService,
  sampleSlice,
  stateOf,
} from "../src/testing.ts";
import { type NatsSetup, natsSetup } from "./support/nats-setup.ts";

describe.skipIf(needs("nats-server"))("followers over NATS", () => {
  let setup: NatsSetup;
  let stage: FeedStage;

  const begin = async (config?: string): Promise<void> => {
    setup = await natsSetup(config);
    stage = new FeedStage(setup);
  };

  afterEach(() => stage.close());

  it("need no more than a node's permissions, and those allow no write", async () => {
    const nodePermissions = feedReaderPermissions({ inboxPrefix: "_INBOX_node-1" });
    await begin(`authorization { users: [
      { user: "writer", password: "w", permissions: ${JSON.stringify(feedWriterPermissions())} }
      { user: "node-1", password: "n", permissions: ${JSON.stringify(nodePermissions)} }
    ] }`);
    const credentials = { user: "node-1", password: "n", inboxPrefix: "_INBOX_node-1" };
    const publisher = await setup.publisher({ user: "writer", password: "w", purgeEveryMs: 100 });
    const many = Array.from({ length: 3_000 }, (_, n) => sampleSlice("web", `s${n}`, 4));
    await publisher.takeOver(stateOf(sampleService("a"), ...many));
    const feed = await setup.feed(credentials);
    const follower = new RecordingFollower();
    feed.follow(follower);
    await stage.holds(follower, sampleService("a"), ...many);
    await put(publisher, sampleService("a", 2), sampleNode("node-9"));
    await remove(publisher, nodeFeedKey("node-9"));
    await stage.bus.loseMessages(() => put(publisher, sampleService("a", 3)));
    await stage.holds(follower, sampleService("a", 3), ...many);
    expect(feed.stats()).toMatchObject({ status: "live" });

    const node = await connect({ servers: setup.url(), user: "node-1", pass: "n", inboxPrefix: "_INBOX_node-1" });
    const { valuePrefix, changePrefix, beat, stream } = bucketNames("fairlead");
    const forbidden = [
      `${valuePrefix}service.default.a`,
      `${valuePrefix}meta.writer`,
      `${changePrefix}service.default.a`,
      beat,
      `$JS.API.STREAM.PURGE.${stream}`,
      `$JS.API.STREAM.DELETE.${stream}`,
      `$JS.API.STREAM.UPDATE.${stream}`,
      `$JS.API.STREAM.MSG.DELETE.${stream}`,
    ];
    for (const subject of forbidden) {
      await expect(node.request(subject, "{}", { timeout: 2_000 }), subject).rejects.toThrow(/[Pp]ermissions/);
    }
    await node.close();
    await stage.holds(follower, sampleService("a", 3), ...many);
    expect(publisher.stats().role).toBe("writer");
  });

  it("need more for the feed of pods, and say so where they lack it", async () => {
    const reads = (pods: boolean) =>
      JSON.stringify(feedReaderPermissions({ bucket: "east", inboxPrefix: `_INBOX_${pods}`, pods }));
    await begin(`authorization { users: [
      { user: "writer", password: "w", permissions: ${JSON.stringify(feedWriterPermissions({ bucket: "east" }))} }
      { user: "true", password: "n", permissions: ${reads(true)} }
      { user: "false", password: "n", permissions: ${reads(false)} }
    ] }`);
    const bucket = podBucket("east");
    const main = await setup.publisher({ user: "writer", password: "w", bucket: "east" });
    await main.takeOver(stateOf(sampleService("a")));
    const pods = await setup.publisher({ user: "writer", password: "w", bucket });
    await pods.takeOver(stateOf(samplePod("p")));
    const credentials = { user: "true", password: "n", inboxPrefix: "_INBOX_true" };
    const follower = new RecordingFollower({ kinds: ["pod"] });
    (await setup.feed({ ...credentials, bucket })).follow(follower);
    await stage.holds(follower, samplePod("p"));
    const other = new RecordingFollower();
    (await setup.feed({ ...credentials, bucket: "east" })).follow(other);
    await stage.holds(other, sampleService("a"));

    const denied = new RecordingFollower({ kinds: ["pod"] });
    (await setup.feed({ user: "false", password: "n", inboxPrefix: "_INBOX_false", bucket })).follow(denied);
    await stage.becomes(() => {
      const said = setup.log.records
        .filter(({ level }) => level === "warn")
        .map(({ fields }) => String(fields["reason"]));
      expect(said).toContainEqual(expect.stringMatching(/[Pp]ermissions .*east-pods/));
    });
    expect(denied.batches).toEqual([]);
  });

  it("connect with an nkey, and are told why they cannot with another", async () => {
    const pair = nkeys.createUser();
    const stranger = nkeys.createUser();
    await begin(`authorization { users: [ { nkey: "${pair.getPublicKey()}" } ] }`);
    const seed = new TextDecoder().decode(pair.getSeed());
    const publisher = await setup.publisher({ nkey: seed });
    await publisher.takeOver(stateOf(sampleService("a")));
    const feed = await setup.feed({ nkey: seed });
    const follower = new RecordingFollower();
    feed.follow(follower);
    await stage.holds(follower, sampleService("a"));
    await setup.feed({ nkey: new TextDecoder().decode(stranger.getSeed()) });
    await stage.becomes(() => {
      const reasons = setup.log.records.map(({ fields }) => String(fields["reason"]));
      expect(reasons.join()).toContain("Authorization Violation");
    });
  });

  it("read 10,000 keys in one snapshot", async () => {
    await begin();
    const values = Array.from({ length: 10_000 }, (_, n) => sampleSlice(`web-${n}`, "s", 3));
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(...values));
    const feed = await setup.feed();
    const follower = new RecordingFollower();
    feed.follow(follower);
    await stage.holds(follower, ...values);
    expect(follower.batches).toHaveLength(1);
    // The heartbeat compares the digests of both sides.
    await stage.becomes(() => expect(publisher.stats()).toMatchObject({ seq: feed.stats().seq, keys: 10_000 }));
    expect(feed.stats().doubts).toBe(0);
  });

  it("see the whole snapshot although every key is stored anew while it is read", async () => {
    await begin();
    const generation = (n: number) => Array.from({ length: 2_000 }, (_, at) => sampleService(`s${at}`, n));
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(...generation(1)));
    let round = 1;
    const enough = new AbortController();
    const busy = (async () => {
      while (!enough.signal.aborted) await put(publisher, ...generation(++round));
    })();
    const followers = await Promise.all(Array.from({ length: 4 }, () => stage.follow()));
    await Promise.all(followers.map((follower) => stage.becomes(() => expect(follower.values.size).toBe(2_000))));
    enough.abort();
    await busy;
    for (const follower of followers) {
      await stage.holds(follower, ...generation(round));
      expect(follower.batches[0]?.changes).toHaveLength(2_000);
    }
  });

  it("start from the copy on disk while the bus is away, and get the difference when it is back", async () => {
    await begin();
    const copy = join(setup.path, "node-1", "feed.copy");
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(sampleService("a"), sampleService("b")));
    const first = await setup.feed({ copy });
    const before = new RecordingFollower();
    first.follow(before);
    await stage.holds(before, sampleService("a"), sampleService("b"));
    await first.stop();
    await stage.bus.kill();

    const second = await setup.feed({ copy });
    const after = new RecordingFollower();
    second.follow(after);
    await stage.holds(after, sampleService("a"), sampleService("b"));
    expect(after.batches.map(({ source }) => source)).toEqual(["disk"]);
    expect(after.statuses).toEqual(["stale"]);
    const published = put(publisher, sampleService("b", 2), sampleNode("node-1"));
    await stage.bus.start();
    await published;
    await stage.holds(after, sampleService("a"), sampleService("b", 2), sampleNode("node-1"));
    await stage.status(after, "live");
    expect(after.batches[1]?.source).toBe("snapshot");
    expect(after.told(1).toSorted()).toEqual(["put node.node-1", "put service.default.b"]);
    expect(after.violations).toEqual([]);
  });

  it("ask for nothing that their copy already holds", async () => {
    await begin();
    const copy = join(setup.path, "feed.copy");
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(sampleService("a"), sampleSlice("a", "1")));
    const first = await setup.feed({ copy });
    await stage.becomes(() => expect(first.stats().keys).toBe(2));
    await first.stop();
    const second = await setup.feed({ copy });
    const follower = new RecordingFollower();
    second.follow(follower);
    await stage.holds(follower, sampleService("a"), sampleSlice("a", "1"));
    await stage.status(follower, "live");
    expect(second.stats().snapshots).toBe(0);
    expect(follower.batches.at(-1)).toMatchObject({ source: "snapshot" });
    await put(publisher, sampleService("a", 2));
    await stage.holds(follower, sampleService("a", 2), sampleSlice("a", "1"));
  });

  it("notice a copy that is not what the feed says, though it is at the same place", async () => {
    await begin();
    const copy = join(setup.path, "feed.copy");
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(sampleService("a"), sampleService("b")));
    const first = await setup.feed({ copy });
    await stage.becomes(() => expect(first.stats().keys).toBe(2));
    await first.stop();
    // As if the store had lost its end, and the same places were given out again.
    const { readCopy, writeCopy } = await import("../src/nats/disk-copy.ts");
    const held = await readCopy(copy);
    if (held === undefined) throw new Error("there is a copy");
    const entries = new Map([...held.entries].map(([key, entry]) => [key, { ...entry, at: entry.at - 1 }]));
    for (const [key, { seq, at, change }] of entries) {
      if (change) entries.set(key, { seq, at, change: { ...change, at, value: sampleService(key.slice(16), 99) } });
    }
    await writeCopy(copy, { ...held, entries });
    const feed = await setup.feed({ copy });
    const follower = new RecordingFollower();
    feed.follow(follower);
    await stage.holds(follower, sampleService("a"), sampleService("b"));
    expect(feed.stats().snapshots).toBe(1);
    expect(setup.log.messages("error")).toContain("the state differs from the feed's");
  });

  it("ignore a damaged copy, with a warning", async () => {
    await begin();
    const copy = join(setup.path, "feed.copy");
    await writeFile(copy, "no copy\n");
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(sampleService("a")));
    const feed = await setup.feed({ copy });
    const follower = new RecordingFollower();
    feed.follow(follower);
    await stage.holds(follower, sampleService("a"));
    expect(follower.batches.map(({ source }) => source)).toEqual(["snapshot"]);
    expect(setup.log.messages("warn")).toContain("the copy of the feed on disk is ignored");
    await feed.stop();
    expect(await readFile(copy, "utf8")).toContain("service.default.a");
  });

  it("are told that the feed is stale when nobody writes any more, and live when somebody does", async () => {
    await begin();
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(sampleService("a")));
    const follower = await stage.follow();
    await stage.status(follower, "live");
    await publisher.stop();
    await stage.status(follower, "stale");
    expect(follower.batches).toHaveLength(1);
    const next = await setup.publisher();
    await next.takeOver(stateOf(sampleService("a")));
    await stage.status(follower, "live");
    expect(follower.told(1)).toEqual([]);
  });

  it("give up a connection that hangs, and are right again when the network is", async () => {
    await begin();
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(sampleService("a")));
    const feed = await setup.feed();
    const follower = new RecordingFollower();
    feed.follow(follower);
    await stage.holds(follower, sampleService("a"));
    await stage.bus.loseMessages(async () => {
      await put(publisher, sampleService("a", 2));
      await stage.status(follower, "stale");
      expect(follower.batches).toHaveLength(1);
    });
    await stage.holds(follower, sampleService("a", 2));
    await stage.status(follower, "live");
  });

  it("stop at once while the bus is away, and leave no connection behind", async () => {
    await begin();
    await stage.bus.kill();
    const feed = await setup.feed();
    const following = feed.follow(new RecordingFollower());
    await feed.stop();
    expect(following.status).toBe("closed");
    expect(feed.stats().connects).toBe(0);
  });

  it("share one connection where they follow one feed", async () => {
    await begin();
    const publisher = await setup.publisher();
    await publisher.takeOver(stateOf(sampleService("a"), sampleNode("n")));
    const feed = await setup.feed();
    const followers = [new RecordingFollower(), new RecordingFollower({ kinds: ["node"] })];
    for (const follower of followers) feed.follow(follower);
    await eventually(() => expect(followers.map(({ values }) => values.size)).toEqual([2, 1]));
    const late = new RecordingFollower();
    feed.follow(late);
    await stage.holds(late, sampleService("a"), sampleNode("n"));
    expect(feed.stats()).toMatchObject({ connects: 1, snapshots: 1 });
  });
});
