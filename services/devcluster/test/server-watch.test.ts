import { eventually } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bookmarkIntervalMs, maxWaitingEvents, watchTimeoutMs } from "../src/server/watch-stream.ts";
import { configMap } from "./api-fixture.ts";
import { type LineStream, openServer, type ServerFixture } from "./server-fixture.ts";

let fixture: ServerFixture;
const maps = "/api/v1/namespaces/default/configmaps";
const streams: LineStream[] = [];

beforeEach(async () => {
  fixture = await openServer();
});

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await fixture[Symbol.asyncDispose]();
});

async function watch(query: string, accept?: string): Promise<LineStream> {
  const headers = accept === undefined ? {} : { accept };
  const stream = await fixture.open(`${maps}?watch=true&${query}`, { headers });
  streams.push(stream);
  return stream;
}

const event = (type: string, name: string): object => ({ type, object: { kind: "ConfigMap", metadata: { name } } });

describe("a watch over HTTP", () => {
  test("without a version begins with what is there", async () => {
    fixture.api.create("configmaps", configMap("a"));
    const stream = await watch("");
    fixture.api.create("configmaps", configMap("b"));
    expect(await stream.take(2)).toMatchObject([event("ADDED", "a"), event("ADDED", "b")]);
    fixture.api.delete("configmaps", "default", "a");
    expect(await stream.next()).toMatchObject(event("DELETED", "a"));
  });

  test("from the version of a list tells what came after it", async () => {
    fixture.api.create("configmaps", configMap("a"));
    const { revision } = fixture.api;
    fixture.api.update("configmaps", configMap("a", { value: "1" }));
    const stream = await watch(`resourceVersion=${revision}`);
    expect(await stream.next()).toMatchObject(event("MODIFIED", "a"));
  });

  test("sends its head before anything happens", async () => {
    const stream = await watch(`resourceVersion=${fixture.api.revision}`);
    expect(stream.response).toMatchObject({ statusCode: 200, headers: { "content-type": "application/json" } });
  });

  test("from a forgotten version says so in its first line and ends", async () => {
    for (let value = 0; value < 3000; value++) {
      if (value === 0) fixture.api.create("configmaps", configMap("a"));
      else fixture.api.update("configmaps", configMap("a", { value: String(value) }));
    }
    const stream = await watch("resourceVersion=1");
    expect(await stream.next()).toMatchObject({
      type: "ERROR",
      object: { kind: "Status", code: 410, reason: "Expired" },
    });
    expect(await stream.next()).toBeUndefined();
  });

  test("sees only what it selects, one object by its name", async () => {
    const stream = await watch(`fieldSelector=metadata.name%3Db&resourceVersion=${fixture.api.revision}`);
    const named = await fixture.open(`${maps}/b?watch=true`);
    streams.push(named);
    for (const name of ["a", "b"]) fixture.api.create("configmaps", configMap(name));
    expect(await stream.next()).toMatchObject(event("ADDED", "b"));
    expect(await named.next()).toMatchObject(event("ADDED", "b"));
  });

  test("as a table sends rows", async () => {
    const stream = await watch("", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    fixture.api.create("configmaps", configMap("a"));
    expect(await stream.next()).toMatchObject({
      type: "ADDED",
      object: { kind: "Table", rows: [{ cells: ["a", 1, expect.any(String)], object: { metadata: { name: "a" } } }] },
    });
  });

  test("ends after timeoutSeconds, in good order", async () => {
    const stream = await watch("timeoutSeconds=3");
    await fixture.clock.advance(3000);
    expect(await stream.next()).toBeUndefined();
    expect(stream.response.complete).toBe(true);
  });

  test("ends by itself after the server's own time, and holds no timer then", async () => {
    const before = fixture.clock.pending;
    const stream = await watch("allowWatchBookmarks=true");
    await fixture.clock.advance(2 * watchTimeoutMs);
    for (let line = await stream.next(); line; line = await stream.next())
      expect(line).toMatchObject({ type: "BOOKMARK" });
    await eventually(() => expect(fixture.clock.pending).toBe(before));
  });

  test("is let go of when the client leaves", async () => {
    const before = fixture.clock.pending;
    const stream = await watch("");
    expect(fixture.clock.pending).toBeGreaterThan(before);
    stream.close();
    await eventually(() => expect(fixture.clock.pending).toBe(before));
  });

  test("is cut when more events wait than the bound allows", async () => {
    const stream = await watch("");
    // Events that happen faster than anybody could read: the stream has no chance to write in between.
    fixture.api.create("configmaps", configMap("a"));
    for (let count = 0; count <= maxWaitingEvents; count++) {
      fixture.api.update("configmaps", configMap("a", { value: String(count) }));
    }
    await eventually(() => expect(fixture.answered).toMatchObject([{ method: "GET", watch: true }]));
    expect(stream.response.complete).toBe(false);
  });

  test("ends in good order when the server stops", async () => {
    const stream = await watch("");
    await fixture.server.stop();
    expect(await stream.next()).toBeUndefined();
    expect(stream.response.complete).toBe(true);
  });
});

describe("bookmarks", () => {
  test("come every minute to those who asked for them", async () => {
    const stream = await watch(`allowWatchBookmarks=true&resourceVersion=${fixture.api.revision}`);
    fixture.api.create("services", { metadata: { name: "a", namespace: "default" }, spec: { ports: [{ port: 80 }] } });
    await fixture.clock.advance(bookmarkIntervalMs);
    expect(await stream.next()).toEqual({
      type: "BOOKMARK",
      object: { apiVersion: "v1", kind: "ConfigMap", metadata: { resourceVersion: fixture.api.revision } },
    });
  });

  test("do not come to others", async () => {
    const stream = await watch(`resourceVersion=${fixture.api.revision}`);
    await fixture.clock.advance(bookmarkIntervalMs);
    fixture.api.create("configmaps", configMap("a"));
    expect(await stream.next()).toMatchObject(event("ADDED", "a"));
  });
});

describe("a watch that stands for a list (WatchList)", () => {
  const initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";

  test("sends the state, a bookmark that closes it, then what happens", async () => {
    for (const name of ["a", "b"]) fixture.api.create("configmaps", configMap(name));
    const stream = await watch(`${initial}&resourceVersion=`);
    fixture.api.create("configmaps", configMap("c"));
    expect(await stream.take(4)).toMatchObject([
      event("ADDED", "a"),
      event("ADDED", "b"),
      { type: "BOOKMARK", object: { metadata: { annotations: { "k8s.io/initial-events-end": "true" } } } },
      event("ADDED", "c"),
    ]);
  });

  test("of nothing is closed at once", async () => {
    const stream = await watch(initial);
    expect(await stream.next()).toMatchObject({ type: "BOOKMARK" });
  });

  test("without the state begins now", async () => {
    fixture.api.create("configmaps", configMap("a"));
    const stream = await watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
    fixture.api.create("configmaps", configMap("b"));
    expect(await stream.next()).toMatchObject(event("ADDED", "b"));
  });

  test.each([
    "sendInitialEvents=true",
    "sendInitialEvents=true&resourceVersionMatch=Exact",
    "resourceVersionMatch=NotOlderThan",
  ])("is refused with %s", async (query) => {
    expect(await fixture.call(`${maps}?watch=true&${query}`)).toMatchObject({ code: 400 });
  });
});
