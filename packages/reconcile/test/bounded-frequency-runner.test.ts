import { FakeClock, seededRandom } from "@fairlead/testkit";
import { describe, expect, onTestFinished, test } from "vitest";
import { BoundedFrequencyRunner, type BoundedFrequencyRunnerOptions } from "../src/index.ts";

const MIN = 100;
const MAX = 10_000;
const RETRY = 1_000;

interface Fixture {
  readonly clock: FakeClock;
  readonly runner: BoundedFrequencyRunner;
  /** When each run started. */
  readonly starts: number[];
  readonly errors: unknown[];
}

function makeRunner(options: Partial<BoundedFrequencyRunnerOptions> = {}): Fixture {
  const clock = (options.clock as FakeClock | undefined) ?? new FakeClock();
  const starts: number[] = [];
  const errors: unknown[] = [];
  const { run = () => undefined, ...rest } = options;
  const runner = new BoundedFrequencyRunner({
    name: "under test",
    minIntervalMs: MIN,
    maxIntervalMs: MAX,
    retryIntervalMs: RETRY,
    onError: (error) => void errors.push(error),
    ...rest,
    clock,
    run: () => {
      starts.push(clock.monotonic());
      return run();
    },
  });
  onTestFinished(async () => {
    // A run that waits for its time gets it.
    await Promise.all([runner.stop(), clock.advance(MAX)]);
  });
  return { clock, runner, starts, errors };
}

/** A job that ends when the test says so. */
function gate(): { wait: () => Promise<void>; open: () => void; entered: () => number } {
  let waiting: (() => void)[] = [];
  let entered = 0;
  return {
    wait: () => {
      entered++;
      return new Promise((resolve) => void waiting.push(resolve));
    },
    open: () => {
      for (const resolve of waiting) resolve();
      waiting = [];
    },
    entered: () => entered,
  };
}

test("runs soon after a request, but never within the call of it", async () => {
  const { clock, runner, starts } = makeRunner();
  runner.start();
  runner.request();
  expect(starts).toEqual([]);
  await clock.advance(0);
  expect(starts).toEqual([0]);
});

test("keeps the shortest interval between two starts, and loses no request to it", async () => {
  const { clock, runner, starts } = makeRunner();
  runner.start();
  for (let ms = 0; ms < 350; ms += 10) {
    runner.request();
    await clock.advance(10);
  }
  await clock.advance(MIN);
  expect(starts).toEqual([0, 100, 200, 300, 400]);
});

test("runs once for many requests of one moment", async () => {
  const { clock, runner, starts } = makeRunner();
  runner.start();
  for (let count = 0; count < 50; count++) runner.request();
  await clock.advance(MAX - 1);
  expect(starts).toEqual([0]);
});

test("runs without a request after the longest interval, counted from the last start", async () => {
  const { clock, runner, starts } = makeRunner();
  runner.start();
  await clock.advance(4_000);
  runner.request();
  await clock.advance(2 * MAX);
  expect(starts).toEqual([4_000, 14_000, 24_000]);
});

test("runs again after the retry interval when a run failed, until one succeeds", async () => {
  let failures = 2;
  const { clock, runner, starts, errors } = makeRunner({
    run: () => {
      if (failures-- > 0) throw new Error("no luck");
    },
  });
  runner.start();
  runner.request();
  await clock.advance(MAX);
  expect(starts).toEqual([0, 1_000, 2_000]);
  expect(errors).toHaveLength(2);
});

test("counts the retry interval from the end of a run that fails late, and keeps the shortest interval", async () => {
  const clock = new FakeClock();
  const slowFailure = (): Promise<void> =>
    new Promise((_, reject) => void clock.setTimer(30, () => reject(new Error("late"))));
  const { runner, starts, errors } = makeRunner({ clock, retryIntervalMs: 20, run: slowFailure });
  runner.start();
  runner.request();
  await clock.advance(250);
  expect(errors).toHaveLength(3);
  expect(starts).toEqual([0, 100, 200]);
});

test("does not wait for the retry interval when asked after a failure", async () => {
  const { clock, runner, starts } = makeRunner({ run: () => Promise.reject(new Error("no luck")) });
  runner.start();
  runner.request();
  await clock.advance(10);
  runner.request();
  await clock.advance(MIN);
  expect(starts).toEqual([0, 100]);
});

test("never runs twice at once, and runs again for a request made during a run", async () => {
  const door = gate();
  const { clock, runner, starts } = makeRunner({ run: door.wait });
  runner.start();
  runner.request();
  await clock.advance(0);
  runner.request();
  await clock.advance(5 * MAX);
  expect(door.entered()).toBe(1);
  door.open();
  await clock.advance(0);
  expect(starts).toEqual([0, 50_000]);
  door.open();
});

test("takes a request that the run itself makes", async () => {
  const runners: BoundedFrequencyRunner[] = [];
  let asked = false;
  const { clock, runner, starts } = makeRunner({
    run: () => {
      if (!asked) runners[0]?.request();
      asked = true;
    },
  });
  runners.push(runner);
  runner.start();
  runner.request();
  await clock.advance(MAX - 1);
  expect(starts).toEqual([0, MIN]);
});

test("does nothing before start, and keeps a request made then", async () => {
  const { clock, runner, starts } = makeRunner();
  runner.request();
  await clock.advance(5 * MAX);
  expect(starts).toEqual([]);
  runner.start();
  await clock.advance(0);
  expect(starts).toEqual([50_000]);
});

describe("stop", () => {
  test("waits for the run that goes on, and lets none follow", async () => {
    const door = gate();
    const { clock, runner, starts } = makeRunner({ run: door.wait });
    runner.start();
    runner.request();
    await clock.advance(0);
    runner.request();
    let stopped = false;
    const stopping = runner.stop().then(() => (stopped = true));
    await clock.advance(0);
    expect(stopped).toBe(false);
    door.open();
    await stopping;
    runner.request();
    await clock.advance(2 * MAX);
    expect(starts).toEqual([0]);
    expect(clock.pending).toBe(0);
  });

  test("may be called by the run itself without waiting", async () => {
    const runners: BoundedFrequencyRunner[] = [];
    const { clock, runner, starts } = makeRunner({ run: () => void runners[0]?.stop() });
    runners.push(runner);
    runner.start();
    runner.request();
    await clock.advance(3 * MAX);
    expect(starts).toEqual([0]);
  });
});

/** A clock like the machine's: timers are set in whole milliseconds and may fire early. */
class HandClock extends FakeClock {
  time = 0;
  readonly fire: (() => void)[] = [];

  override monotonic(): number {
    return this.time;
  }

  override setTimer(_: number, callback: () => void): () => void {
    this.fire.push(callback);
    return () => undefined;
  }
}

test("waits on when a timer fires a fraction early", async () => {
  const clock = new HandClock();
  const { runner, starts } = makeRunner({ clock });
  runner.request();
  runner.start();
  clock.fire.pop()?.();
  await clock.advance(0);
  runner.request();
  clock.time = MIN - 0.4;
  clock.fire.pop()?.();
  await clock.advance(0);
  expect(starts).toEqual([0]);
  clock.time = MIN;
  clock.fire.pop()?.();
  await clock.advance(0);
  expect(starts).toEqual([0, MIN]);
});

test("starts no run when it is stopped in the moment in which one is due", async () => {
  const clock = new HandClock();
  const { runner, starts } = makeRunner({ clock });
  runner.request();
  runner.start();
  clock.fire.pop()?.();
  await runner.stop();
  expect(starts).toEqual([]);
});

test("does not let a failure put off the run that is due anyway", async () => {
  const { clock, runner, starts } = makeRunner({
    retryIntervalMs: 3 * MAX,
    run: () => Promise.reject(new Error("no luck")),
  });
  runner.start();
  runner.request();
  await clock.advance(MAX);
  expect(starts).toEqual([0, MAX]);
});

test("refuses intervals that make no sense", () => {
  expect(() => makeRunner({ minIntervalMs: -1 })).toThrow(RangeError);
  expect(() => makeRunner({ maxIntervalMs: 0 })).toThrow(RangeError);
  expect(() => makeRunner({ retryIntervalMs: Number.NaN })).toThrow(RangeError);
});

test.for([1, 2, 3, 4, 5])(
  "keeps its promises under random requests, run times and failures (seed %i)",
  async (seed) => {
    const random = seededRandom(seed);
    const clock = new FakeClock();
    let running = 0;
    let lastRequest = -1;
    const served: number[] = [];
    const { runner, starts } = makeRunner({
      clock,
      run: async () => {
        served.push(lastRequest);
        expect(++running).toBe(1);
        await new Promise<void>((resolve) => void clock.setTimer(Math.floor(random() * 3 * MIN), resolve));
        running--;
        if (random() < 0.3) throw new Error("no luck");
      },
    });
    runner.start();
    for (let step = 0; step < 300; step++) {
      lastRequest = step;
      runner.request();
      await clock.advance(Math.floor(random() * 2 * MIN));
    }
    await clock.advance(10 * MIN);
    expect(served.at(-1)).toBe(lastRequest);
    const gaps = starts.slice(1).map((at, index) => at - (starts[index] ?? 0));
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(MIN);
  },
);
