/** The part of the suite for transports with a bus: what followers and publishers do when it fails. */
import { serviceFeedKey } from "@fairlead/types";
import { beforeEach, describe, expect, it } from "vitest";
import { type FeedStage, put, remove } from "./feed-stage.ts";
import { sampleService, stateOf } from "./samples.ts";

/** Adds the tests; `current` gives the stage of the running one. */
export function busFailures(current: () => FeedStage): void {
  describe("when the bus fails", () => {
    let stage: FeedStage;

    beforeEach(() => {
      stage = current();
    });

    it("notices lost messages", async () => {
      const publisher = await stage.writer(sampleService("a"), sampleService("gone"));
      const follower = await stage.follow();
      await stage.holds(follower, sampleService("a"), sampleService("gone"));
      await stage.bus.loseMessages(async () => {
        await put(publisher, sampleService("a", 2), sampleService("b"));
        await remove(publisher, serviceFeedKey("default", "gone"));
      });
      await stage.holds(follower, sampleService("a", 2), sampleService("b"));
      await stage.status(follower, "live");
      await put(publisher, sampleService("a", 3));
      await stage.holds(follower, sampleService("a", 3), sampleService("b"));
      expect(follower.batches.slice(1).map(({ source }) => source)).toContain("snapshot");
    });

    it("keeps order and completeness over a slow network", async () => {
      const publisher = await stage.writer(sampleService("a"));
      stage.bus.delay(150);
      const follower = await stage.follow();
      for (let n = 2; n <= 30; n++) await put(publisher, sampleService("a", n), sampleService(`s${n % 4}`, n));
      await stage.holds(
        follower,
        sampleService("a", 30),
        ...[28, 29, 30, 27].map((n) => sampleService(`s${n % 4}`, n)),
      );
      await stage.status(follower, "live");
      expect(follower.told()).toContain("put service.default.s0");
    });

    it("goes on after the bus was killed and started again", async () => {
      const publisher = await stage.writer(sampleService("a"));
      const follower = await stage.follow();
      await stage.holds(follower, sampleService("a"));
      await stage.bus.kill();
      await stage.bus.start();
      await put(publisher, sampleService("a", 2));
      await stage.holds(follower, sampleService("a", 2));
      await stage.status(follower, "live");
      expect(follower.told(1)).toEqual(["put service.default.a"]);
    });

    it("lets the last state stand while the bus is away, and brings what was published meanwhile", async () => {
      const publisher = await stage.writer(sampleService("a"), sampleService("b"));
      const follower = await stage.follow();
      await stage.holds(follower, sampleService("a"), sampleService("b"));
      await stage.bus.kill();
      const published = Promise.all([
        put(publisher, sampleService("a", 2)),
        put(publisher, sampleService("a", 3), sampleService("c")),
        remove(publisher, serviceFeedKey("default", "b")),
      ]);
      await stage.status(follower, "stale");
      expect(follower.values).toEqual(stateOf(sampleService("a"), sampleService("b")));
      await stage.bus.start();
      await published;
      await stage.holds(follower, sampleService("a", 3), sampleService("c"));
      await stage.status(follower, "live");
      const told = follower.batches.flatMap(({ changes }) => changes.map((change) => JSON.stringify(change)));
      expect(told.filter((text) => text.includes('"port":2}'))).toEqual([]);
    });

    it("survives the loss of all that the bus has stored, without a change that is not one", async () => {
      const values = Array.from({ length: 300 }, (_, n) => sampleService(`s${n}`));
      const publisher = await stage.writer(...values);
      const follower = await stage.follow();
      await stage.holds(follower, ...values);
      const { epoch } = follower.batches[0] ?? { epoch: "" };
      await stage.bus.kill();
      await stage.bus.wipe();
      await stage.bus.start();
      await put(publisher, sampleService("new"));
      await stage.holds(follower, ...values, sampleService("new"));
      expect(follower.told(1)).toEqual(["put service.default.new"]);
      await put(publisher, sampleService("s0", 2));
      await stage.holds(follower, sampleService("s0", 2), ...values.slice(1), sampleService("new"));
      expect(follower.batches.at(-1)?.epoch).not.toBe(epoch);
    });

    it("lets a publisher start while the bus is away", async () => {
      await stage.bus.kill();
      const publisher = await stage.publisher();
      const follower = await stage.follow();
      const taken = publisher.takeOver(stateOf(sampleService("a")));
      const published = put(publisher, sampleService("a", 2), sampleService("b"));
      await stage.bus.start();
      await Promise.all([taken, published]);
      await stage.holds(follower, sampleService("a", 2), sampleService("b"));
      expect(follower.batches[0]?.source).toBe("snapshot");
    });

    it("fences out a publisher that was cut off while another took over", async () => {
      const older = await stage.writer(sampleService("a"));
      const follower = await stage.follow();
      await stage.bus.kill();
      // It may still be held if this one is back first: then it came before the other took over.
      const wish = put(older, sampleService("a", 66)).catch((error: unknown) => error);
      const newer = await stage.publisher();
      const taken = newer.takeOver(stateOf(sampleService("a", 2)));
      await stage.bus.start();
      await taken;
      await wish;
      await expect(put(older, sampleService("a", 67))).rejects.toMatchObject({ code: "FEED_FENCED" });
      await put(newer, sampleService("a", 3));
      await stage.holds(follower, sampleService("a", 3));
    });
  });
}
