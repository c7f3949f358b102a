import { beforeEach, describe, expect, test } from "vitest";
import type { EventNote } from "../src/api/cluster-api.ts";
import { maxEvents } from "../src/api/event-recorder.ts";
import { type ApiFixture, openApi, service } from "./api-fixture.ts";

let fixture: ApiFixture;
let api: ApiFixture["api"];

const note: EventNote = { type: "Warning", reason: "PortRefused", message: "port 80 is refused", component: "proxy" };

beforeEach(async () => {
  fixture = await openApi();
  ({ api } = fixture);
});

describe("events", () => {
  test("say what they are about, so that describe finds them", () => {
    const about = api.create("services", service("a"));
    api.recordEvent(about, note);
    const fieldSelector = `involvedObject.name=a,involvedObject.kind=Service,involvedObject.uid=${about.metadata?.uid}`;
    expect(api.list("events", { namespace: "default", fieldSelector }).items).toMatchObject([
      {
        type: "Warning",
        reason: "PortRefused",
        message: "port 80 is refused",
        count: 1,
        source: { component: "proxy" },
      },
    ]);
  });

  test("are counted up while they say the same", async () => {
    const about = api.create("services", service("a"));
    api.recordEvent(about, note);
    await fixture.clock.advance(5000);
    api.recordEvent(api.get("services", "default", "a"), note);
    api.recordEvent(about, { ...note, message: "another" });
    const events = api.list("events").items.toSorted((a, b) => (b.count ?? 0) - (a.count ?? 0));
    expect(events).toMatchObject([
      { count: 2, firstTimestamp: "2026-01-01T00:00:00Z", lastTimestamp: "2026-01-01T00:00:05Z" },
      { count: 1, message: "another" },
    ]);
  });

  test("of one moment are listed in the order in which they came", () => {
    const about = api.create("services", service("a"));
    const messages = Array.from({ length: 20 }, (_, index) => `said as number ${index}`);
    for (const message of messages) api.recordEvent(about, { ...note, message });
    expect(api.list("events").items.map((event) => event.message)).toEqual(messages);
  });

  test("about what is in no namespace lie in default", () => {
    api.recordEvent(api.create("nodes", { metadata: { name: "node-1" } }), note);
    expect(api.list("events").items[0]?.metadata?.namespace).toBe("default");
  });

  test("are begun anew when somebody deleted them", () => {
    const about = api.create("services", service("a"));
    api.recordEvent(about, note);
    api.deleteCollection("events", {}, {});
    api.recordEvent(about, note);
    expect(api.list("events").items).toMatchObject([{ count: 1 }]);
  });

  test("are dropped without a word where the namespace is gone", () => {
    expect(() => api.recordEvent({ kind: "Pod", metadata: { name: "a", namespace: "gone" } }, note)).not.toThrow();
    expect(api.list("events").items).toEqual([]);
  });

  test("are forgotten after an hour without a repetition", async () => {
    const about = api.create("services", service("a"));
    api.recordEvent(about, note);
    api.recordEvent(about, { ...note, message: "another" });
    await fixture.clock.advance(40 * 60_000);
    api.recordEvent(about, note);
    await fixture.clock.advance(30 * 60_000);
    expect(api.list("events").items.map((event) => event.message)).toEqual([note.message]);
    await fixture.clock.advance(60 * 60_000);
    expect(api.list("events").items).toEqual([]);
  });

  test("are never more than the bound after a sweep; the oldest go", async () => {
    const about = api.create("services", service("a"));
    for (let number = 0; number < maxEvents + 3; number++) {
      if (number === 3) await fixture.clock.advance(1000);
      api.recordEvent(about, { ...note, message: `message ${number}` });
    }
    await fixture.clock.advance(60_000);
    const messages = new Set(api.list("events").items.map((event) => event.message));
    expect(messages.size).toBe(maxEvents);
    expect([0, 1, 2, 3].map((number) => messages.has(`message ${number}`))).toEqual([false, false, false, true]);
  });
});
