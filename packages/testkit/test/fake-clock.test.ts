import { expect, test } from "vitest";
import { FakeClock } from "../src/index.ts";

test("stands still until it is advanced", async () => {
  const clock = new FakeClock({ startAt: 1_000 });
  expect([clock.now(), clock.monotonic()]).toEqual([1_000, 0]);
  await clock.advance(250);
  expect([clock.now(), clock.monotonic()]).toEqual([1_250, 250]);
});

test("fires timers in order of their time, then of their setting, each at its own time", async () => {
  const clock = new FakeClock();
  const fired: [string, number][] = [];
  const note = (name: string) => (): void => void fired.push([name, clock.monotonic()]);
  clock.setTimer(30, note("late"));
  clock.setTimer(10, note("early"));
  clock.setTimer(10, note("early too"));
  clock.setTimer(31, note("beyond"));
  await clock.advance(30);
  expect(fired).toEqual([
    ["early", 10],
    ["early too", 10],
    ["late", 30],
  ]);
  expect(clock.pending).toBe(1);
});

test("fires a timer that was set by a promise which another timer resolved", async () => {
  const clock = new FakeClock();
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
  let done = false;
  void (async () => {
    for (let step = 0; step < 5; step++) await wait(10);
    done = true;
  })();
  await clock.advance(49);
  expect(done).toBe(false);
  await clock.advance(1);
  expect(done).toBe(true);
});

test("does not fire a timer that was cancelled, not even by one of the same moment", async () => {
  const clock = new FakeClock();
  let fired = false;
  const cancels: (() => void)[] = [];
  clock.setTimer(5, () => cancels.forEach((cancel) => cancel()));
  cancels.push(clock.setTimer(5, () => void (fired = true)));
  await clock.advance(100);
  expect(fired).toBe(false);
});

test("fires what is due now when it is advanced by nothing", async () => {
  const clock = new FakeClock();
  let fired = false;
  clock.setTimer(0, () => void (fired = true));
  expect(fired).toBe(false);
  await clock.advance(0);
  expect(fired).toBe(true);
});

test("hands on what a callback throws", async () => {
  const clock = new FakeClock();
  clock.setTimer(1, () => {
    throw new Error("from the callback");
  });
  await expect(clock.advance(1)).rejects.toThrow("from the callback");
});
