import { RecordingLogger } from "@fairlead/testkit";
import { beforeEach, describe, expect, it } from "vitest";
import type { EventNote } from "../src/event-sink.ts";
import { MAX_ANNOUNCED_ADDRESSES, ServiceObserver } from "../src/service-observer.ts";
import { entryOf, frontendAt } from "../src/testing.ts";

let log: RecordingLogger;
let notes: EventNote[];
let observer: ServiceObserver;

beforeEach(() => {
  log = new RecordingLogger();
  notes = [];
  observer = new ServiceObserver({ events: { record: (_about, note) => notes.push(note) }, log });
});

const notices = (): string[] => log.records.filter(({ level }) => level === "notice").map(({ message }) => message);
const at = { address: "127.96.0.1", port: 8080 };
const entry = entryOf({ name: "web", frontends: [frontendAt(at)], endpoints: [] });
const problem = { reason: "FailedToBindPort", message: "it cannot be served" };

describe("what a person is told", () => {
  it("is each address once, however often its endpoints come and go", () => {
    for (let time = 0; time < 3; time++) observer.serving(entry, frontendAt(at));
    observer.serving(entry, frontendAt({ address: "127.200.0.1", port: 443 }, { kind: "LoadBalancer" }));
    expect(notices()).toEqual([
      "service default/web at http://127.96.0.1:8080",
      "service default/web at https://127.200.0.1:443",
    ]);
  });

  it("leaves node ports out: every node has them", () => {
    observer.serving(entry, frontendAt(at, { kind: "NodePort" }));
    expect(notices()).toEqual([]);
  });

  it("ends where nobody would read on, and goes on when Services have gone", () => {
    const many = Array.from({ length: MAX_ANNOUNCED_ADDRESSES + 50 }, (_, index) =>
      entryOf({ name: `s${index}`, frontends: [frontendAt(at)], endpoints: [] }),
    );
    for (const one of many) observer.serving(one, frontendAt(at));
    expect(notices()).toHaveLength(MAX_ANNOUNCED_ADDRESSES + 1);
    expect(notices().at(-1)).toBe("more than 256 addresses are served; no further ones are named");
    for (const one of many.slice(0, 100)) observer.forget(one);
    observer.serving(entry, frontendAt(at));
    expect(notices().at(-1)).toBe("service default/web at http://127.96.0.1:8080");
  });

  it("is told anew of a Service that was made again", () => {
    observer.serving(entry, frontendAt(at));
    observer.forget(entry);
    observer.serving(entry, frontendAt(at));
    expect(notices()).toHaveLength(2);
  });

  it("is a problem once, and again when it came back; the Event is left to its recorder", () => {
    observer.problem(entry, frontendAt(at), problem);
    observer.problem(entry, frontendAt(at), problem);
    expect(notices()).toEqual(["service default/web: it cannot be served"]);
    observer.serving(entry, frontendAt(at));
    observer.problem(entry, frontendAt(at), problem);
    expect(notices()).toHaveLength(3);
    expect(notes).toEqual(Array.from({ length: 3 }, () => ({ type: "Warning", ...problem })));
  });
});
