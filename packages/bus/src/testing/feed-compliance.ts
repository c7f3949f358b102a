/** The five promises of {@link ChangeFeed} as a suite that every transport passes. */
import { feedKeyOf, namespaceFeedKey, nodeFeedKey, podFeedKey, serviceFeedKey } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MAX_PENDING_CHANGES } from "../handover.ts";
import { busFailures } from "./bus-failures.ts";
import { FeedStage, type FeedSetup, put, remove } from "./feed-stage.ts";
import { RecordingFollower } from "./recording-follower.ts";
import { sampleNamespace, sampleNode, samplePod, sampleService, sampleSlice, stateOf } from "./samples.ts";

/** The suite. `noBus` says why there is none to disturb, for a transport that has none. */
export function feedCompliance(name: string, make: () => Promise<FeedSetup>, options: { noBus?: string } = {}): void {
  describe(`${name} keeps the feed's promises`, () => {
    let stage: FeedStage;

    beforeEach(async () => {
      stage = new FeedStage(await make());
    });

    afterEach(() => stage.close());

    describe("1: first a snapshot", () => {
      it("hands over everything at once to a follower that comes late", async () => {
        const values = Array.from({ length: 500 }, (_, n) => sampleService(`s${n}`));
        await stage.writer(...values, sampleNode("node-1"));
        const follower = await stage.follow();
        await stage.holds(follower, ...values, sampleNode("node-1"));
        expect(follower.batches.map(({ source, changes }) => [source, changes.length])).toEqual([["snapshot", 501]]);
      });

      it("hands over nothing before a publisher has said what exists", async () => {
        const follower = await stage.follow();
        const publisher = await stage.publisher();
        await expect(put(publisher, sampleService("early"))).rejects.toMatchObject({ code: "FEED_FENCED" });
        expect(follower.batches).toEqual([]);
        expect(follower.statuses).not.toContain("live");
        await publisher.takeOver(stateOf(sampleService("a")));
        await stage.holds(follower, sampleService("a"));
      });

      it("hands over an empty snapshot of an empty feed", async () => {
        await stage.writer();
        const follower = await stage.follow();
        await stage.becomes(() => expect(follower.batches).toHaveLength(1));
        expect(follower.batches[0]).toMatchObject({ source: "snapshot", changes: [] });
      });

      it("hands over a whole snapshot while changes pour in", async () => {
        const publisher = await stage.writer(...Array.from({ length: 300 }, (_, n) => sampleService(`s${n}`)));
        const wishes = Array.from({ length: 20 }, (_, round) =>
          put(publisher, ...Array.from({ length: 20 }, (_, n) => sampleService(`s${n * 15 + (round % 3)}`, round + 2))),
        );
        const late = await Promise.all([stage.follow(), stage.follow(), stage.follow()]);
        await Promise.all(wishes);
        const early = await stage.follow();
        await stage.becomes(() => expect(early.values.size).toBe(300));
        for (const follower of late) {
          await stage.holds(follower, ...early.values.values());
          expect(follower.batches[0]?.changes).toHaveLength(300);
        }
      });
    });

    describe("2: then changes", () => {
      it("applies each once, in order", async () => {
        const publisher = await stage.writer(sampleService("a", 1));
        const follower = await stage.follow();
        await stage.holds(follower, sampleService("a", 1));
        for (let n = 2; n <= 50; n++) await put(publisher, sampleService("a", n));
        await stage.holds(follower, sampleService("a", 50));
        const ports = follower.batches.flatMap(({ changes }) =>
          changes.map((change) =>
            change.op === "put" && change.value.kind === "service" ? change.value.service.ports[0]?.port : 0,
          ),
        );
        expect(ports).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
      });

      it("tells of what is gone, and of what comes back", async () => {
        const publisher = await stage.writer(sampleService("a"), sampleNode("node-1"));
        const follower = await stage.follow();
        await stage.holds(follower, sampleService("a"), sampleNode("node-1"));
        await remove(publisher, serviceFeedKey("default", "a"), nodeFeedKey("never-there"));
        await stage.holds(follower, sampleNode("node-1"));
        await put(publisher, sampleService("a", 2));
        await stage.holds(follower, sampleService("a", 2), sampleNode("node-1"));
        expect(follower.told(1)).toEqual(["delete service.default.a", "put service.default.a"]);
      });

      it("hands over together what gathers while the follower is busy", async () => {
        const publisher = await stage.writer();
        const follower = await stage.follow();
        await stage.becomes(() => expect(follower.batches).toHaveLength(1));
        const witness = await stage.follow();
        const release = follower.hold();
        await put(publisher, sampleService("a"));
        await stage.becomes(() => expect(follower.batches).toHaveLength(2));
        const rest = Array.from({ length: 40 }, (_, n) => sampleSlice("a", `s${n}`));
        for (const value of rest) await put(publisher, value);
        await stage.holds(witness, sampleService("a"), ...rest);
        expect(follower.batches).toHaveLength(2);
        release();
        await stage.holds(follower, sampleService("a"), ...rest);
        expect(follower.batches[2]?.changes.length).toBeGreaterThan(1);
        expect(follower.batches.length).toBeLessThan(10);
      });

      it("hands over only the kinds that were asked for", async () => {
        const publisher = await stage.writer(sampleService("a"), sampleSlice("a", "1"), sampleNode("node-1"));
        const follower = await stage.follow(new RecordingFollower({ kinds: ["service", "node"] }));
        await stage.holds(follower, sampleService("a"), sampleNode("node-1"));
        await put(publisher, sampleSlice("a", "2"), sampleService("b"));
        await stage.holds(follower, sampleService("a"), sampleNode("node-1"), sampleService("b"));
        expect(follower.told(1)).toEqual(["put service.default.b"]);
      });

      it("hands over namespaces and pods to those who ask, and to nobody else", async () => {
        const publisher = await stage.writer(sampleService("a"), sampleNamespace("shop"));
        const follower = await stage.follow();
        const asking = await stage.follow(new RecordingFollower({ kinds: ["service", "namespace", "pod"] }));
        await stage.holds(follower, sampleService("a"));
        await stage.holds(asking, sampleService("a"), sampleNamespace("shop"));
        await put(publisher, samplePod("p"), sampleNamespace("more"));
        await remove(publisher, namespaceFeedKey("shop"), podFeedKey("default", "gone"));
        await put(publisher, sampleService("b"));
        await stage.holds(asking, sampleService("a"), sampleNamespace("more"), samplePod("p"), sampleService("b"));
        await stage.holds(follower, sampleService("a"), sampleService("b"));
        expect(follower.told(1)).toEqual(["put service.default.b"]);
      });

      it("carries the time of the cause", async () => {
        const publisher = await stage.writer();
        const follower = await stage.follow();
        const value = sampleService("a");
        await publisher.publish([{ key: feedKeyOf(value), value, trigger: 1234 }]);
        await stage.holds(follower, value);
        await publisher.publish([{ key: feedKeyOf(value), value: undefined, trigger: 5678 }]);
        await stage.holds(follower);
        const triggers = follower.batches.flatMap(({ changes }) => changes.map(({ trigger }) => trigger));
        expect(triggers.at(0)).toBe(1234);
        expect(triggers.at(-1)).toBe(5678);
      });
    });

    describe("3: never silently wrong", () => {
      it("gives a follower that rejected a batch the difference to what it had", async () => {
        const publisher = await stage.writer(sampleService("a"), sampleService("b"), sampleService("c"));
        const follower = await stage.follow();
        await stage.holds(follower, sampleService("a"), sampleService("b"), sampleService("c"));
        follower.reject(2);
        await publisher.publish([
          { key: serviceFeedKey("default", "a"), value: sampleService("a", 2) },
          { key: serviceFeedKey("default", "b"), value: undefined },
        ]);
        await stage.holds(follower, sampleService("a", 2), sampleService("c"));
        await stage.becomes(() => expect(follower.rejected).toBe(2));
        await stage.becomes(() => expect(follower.batches).toHaveLength(4));
        const keys = follower.batches.at(-1)?.changes.map(({ op, key }) => `${op} ${key}`);
        expect(follower.batches.at(-1)?.source).toBe("snapshot");
        expect(keys).toEqual(["delete service.default.b", "put service.default.a"]);
      });

      it("gives a follower that is too slow a snapshot", async () => {
        const publisher = await stage.writer();
        const follower = await stage.follow();
        await stage.becomes(() => expect(follower.batches).toHaveLength(1));
        const release = follower.hold();
        await put(publisher, sampleNode("first"));
        await stage.becomes(() => expect(follower.batches).toHaveLength(2));
        const flood = Array.from({ length: MAX_PENDING_CHANGES + 1_000 }, (_, n) => sampleNode(`n${n}`));
        await put(publisher, ...flood);
        const witness = await stage.follow();
        await stage.becomes(() => expect(witness.values.size).toBe(flood.length + 1));
        release();
        await stage.holds(follower, sampleNode("first"), ...flood);
        expect(follower.batches[2]?.source).toBe("snapshot");
      });
    });

    describe("4 and 5: one writer", () => {
      it("refuses the earlier of two publishers, and lets none of its changes through", async () => {
        const older = await stage.writer(sampleService("a"));
        const follower = await stage.follow();
        await stage.holds(follower, sampleService("a"));
        const newer = await stage.writer(sampleService("a"), sampleService("b"));
        await expect(put(older, sampleService("a", 66))).rejects.toMatchObject({ code: "FEED_FENCED" });
        await expect(put(older, sampleService("a", 67))).rejects.toMatchObject({ code: "FEED_FENCED" });
        await put(newer, sampleService("a", 2));
        await stage.holds(follower, sampleService("a", 2), sampleService("b"));
        const values = follower.batches.flatMap(({ changes }) => changes.map((change) => JSON.stringify(change)));
        expect(values.filter((text) => text.includes('"port":66') || text.includes('"port":67'))).toEqual([]);
      });

      it("lets a fenced publisher take over again", async () => {
        const older = await stage.writer(sampleService("a"));
        await stage.writer(sampleService("b"));
        await expect(put(older, sampleService("a", 2))).rejects.toMatchObject({ code: "FEED_FENCED" });
        await older.takeOver(stateOf(sampleService("a", 3)));
        const follower = await stage.follow();
        await stage.holds(follower, sampleService("a", 3));
      });

      it("publishes at a takeover only what differs", async () => {
        await stage.writer(sampleService("same"), sampleService("old"), sampleService("changed"));
        const follower = await stage.follow();
        await stage.holds(follower, sampleService("same"), sampleService("old"), sampleService("changed"));
        await stage.writer(sampleService("same"), sampleService("new"), sampleService("changed", 2));
        await stage.holds(follower, sampleService("same"), sampleService("new"), sampleService("changed", 2));
        expect(follower.told(1).toSorted()).toEqual([
          "delete service.default.old",
          "put service.default.changed",
          "put service.default.new",
        ]);
      });

      it("mends what a publisher left half done", async () => {
        const first = await stage.writer(sampleService("a"), sampleService("b"));
        const follower = await stage.follow();
        const half = Array.from({ length: 400 }, (_, n) => sampleService(`half-${n}`));
        const done = put(first, ...half).then(
          () => "held",
          (error: { code: string }) => error.code,
        );
        await first.stop();
        expect(["held", "FEED_STOPPED"]).toContain(await done);
        const second = await stage.writer(sampleService("a", 2));
        await put(second, sampleService("c"));
        await stage.holds(follower, sampleService("a", 2), sampleService("c"));
      });

      it("refuses to publish after it was stopped", async () => {
        const publisher = await stage.writer(sampleService("a"));
        await publisher.stop();
        await expect(put(publisher, sampleService("b"))).rejects.toMatchObject({ code: "FEED_STOPPED" });
        await expect(publisher.takeOver(new Map())).rejects.toMatchObject({ code: "FEED_STOPPED" });
      });
    });

    it("hands nothing over once a follower has stopped", async () => {
      const publisher = await stage.writer(sampleService("a"));
      const follower = new RecordingFollower();
      const following = await stage.followBy(follower);
      await stage.holds(follower, sampleService("a"));
      await following.stop();
      expect(following.status).toBe("closed");
      expect(follower.statuses.at(-1)).toBe("closed");
      await put(publisher, sampleService("b"));
      const witness = await stage.follow();
      await stage.holds(witness, sampleService("a"), sampleService("b"));
      expect(follower.values).toEqual(stateOf(sampleService("a")));
    });

    if (options.noBus === undefined) busFailures(() => stage);
    else {
      it(`has no bus that could fail: ${options.noBus}`, () => {
        expect(stage.hasBus).toBe(false);
      });
    }
  });
}
