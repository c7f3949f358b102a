import { FakeClock, seededRandom } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { WorkQueue, type WorkQueueOptions } from "../src/index.ts";

interface Fixture {
  readonly clock: FakeClock;
  readonly queue: WorkQueue<string>;
  /** Keys in the order in which their processing started, with the time. */
  readonly seen: [string, number][];
  readonly failures: [string, number][];
}

function makeQueue(options: Partial<WorkQueueOptions<string>> = {}): Fixture {
  const clock = (options.clock as FakeClock | undefined) ?? new FakeClock();
  const seen: [string, number][] = [];
  const failures: [string, number][] = [];
  const { process = () => undefined, ...rest } = options;
  const queue = new WorkQueue<string>({
    random: () => 0,
    onError: (key, _, attempt) => void failures.push([key, attempt]),
    ...rest,
    clock,
    process: (key) => {
      seen.push([key, clock.monotonic()]);
      return process(key);
    },
  });
  onTestFinished(() => queue.stop());
  return { clock, queue, seen, failures };
}

/** Work that ends when the test says so, by key. */
function gates(): { work: (key: string) => Promise<void>; open: (key: string) => void; inside: string[] } {
  const waiting = new Map<string, () => void>();
  const inside: string[] = [];
  return {
    inside,
    work: (key) => {
      inside.push(key);
      return new Promise((resolve) => void waiting.set(key, resolve));
    },
    open: (key) => {
      inside.splice(inside.indexOf(key), 1);
      waiting.get(key)?.();
    },
  };
}

test("processes each key once however often it was added, in the order of adding", async () => {
  const { clock, queue, seen } = makeQueue({ concurrency: 1 });
  for (const key of ["a", "b", "a", "c", "b"]) queue.add(key);
  expect(queue.size).toBe(3);
  queue.start();
  expect(seen).toEqual([]);
  await clock.advance(0);
  expect(seen.map(([key]) => key)).toEqual(["a", "b", "c"]);
  expect(queue.size).toBe(0);
});

test("processes a key once more when it is added meanwhile, and never twice at once", async () => {
  const { work, open, inside } = gates();
  const { clock, queue, seen } = makeQueue({ process: work });
  queue.start();
  queue.add("a");
  await clock.advance(0);
  queue.add("a");
  queue.add("a");
  await clock.advance(0);
  expect(inside).toEqual(["a"]);
  open("a");
  await clock.advance(0);
  expect(inside).toEqual(["a"]);
  open("a");
  await clock.advance(0);
  expect(seen).toHaveLength(2);
  expect(queue.size).toBe(0);
});

test("keeps to its concurrency, and lets no busy key hold up another", async () => {
  const { work, open, inside } = gates();
  const { clock, queue } = makeQueue({ process: work, concurrency: 2 });
  queue.start();
  for (const key of ["a", "b", "c"]) queue.add(key);
  await clock.advance(0);
  expect(inside).toEqual(["a", "b"]);
  queue.add("a");
  open("b");
  await clock.advance(0);
  expect(inside).toEqual(["a", "c"]);
  open("c");
  open("a");
  await clock.advance(0);
  expect(inside).toEqual(["a"]);
  open("a");
});

test("tries a key that fails again after waits that double up to the longest", async () => {
  const { clock, queue, seen, failures } = makeQueue({
    baseDelayMs: 100,
    maxDelayMs: 500,
    process: () => {
      throw new Error("no luck");
    },
  });
  queue.start();
  queue.add("a");
  await clock.advance(2_000);
  expect(seen.map(([, at]) => at)).toEqual([0, 100, 300, 700, 1_200, 1_700]);
  expect(failures.slice(0, 3)).toEqual([
    ["a", 1],
    ["a", 2],
    ["a", 3],
  ]);
  expect(queue.size).toBe(1);
});

test("does not tire after a thousand failures", async () => {
  const { clock, queue, seen } = makeQueue({ maxDelayMs: 1_000, process: () => Promise.reject(new Error("no luck")) });
  queue.start();
  queue.add("a");
  await clock.advance(1_200_000);
  const before = seen.length;
  expect(before).toBeGreaterThan(1_100);
  await clock.advance(1_000);
  expect(seen).toHaveLength(before + 1);
});

test("shortens a wait at random by up to half", async () => {
  const { clock, queue, seen } = makeQueue({
    random: () => 0.5,
    baseDelayMs: 100,
    process: () => Promise.reject(new Error("no luck")),
  });
  queue.start();
  queue.add("a");
  await clock.advance(225);
  expect(seen.map(([, at]) => at)).toEqual([0, 75, 225]);
});

test("counts failures anew after a success", async () => {
  const results = [false, false, true, false];
  const { clock, queue, failures } = makeQueue({
    process: () => {
      if (results.shift() === false) throw new Error("no luck");
    },
  });
  queue.start();
  queue.add("a");
  await clock.advance(1_000);
  queue.add("a");
  await clock.advance(0);
  expect(failures.map(([, attempt]) => attempt)).toEqual([1, 2, 1]);
});

test("does not let an add wait for the retry, which the add then replaces", async () => {
  let fail = true;
  const { clock, queue, seen } = makeQueue({
    baseDelayMs: 1_000,
    process: () => {
      if (fail) throw new Error("no luck");
    },
  });
  queue.start();
  queue.add("a");
  await clock.advance(10);
  fail = false;
  queue.add("a");
  await clock.advance(5_000);
  expect(seen.map(([, at]) => at)).toEqual([0, 10]);
});

test("adds a key after a while, at the earliest of the times asked for", async () => {
  const { clock, queue, seen } = makeQueue();
  queue.start();
  queue.addAfter("a", 300);
  queue.addAfter("a", 100);
  queue.addAfter("a", 200);
  expect(queue.size).toBe(0);
  await clock.advance(1_000);
  expect(seen).toEqual([["a", 100]]);
});

test("keeps a later time asked for when the key is processed before", async () => {
  const { clock, queue, seen } = makeQueue();
  queue.start();
  queue.addAfter("a", 300);
  queue.add("a");
  await clock.advance(1_000);
  expect(seen.map(([, at]) => at)).toEqual([0, 300]);
});

test("takes an add that processing itself makes", async () => {
  const queues: WorkQueue<string>[] = [];
  let again = true;
  const { clock, queue, seen } = makeQueue({
    process: (key) => {
      if (again) queues[0]?.add(key);
      again = false;
    },
  });
  queues.push(queue);
  queue.start();
  queue.add("a");
  await clock.advance(0);
  expect(seen).toHaveLength(2);
});

test("waits at stop for what is being processed, and starts nothing more", async () => {
  const { work, open, inside } = gates();
  const { clock, queue, seen } = makeQueue({ process: work, concurrency: 1 });
  queue.start();
  for (const key of ["a", "b"]) queue.add(key);
  queue.addAfter("c", 10);
  await clock.advance(0);
  let stopped = false;
  const stopping = queue.stop().then(() => (stopped = true));
  await clock.advance(0);
  expect(stopped).toBe(false);
  expect(inside).toEqual(["a"]);
  open("a");
  await stopping;
  queue.add("d");
  queue.addAfter("e", 1);
  await clock.advance(100);
  expect(seen).toHaveLength(1);
  expect([clock.pending, queue.size]).toEqual([0, 0]);
});

test("starts nothing when it is stopped between the choice of a key and its turn", async () => {
  const { clock, queue, seen } = makeQueue();
  queue.start();
  queue.add("a");
  // Runs after the microtask that chooses the key, and before the one that processes it.
  queueMicrotask(() => void queue.stop());
  await clock.advance(0);
  expect(seen).toEqual([]);
});

test("plans no retry for what fails after stop was called", async () => {
  const clock = new FakeClock();
  const failLater = (): Promise<void> =>
    new Promise((_, reject) => void clock.setTimer(50, () => reject(new Error("no luck"))));
  const { queue, failures } = makeQueue({ clock, process: failLater });
  queue.start();
  queue.add("a");
  await clock.advance(0);
  const stopping = queue.stop();
  await clock.advance(50);
  await stopping;
  expect(failures).toEqual([["a", 1]]);
  expect(clock.pending).toBe(0);
});

test.for([1, 2, 3, 4, 5])(
  "brings every key to its last version under random adds, times and failures (seed %i)",
  async (seed) => {
    const random = seededRandom(seed);
    const clock = new FakeClock();
    const wanted = new Map<string, number>();
    const reached = new Map<string, number>();
    const inside = new Set<string>();
    let most = 0;
    const { queue } = makeQueue({
      clock,
      random,
      concurrency: 3,
      process: async (key) => {
        expect(inside.has(key)).toBe(false);
        most = Math.max(most, inside.add(key).size);
        const version = wanted.get(key) ?? 0;
        await new Promise<void>((resolve) => void clock.setTimer(random() * 20, resolve));
        inside.delete(key);
        if (random() < 0.4) throw new Error("no luck");
        reached.set(key, version);
      },
    });
    queue.start();
    for (let step = 0; step < 500; step++) {
      const key = `key-${Math.floor(random() * 12)}`;
      wanted.set(key, step);
      queue.add(key);
      await clock.advance(random() * 5);
    }
    await clock.advance(3_600_000);
    expect(reached).toEqual(wanted);
    expect(most).toBe(3);
    expect(queue.size).toBe(0);
  },
);
