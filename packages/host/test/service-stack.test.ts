import { FakeClock, RecordingLogger } from "@fairlead/testkit";
import { beforeEach, expect, test } from "vitest";
import { ServiceStack, type Startable } from "../src/index.ts";

let events: string[];
let log: RecordingLogger;
let clock: FakeClock;

beforeEach(() => {
  events = [];
  log = new RecordingLogger();
  clock = new FakeClock();
});

function part(name: string, overrides: Partial<Startable> = {}): Startable {
  return {
    name,
    start: () => {
      events.push(`start ${name}`);
      return overrides.start?.() ?? Promise.resolve();
    },
    stop: () => {
      events.push(`stop ${name}`);
      return overrides.stop?.() ?? Promise.resolve();
    },
  };
}

function stackOf(parts: readonly Startable[]): ServiceStack {
  return new ServiceStack({ name: "stack", parts, log, clock, stopDeadlineMs: 1_000 });
}

const never = (): Promise<void> => new Promise(() => undefined);
const fail = (): Promise<void> => Promise.reject(new Error("no luck"));

test("starts its parts in order, each after the one before, and stops them in reverse", async () => {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
  const slow = part("a", { start: () => wait(100).then(() => void events.push("a has started")) });
  const stack = stackOf([slow, part("b"), part("c")]);
  const started = stack.start();
  await clock.advance(99);
  expect(events).toEqual(["start a"]);
  await clock.advance(1);
  await started;
  await stack.stop();
  expect(events).toEqual(["start a", "a has started", "start b", "start c", "stop c", "stop b", "stop a"]);
  expect(clock.pending).toBe(0);
});

test("starts and stops once however often it is told", async () => {
  const stack = stackOf([part("a")]);
  expect(stack.start()).toBe(stack.start());
  await stack.start();
  expect(stack.stop()).toBe(stack.stop());
  await stack.stop();
  expect(events).toEqual(["start a", "stop a"]);
});

test("stops what had started when a part does not start, and names that part", async () => {
  const stack = stackOf([part("a"), part("b"), part("c", { start: fail }), part("d")]);
  await expect(stack.start()).rejects.toMatchObject({
    code: "START_FAILED",
    part: "c",
    message: "c did not start: no luck",
    cause: new Error("no luck"),
  });
  expect(events).toEqual(["start a", "start b", "start c", "stop b", "stop a"]);
  await stack.stop();
  expect(events).toHaveLength(5);
});

test("treats a start or stop that throws at once like one that rejects", async () => {
  const thrower = (): never => {
    throw new Error("at once");
  };
  await expect(stackOf([part("a", { start: thrower })]).start()).rejects.toMatchObject({ part: "a" });
  const stack = stackOf([part("b"), part("c", { stop: thrower })]);
  await stack.start();
  await expect(stack.stop()).rejects.toMatchObject({ code: "STOP_FAILED", parts: ["c"] });
  expect(events.at(-1)).toBe("stop b");
});

test("stops the other parts though one fails, then tells which did", async () => {
  const stack = stackOf([part("a"), part("b", { stop: fail }), part("c")]);
  await stack.start();
  await expect(stack.stop()).rejects.toMatchObject({ code: "STOP_FAILED", parts: ["b"] });
  expect(events.slice(3)).toEqual(["stop c", "stop b", "stop a"]);
  expect(log.records.find(({ level }) => level === "error")).toMatchObject({ fields: { part: "b" } });
});

test("leaves a part behind that hangs, within the deadline and with time for the others", async () => {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
  const stack = stackOf([part("a", { stop: () => wait(150) }), part("b", { stop: never }), part("c")]);
  await stack.start();
  const stopping = stack.stop();
  stopping.catch(() => undefined);
  await clock.advance(1_000);
  await expect(stopping).rejects.toMatchObject({ parts: ["b"] });
  expect(events.slice(3)).toEqual(["stop c", "stop b", "stop a"]);
  expect(log.messages("error")).toEqual(["part did not stop in time"]);
});

test("stops within the deadline when every part hangs", async () => {
  const stack = stackOf(["a", "b", "c", "d"].map((name) => part(name, { stop: never })));
  await stack.start();
  const stopping = stack.stop();
  stopping.catch(() => undefined);
  await clock.advance(1_000);
  await expect(stopping).rejects.toMatchObject({ parts: ["d", "c", "b", "a"] });
});

test("stopped while it starts, lets the part at hand start and stops all that did", async () => {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.setTimer(ms, resolve));
  const stack = stackOf([part("a"), part("b", { start: () => wait(100) }), part("c")]);
  const started = stack.start();
  started.catch(() => undefined);
  await clock.advance(0);
  const stopping = stack.stop();
  await clock.advance(100);
  await stopping;
  await expect(started).rejects.toMatchObject({ code: "START_FAILED" });
  expect(events).toEqual(["start a", "start b", "stop b", "stop a"]);
});

test("does not wait for ever for a start that hangs, and stops the part if it starts after all", async () => {
  const late = Promise.withResolvers<void>();
  const stack = stackOf([part("a"), part("b", { start: () => late.promise })]);
  const started = stack.start();
  started.catch(() => undefined);
  await clock.advance(0);
  const stopping = stack.stop();
  await clock.advance(500);
  await stopping;
  expect(events).toEqual(["start a", "start b", "stop a"]);
  late.resolve();
  await expect(started).rejects.toMatchObject({ code: "START_FAILED" });
  expect(events).toEqual(["start a", "start b", "stop a", "stop b"]);
});

test("stops without having started", async () => {
  await stackOf([part("a")]).stop();
  expect(events).toEqual([]);
});

test("starts as a part of another stack", async () => {
  const inner = stackOf([part("a"), part("b")]);
  const outer = stackOf([inner, part("c")]);
  await outer.start();
  await outer.stop();
  expect(events).toEqual(["start a", "start b", "start c", "stop c", "stop b", "stop a"]);
});
