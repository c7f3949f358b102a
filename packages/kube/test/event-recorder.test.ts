import { eventually, FakeClock, RecordingLogger } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { EventRecorder, maxMessageLength, maxPendingEvents, repeatMs } from "../src/index.ts";
import type { Event, EventNote, EventSubject } from "../src/index.ts";
import { fail, ScriptedApi } from "./support/scripted-api.ts";

const about: EventSubject = { apiVersion: "v1", kind: "Service", namespace: "shop", name: "a", uid: "uid-a" };
const note: EventNote = { type: "Warning", reason: "PortRefused", message: "port 80 may not be bound" };

interface Rig {
  readonly api: ScriptedApi;
  readonly clock: FakeClock;
  readonly log: RecordingLogger;
  readonly events: Map<string, Event>;
  readonly recorder: EventRecorder;
  readonly again: () => EventRecorder;
}

async function rig(): Promise<Rig> {
  const api = await ScriptedApi.start();
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const client = api.client(clock);
  const events = new Map<string, Event>();
  api.handle = ({ method, path, body }, response) => {
    const name = path.split("/")[6];
    if (method === "GET") return events.get(name ?? "") ?? fail(response, 404, "NotFound");
    const event = body as Event;
    events.set(event.metadata.name ?? "", event);
    return event;
  };
  onTestFinished(async () => {
    client.transport.close();
    await api[Symbol.asyncDispose]();
  });
  const again = (): EventRecorder =>
    new EventRecorder({ client, component: "proxy-agent", host: "node-1", clock, log });
  return { api, clock, log, events, recorder: again(), again };
}

test("writes an Event that kubectl describe can show", async () => {
  const { clock, events, recorder } = await rig();
  recorder.record(about, note);
  await recorder.drained();
  const now = new Date(clock.now()).toISOString();
  expect([...events.values()]).toMatchObject([
    {
      apiVersion: "v1",
      kind: "Event",
      metadata: { namespace: "shop", name: expect.stringMatching(/^a\.[0-9a-f]{16}$/) },
      involvedObject: about,
      ...note,
      source: { component: "proxy-agent", host: "node-1" },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
    },
  ]);
});

test("counts the same Event up, and writes it once in a while", async () => {
  const { api, clock, events, recorder } = await rig();
  for (let n = 0; n < 5; n += 1) recorder.record(about, note);
  await recorder.drained();
  const first = api.requests.length;
  await clock.advance(repeatMs - 1);
  recorder.record(about, note);
  await recorder.drained();
  expect(api.requests).toHaveLength(first);
  await clock.advance(1);
  recorder.record(about, note);
  await recorder.drained();
  const [event, ...others] = events.values();
  expect(others).toEqual([]);
  expect(event?.count).toBe(7);
  expect(event?.lastTimestamp).toBe(new Date(clock.now()).toISOString());
  expect(event?.firstTimestamp).not.toBe(event?.lastTimestamp);
});

test("counts up the Event of an earlier life of the service", async () => {
  const { events, recorder, again } = await rig();
  recorder.record(about, note);
  await recorder.drained();
  const next = again();
  next.record(about, note);
  await next.drained();
  expect([...events.values()].map(({ count }) => count)).toEqual([2]);
});

test("keeps apart what differs in object, reason or message", async () => {
  const { events, recorder } = await rig();
  recorder.record(about, note);
  recorder.record({ ...about, uid: "another life" }, note);
  recorder.record(about, { ...note, reason: "PortTaken" });
  recorder.record(about, { ...note, message: "port 81 may not be bound" });
  await recorder.drained();
  expect(events.size).toBe(4);
});

test("bounds names and messages", async () => {
  const { events, recorder } = await rig();
  recorder.record({ ...about, name: `${"a".repeat(234)}.-.${"b".repeat(19)}` }, { ...note, message: "m".repeat(5000) });
  await recorder.drained();
  const [event] = events.values();
  expect(event?.metadata.name).toMatch(/^a{234}\.[0-9a-f]{16}$/);
  expect(event?.message).toHaveLength(maxMessageLength);
});

test("drops Events beyond the bound, and counts them when there is room again", async () => {
  const { api, clock, events, recorder } = await rig();
  const answer = api.handle;
  const gate = Promise.withResolvers<void>();
  api.handle = (request, response) => {
    void gate.promise.then(() => {
      const given = answer(request, response);
      if (given !== undefined) response.end(JSON.stringify(given));
    });
  };
  for (let n = 0; n < maxPendingEvents + 50; n += 1) recorder.record(about, { ...note, message: `port ${n}` });
  gate.resolve();
  await recorder.drained();
  expect(events.size).toBe(maxPendingEvents);
  await clock.advance(repeatMs);
  recorder.record(about, { ...note, message: `port ${maxPendingEvents}` });
  await recorder.drained();
  expect(events.size).toBe(maxPendingEvents + 1);
  expect([...events.values()].at(-1)?.count).toBe(2);
});

test("says what could not be written, goes on, and counts it the next time", async () => {
  const { api, clock, log, events, recorder } = await rig();
  const answer = api.handle;
  api.handle = (_request, response) => fail(response, 500, "InternalError");
  recorder.record(about, note);
  await recorder.drained();
  expect(log.messages("warn")).toEqual([expect.stringContaining("could not write the Event PortRefused")]);
  api.handle = answer;
  await clock.advance(repeatMs);
  recorder.record(about, note);
  await recorder.drained();
  expect([...events.values()].map(({ count }) => count)).toEqual([2]);
});

test("is silent where the namespace is gone", async () => {
  const { api, log, recorder } = await rig();
  api.handle = (_request, response) => fail(response, 404, "NotFound");
  recorder.record(about, note);
  await recorder.drained();
  await eventually(() => expect(api.requests).toHaveLength(2));
  expect(log.records).toEqual([]);
});
