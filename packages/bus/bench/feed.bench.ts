/**
 * How long a change takes from `publish` to `apply` in 1, 100 and 1,000 followers, in memory and over NATS, and how long 10,000 keys take.
 * Everything shares this machine. Over NATS each follower has a connection of its own, and they are spread over one process a core.
 * Takes about 40 s.
 */
import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { needs, startNats, temporaryDirectory } from "@fairlead/testkit";
import { feedKeyOf, sliceFeedKey } from "@fairlead/types";
import type { FeedKey, FeedValue } from "@fairlead/types";
import type { ChangeFeed, ChangePublisher } from "../src/feed.ts";
import { createMemoryFeed, silentFeedLog } from "../src/index.ts";
import { createNatsFeed, createNatsPublisher } from "../src/nats/index.ts";
import { sampleService, sampleSlice, stateOf } from "../src/testing.ts";
import { realClock, realRandom } from "../test/support/real-time.ts";

const fleets = [1, 100, 1000] as const;
/** Services in the store while changes are measured. */
const services = 200;
/** A slice of this many endpoints is about 1 KB as a message. */
const endpoints = 6;
const changes = 60;
const pauseMs = 50;
const manyKeys = 10_000;
const manyReaders = 20;

const watched = sliceFeedKey("default", "web-measured");
const value = (generation: number): FeedValue => sampleSlice("web", "measured", endpoints, generation);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A number of followers that have the snapshot. */
interface Fleet {
  /** Times (ns, monotonic) at which each has applied the change that is published next; ask before it is. */
  applied(): Promise<bigint[]>;
}

interface Bus {
  readonly name: string;
  publisher(): Promise<ChangePublisher>;
  feed(): Promise<ChangeFeed>;
  followers(count: number): Promise<Fleet>;
  close(): Promise<void>;
}

function memoryBus(): Bus {
  const memory = createMemoryFeed({ clock: realClock });
  return {
    name: "memory",
    publisher: async () => memory.publisher(),
    feed: async () => memory.feed,
    async followers(count) {
      let times: bigint[] = [];
      let full: (times: bigint[]) => void = () => undefined;
      for (let n = 0; n < count; n++) {
        memory.feed.follow({
          apply(batch) {
            if (batch.changes.some(({ key }) => key === watched)) times.push(process.hrtime.bigint());
            if (times.length === count) full(times);
          },
        });
      }
      return {
        applied() {
          times = [];
          return new Promise((resolve) => {
            full = resolve;
          });
        },
      };
    },
    close: async () => undefined,
  };
}

async function natsBus(): Promise<Bus> {
  const directory = await temporaryDirectory();
  const server = await startNats({ storeDir: join(directory.path, "nats") });
  const options = { servers: server.url, clock: realClock, random: realRandom, log: silentFeedLog };
  const parts: { stop(): Promise<void> }[] = [];
  const workers: ChildProcess[] = [];
  return {
    name: "nats",
    async publisher() {
      const publisher = createNatsPublisher(options);
      parts.push(publisher);
      await publisher.start();
      return publisher;
    },
    async feed() {
      const feed = createNatsFeed(options);
      parts.push(feed);
      await feed.start();
      return feed;
    },
    async followers(count) {
      const script = fileURLToPath(new URL("workers/followers.ts", import.meta.url));
      const each = Math.ceil(count / Math.min(count, availableParallelism()));
      for (let left = count; left > 0; left -= each) {
        workers.push(fork(script, [server.url, String(Math.min(each, left)), watched]));
      }
      await Promise.all(workers.map((worker) => said(worker)));
      return {
        async applied() {
          const times = await Promise.all(workers.map((worker) => said<string[]>(worker)));
          return times.flat().map(BigInt);
        },
      };
    },
    async close() {
      for (const worker of workers) worker.disconnect();
      await Promise.all(parts.map((part) => part.stop()));
      await server.stop();
      await directory.remove();
    },
  };
}

/** The next message of a worker; rejects if it ends instead. */
function said<T>(worker: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error("a process of followers has ended"));
    worker.once("exit", ended);
    worker.once("message", (message) => {
      worker.off("exit", ended);
      resolve(message as T);
    });
  });
}

/** Milliseconds from `publish` to `apply`: of every follower, and of the last one for each change. */
async function latencies(bus: Bus, count: number): Promise<{ all: number[]; last: number[] }> {
  const publisher = await bus.publisher();
  const filler = Array.from({ length: services }, (_, n) => sampleService(`s${n}`));
  await publisher.takeOver(stateOf(...filler));
  const fleet = await bus.followers(count);
  const all: number[] = [];
  const last: number[] = [];
  for (let n = 1; n <= changes; n++) {
    await sleep(pauseMs);
    const applied = fleet.applied();
    const begin = process.hrtime.bigint();
    await publisher.publish([{ key: watched, value: value(n) }]);
    const times = (await applied).map((time) => Number(time - begin) / 1e6);
    all.push(...times);
    last.push(Math.max(...times));
  }
  await bus.close();
  return { all, last };
}

async function bulk(bus: Bus): Promise<{ takeOver: number; one: number; many: number }> {
  const values = Array.from({ length: manyKeys }, (_, n) => sampleSlice(`web-${n}`, "s", endpoints));
  const state = new Map<FeedKey, FeedValue>(values.map((each) => [feedKeyOf(each), each]));
  const publisher = await bus.publisher();
  const takeOver = await timed(() => publisher.takeOver(state));
  const read = async (): Promise<void> => {
    const feed = await bus.feed();
    await new Promise<void>((resolve) => {
      feed.follow({
        apply(batch) {
          if (batch.changes.length === manyKeys) resolve();
        },
      });
    });
  };
  const one = await timed(read);
  const many = await timed(() => Promise.all(Array.from({ length: manyReaders }, read)));
  await bus.close();
  return { takeOver, one, many };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

function percentile(values: readonly number[], part: number): string {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(2);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = header.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  for (const row of [header, ...rows]) {
    const cells = row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)));
    process.stdout.write(`${cells.join("  ")}\n`);
  }
}

const buses: (() => Promise<Bus>)[] = [async () => memoryBus()];
const missing = needs("nats-server");
if (missing === undefined) buses.push(natsBus);

process.stdout.write(`ms from publish to apply, ${changes} changes of about 1 KB, one every ${pauseMs} ms\n\n`);
const rows: string[][] = [];
for (const make of buses) {
  for (const count of fleets) {
    const bus = await make();
    const { all, last } = await latencies(bus, count);
    const figures = [percentile(all, 0.5), percentile(all, 0.99), percentile(last, 0.5), percentile(last, 0.99)];
    rows.push([bus.name, String(count), ...figures]);
  }
}
table(["bus", "followers", "p50", "p99", "last of all p50", "last of all p99"], rows);

process.stdout.write(`\nms for ${manyKeys} keys of about 1 KB\n\n`);
const bulkRows: string[][] = [];
for (const make of buses) {
  const bus = await make();
  const { takeOver, one, many } = await bulk(bus);
  bulkRows.push([bus.name, ...[takeOver, one, many].map((ms) => ms.toFixed(0))]);
}
table(["bus", "takeOver", "snapshot", `${manyReaders} snapshots at once`], bulkRows);
if (missing !== undefined) process.stdout.write(`\nNATS was left out: ${missing}\n`);
