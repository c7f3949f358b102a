import { FakeClock } from "@fairlead/testkit";
import { expect, test } from "vitest";
import { growingClock } from "../src/event-clock.ts";

test("no two looks show the same time, and it is the clock's again when that has moved on", async () => {
  const clock = new FakeClock();
  const events = growingClock(clock);
  const first = events.now();
  expect([events.now(), events.now()]).toEqual([first + 1, first + 2]);
  await clock.advance(1_000);
  expect(events.now()).toBe(Math.floor(clock.now()));
});
