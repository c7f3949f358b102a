import { createMetrics } from "@fairlead/host";
import { FakeClock, RecordingLogger, seededRandom } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { endpointControllerMetrics } from "../src/metrics.ts";
import { SyncQueue, syncPauseMs } from "../src/sync-queue.ts";
import type { SyncResult } from "../src/sync-queue.ts";

interface Rig {
  readonly clock: FakeClock;
  readonly log: RecordingLogger;
  readonly queue: SyncQueue;
  readonly synced: string[];
  readonly text: () => Promise<string>;
}

function rig(sync: (key: string) => Partial<SyncResult> = () => ({})): Rig {
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const metrics = createMetrics();
  const synced: string[] = [];
  const queue = new SyncQueue({
    sync: async (namespace, name) => {
      synced.push(`${namespace}/${name}`);
      return { exists: true, writes: 1, ...sync(`${namespace}/${name}`) };
    },
    metrics: endpointControllerMetrics(metrics),
    log,
    clock,
    random: seededRandom(1),
  });
  onTestFinished(() => queue.stop());
  return { clock, log, queue, synced, text: () => metrics.text() };
}

test("the first change is synced at once, those that follow soon together after the pause", async () => {
  const { clock, queue, synced } = rig();
  queue.start();
  queue.soon("shop", "web");
  await clock.advance(0);
  expect(synced).toHaveLength(1);
  for (let n = 0; n < 10; n += 1) {
    queue.soon("shop", "web");
    await clock.advance(1);
  }
  await clock.advance(syncPauseMs - 11);
  expect(synced).toHaveLength(1);
  await clock.advance(1);
  expect(synced).toHaveLength(2);
});

test("what cannot wait does not, and other Services do not wait for this one", async () => {
  const { clock, queue, synced } = rig();
  queue.start();
  queue.soon("shop", "web");
  await clock.advance(0);
  queue.now("shop", "web");
  queue.soon("shop", "api");
  await clock.advance(0);
  expect(synced).toEqual(["shop/web", "shop/web", "shop/api"]);
});

test("a sync that wrote nothing makes nobody wait", async () => {
  const { clock, queue, synced } = rig(() => ({ writes: 0 }));
  queue.start();
  for (let n = 1; n <= 3; n += 1) {
    queue.soon("shop", "web");
    await clock.advance(0);
    expect(synced).toHaveLength(n);
  }
});

test("a Service made again under its name does not wait for its former life", async () => {
  const { clock, queue, synced } = rig(() => ({ exists: synced.length % 2 === 1 }));
  queue.start();
  queue.now("shop", "web");
  await clock.advance(0);
  queue.now("shop", "web");
  await clock.advance(0);
  queue.soon("shop", "web");
  await clock.advance(0);
  expect(synced).toHaveLength(3);
});

test("a failure is tried again for ever, quietly at first", async () => {
  const { clock, log, queue, synced } = rig(() => {
    throw new Error("somebody else wrote first");
  });
  queue.start();
  queue.now("shop", "web");
  await clock.advance(0);
  expect(log.records.map(({ level }) => level)).toEqual(["debug"]);
  await clock.advance(600_000);
  expect(synced.length).toBeGreaterThan(20);
  const warnings = log.messages("warn").length;
  expect(warnings).toBeGreaterThan(0);
  expect(warnings).toBeLessThanOrEqual(Math.ceil(synced.length / 10));
});

test("the number of Services that wait is measured when it is asked for", async () => {
  const { clock, queue, text } = rig();
  queue.now("shop", "a");
  queue.now("shop", "b");
  expect(await text()).toContain("fairlead_endpoint_controller_queued_services 2");
  queue.start();
  await clock.advance(0);
  expect(await text()).toContain("fairlead_endpoint_controller_queued_services 0");
  expect(await text()).toContain('endpoint_slice_controller_syncs{result="success"} 2');
});
