import { eventually, FakeClock, seededRandom } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import {
  firstRetryMs,
  Informer,
  longestRetryMs,
  maxLineBytes,
  requestTimeoutMs,
  shortestWatchMs,
  watchIdleMs,
} from "../src/index.ts";
import type { InformerOptions } from "../src/index.ts";
import { fail, listOf, ScriptedApi, service } from "./support/scripted-api.ts";

interface Rig {
  readonly api: ScriptedApi;
  readonly clock: FakeClock;
  readonly informer: Informer<"services">;
  /** What was handed over, as `type name@version`. */
  readonly seen: string[];
  readonly errors: unknown[];
}

async function rig(options: Partial<InformerOptions<"services">> = {}): Promise<Rig> {
  const api = await ScriptedApi.start();
  const clock = new FakeClock();
  const client = api.client(clock);
  const seen: string[] = [];
  const errors: unknown[] = [];
  const informer = new Informer({
    client,
    resource: "services",
    clock,
    random: seededRandom(1),
    onChange: ({ type, object }) => seen.push(`${type} ${object.metadata?.name}@${object.metadata?.resourceVersion}`),
    onError: (error) => errors.push(error),
    ...options,
  });
  onTestFinished(async () => {
    await informer.stop();
    client.transport.close();
    await api[Symbol.asyncDispose]();
  });
  return { api, clock, informer, seen, errors };
}

/** Lists and watches once. */
async function following(...args: Parameters<typeof rig>): Promise<Rig> {
  const made = await rig(...args);
  if (made.api.lists.length === 0) made.api.lists.push(listOf("10", service("a", "1"), service("b", "2")));
  await made.informer.start();
  await made.informer.synced;
  await eventually(() => made.api.watch());
  return made;
}

/** Ends a watch on which nothing was said, as a server does after its time. */
async function endQuietly({ api, clock }: Rig): Promise<void> {
  await clock.advance(shortestWatchMs);
  api.watch().end();
}

const names = (informer: Informer<"services">): string[] => [...informer.list()].map((one) => one.metadata?.name ?? "");

test("reads a list in pages and watches from where it was", async () => {
  const { api, informer, seen } = await rig();
  api.lists.push(
    () => ({ metadata: { resourceVersion: "10", continue: "next" }, items: [service("a", "1")] }),
    ({ query }) =>
      query.get("continue") === "next" && { metadata: { resourceVersion: "10" }, items: [service("b", "2")] },
  );
  expect(informer.isSynced).toBe(false);
  await informer.start();
  await informer.synced;
  expect(informer.isSynced).toBe(true);
  expect(seen).toEqual(["added a@1", "added b@2"]);
  await eventually(() => api.watch());
  const { query } = api.watch().request;
  expect(query.get("resourceVersion")).toBe("10");
  expect(query.get("allowWatchBookmarks")).toBe("true");
  expect(Number(query.get("timeoutSeconds"))).toBeGreaterThanOrEqual(300);
});

test("asks only for its namespace and labels", async () => {
  const { api, informer } = await rig({ namespace: "shop", labelSelector: "tier=front" });
  api.handle = ({ query }) => (query.has("watch") ? undefined : { metadata: { resourceVersion: "1" }, items: [] });
  await informer.start();
  await eventually(() => expect(api.requests).toHaveLength(2));
  for (const { path, query } of api.requests) {
    expect(path).toBe("/api/v1/namespaces/shop/services");
    expect(query.get("labelSelector")).toBe("tier=front");
  }
});

test("begins a list again without pages when a page has expired", async () => {
  const { api, informer, seen } = await rig();
  api.lists.push(
    () => ({ metadata: { resourceVersion: "10", continue: "next" }, items: [service("a", "1")] }),
    (_request, response) => fail(response, 410, "Expired"),
    ({ query }) =>
      !query.has("limit") &&
      !query.has("continue") && { metadata: { resourceVersion: "20" }, items: [service("b", "15")] },
  );
  await informer.start();
  await informer.synced;
  expect(seen).toEqual(["added b@15"]);
});

test("hands over what a watch says, and keeps the copy in step", async () => {
  const { api, informer, seen } = await following();
  api.watch().send("MODIFIED", service("a", "11"));
  api.watch().send("DELETED", service("b", "12"));
  api.watch().send("ADDED", service("c", "13"));
  await eventually(() => expect(seen.slice(2)).toEqual(["updated a@11", "removed b@12", "added c@13"]));
  expect(names(informer)).toEqual(["a", "c"]);
  expect(informer.get("default", "a")?.metadata?.resourceVersion).toBe("11");
  expect(informer.get("default", "b")).toBeUndefined();
});

test("gives the object before with an update", async () => {
  const versions: unknown[] = [];
  const { api } = await following({
    onChange: (change) => {
      if (change.type === "updated") {
        versions.push(change.previous.metadata?.resourceVersion, change.object.metadata?.resourceVersion);
      }
    },
  });
  api.watch().send("MODIFIED", service("a", "11"));
  await eventually(() => expect(versions).toEqual(["1", "11"]));
});

test("goes on from the last event when a watch ends", async () => {
  const { api, seen, errors } = await following();
  api.watch().send("MODIFIED", service("a", "11"));
  api.watch().end();
  await eventually(() => expect(api.watches).toHaveLength(2));
  expect(api.watch().request.query.get("resourceVersion")).toBe("11");
  api.watch().send("MODIFIED", service("a", "12"));
  await eventually(() => expect(seen.at(-1)).toBe("updated a@12"));
  expect(errors).toEqual([]);
});

test("goes on from a bookmark, which is no change", async () => {
  const { api, seen } = await following();
  api.watch().send("BOOKMARK", { kind: "Service", metadata: { resourceVersion: "99" } });
  api.watch().end();
  await eventually(() => expect(api.watches).toHaveLength(2));
  expect(api.watch().request.query.get("resourceVersion")).toBe("99");
  expect(seen).toHaveLength(2);
});

test("does not hand over the same version twice", async () => {
  const { api, seen } = await following();
  api.watch().send("ADDED", service("a", "1"));
  api.watch().send("DELETED", service("nobody", "11"));
  api.watch().send("MODIFIED", service("a", "12"));
  await eventually(() => expect(seen.slice(2)).toEqual(["updated a@12"]));
});

test("finds what happened while it was away: 410 as an answer lists anew, deletes included", async () => {
  const rigged = await following();
  const { api, seen, errors } = rigged;
  api.lists.splice(0, 1, listOf("50", service("a", "40"), service("c", "41")));
  api.refusals.push((_request, response) => fail(response, 410, "Expired"));
  await endQuietly(rigged);
  await eventually(() => expect(api.watches).toHaveLength(2));
  // The first one is what a quiet informer must expect: no error, no wait.
  expect(errors).toEqual([]);
  expect(seen.slice(2)).toEqual(["updated a@40", "added c@41", "removed b@2"]);
  expect(api.watch().request.query.get("resourceVersion")).toBe("50");
});

test("takes 410 as an event on the watch the same way", async () => {
  const { api, seen, errors } = await following();
  api.lists.splice(0, 1, listOf("50", service("a", "40")));
  api.watch().send("ERROR", { kind: "Status", code: 410, reason: "Expired", message: "too old" });
  await eventually(() => expect(api.watches).toHaveLength(2));
  expect(errors).toEqual([]);
  expect(seen.slice(2)).toEqual(["updated a@40", "removed b@2"]);
});

test("waits before it lists again where every watch is answered with 410", async () => {
  const rigged = await following({ random: () => 0.5 });
  const { api, clock, errors } = rigged;
  for (let n = 0; n < 4; n += 1) api.refusals.push((_request, response) => fail(response, 410, "Expired"));
  await endQuietly(rigged);
  await eventually(() => expect(errors).toHaveLength(1));
  expect(api.refusals).toHaveLength(2);
  await clock.advance(firstRetryMs - 1);
  expect(api.refusals).toHaveLength(2);
  await clock.advance(1);
  await eventually(() => expect(api.refusals).toHaveLength(1));
});

test("lists anew after an error event that it does not know", async () => {
  const { api, clock, errors, seen } = await following();
  api.lists.splice(0, 1, listOf("50", service("b", "2")));
  api.watch().send("ERROR", { kind: "Status", code: 500, reason: "InternalError", message: "broken" });
  await eventually(() => expect(errors).toMatchObject([{ code: "InternalError" }]));
  await clock.advance(2 * firstRetryMs);
  await eventually(() => expect(api.watches).toHaveLength(2));
  expect(seen.slice(2)).toEqual(["removed a@1"]);
});

test("tells a Service that was deleted and made again under its name while it was away as two changes", async () => {
  const { api, informer, seen } = await following();
  api.lists.splice(0, 1, listOf("50", service("a", "40", "another uid"), service("b", "2")));
  api.watch().send("ERROR", { kind: "Status", code: 410, reason: "Expired" });
  await eventually(() => expect(seen.slice(2)).toEqual(["removed a@1", "added a@40"]));
  expect(informer.get("default", "a")?.metadata?.uid).toBe("another uid");
});

test("tries again for ever, with waits that double up to a bound", async () => {
  const { api, clock, informer, errors } = await rig({ random: () => 0.5 });
  api.lists.push((_request, response) => fail(response, 500, "InternalError"));
  await informer.start();
  for (let failures = 1; failures <= 9; failures += 1) {
    await eventually(() => expect(errors).toHaveLength(failures));
    const wait = Math.min(firstRetryMs * 2 ** (failures - 1), longestRetryMs);
    await clock.advance(wait - 1);
    expect(api.requests).toHaveLength(failures);
    await clock.advance(1);
    await eventually(() => expect(api.requests).toHaveLength(failures + 1));
  }
  api.lists[0] = listOf("1");
  await eventually(() => expect(errors).toHaveLength(10));
  await clock.advance(longestRetryMs);
  await informer.synced;
  expect(informer.isSynced).toBe(true);
});

test("begins with short waits again once a watch has spoken", async () => {
  const rigged = await following({ random: () => 0.5 });
  const { api, clock, errors, seen } = rigged;
  for (let n = 0; n < 3; n += 1) api.refusals.push((_request, response) => fail(response, 503, "ServiceUnavailable"));
  await endQuietly(rigged);
  for (let failures = 1; failures <= 3; failures += 1) {
    await eventually(() => expect(errors).toHaveLength(failures));
    await clock.advance(longestRetryMs);
  }
  await eventually(() => expect(api.watches).toHaveLength(2));
  api.watch().send("MODIFIED", service("a", "11"));
  await eventually(() => expect(seen.at(-1)).toBe("updated a@11"));
  api.watch().cut();
  await eventually(() => expect(errors).toHaveLength(4));
  await clock.advance(firstRetryMs);
  await eventually(() => expect(api.watches).toHaveLength(3));
});

test("does not spin where every watch ends at once", async () => {
  const rigged = await following({ random: () => 0.5 });
  const { api, clock, errors } = rigged;
  const endAtOnce = (_request: unknown, response: { end(): unknown }): void => void response.end();
  api.refusals.push(endAtOnce, endAtOnce);
  await endQuietly(rigged);
  await eventually(() => expect(errors).toMatchObject([{ code: "KUBE_CONNECTION" }]));
  expect(api.refusals).toHaveLength(1);
  await clock.advance(firstRetryMs);
  await eventually(() => expect(errors).toHaveLength(2));
});

test("gives up a watch that says nothing", async () => {
  const { api, clock, errors } = await following();
  await clock.advance(watchIdleMs - 1);
  expect(errors).toEqual([]);
  await clock.advance(1);
  await eventually(() => expect(errors).toMatchObject([{ code: "KUBE_CONNECTION", message: /nothing was heard/ }]));
  await clock.advance(2 * firstRetryMs);
  await eventually(() => expect(api.watches).toHaveLength(2));
  await eventually(() => expect(api.watch(2).closed).toBe(true));
});

test("keeps a watch that speaks now and then", async () => {
  const { api, clock, errors, seen } = await following();
  for (let version = 11; version < 14; version += 1) {
    await clock.advance(watchIdleMs - 1);
    api.watch().send("MODIFIED", service("a", `${version}`));
    await eventually(() => expect(seen.at(-1)).toBe(`updated a@${version}`));
  }
  expect(errors).toEqual([]);
  expect(api.watches).toHaveLength(1);
});

test("gives up a server that takes a watch and never answers it", async () => {
  const rigged = await following();
  const { api, clock, errors } = rigged;
  api.refusals.push(() => undefined);
  await endQuietly(rigged);
  await eventually(() => expect(api.refusals).toHaveLength(0));
  await clock.advance(requestTimeoutMs);
  await eventually(() => expect(errors).toMatchObject([{ code: "KUBE_CONNECTION", message: /no answer/ }]));
});

test("puts a line together from pieces, also within a character", async () => {
  const { api, informer } = await following();
  const changed = { ...service("a", "11"), spec: { externalName: "grüße.example.org" } };
  const bytes = Buffer.from(`${JSON.stringify({ type: "MODIFIED", object: changed })}\n\n`);
  const within = bytes.indexOf(0xc3) + 1;
  for (const piece of [bytes.subarray(0, 5), bytes.subarray(5, within), bytes.subarray(within)]) {
    api.watch().raw(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(() => expect(informer.get("default", "a")?.spec?.externalName).toBe("grüße.example.org"));
});

test("drops a last line that was cut off", async () => {
  const { api, seen, errors } = await following();
  api.watch().send("MODIFIED", service("a", "11"));
  api.watch().raw(JSON.stringify({ type: "MODIFIED", object: service("a", "12") }));
  api.watch().end();
  await eventually(() => expect(api.watches).toHaveLength(2));
  expect(api.watch().request.query.get("resourceVersion")).toBe("11");
  expect(seen.slice(2)).toEqual(["updated a@11"]);
  expect(errors).toEqual([]);
});

test.for([
  ["text", "surely not JSON"],
  ["half a line", '{"type":"ADDED","object":'],
  ["null", "null"],
  ["a number", "7"],
  ["an event without an object", '{"type":"ADDED"}'],
  ["an event with a null object", '{"type":"MODIFIED","object":null}'],
  ["an event of an unknown type", '{"type":"MOVED","object":{}}'],
])("lists anew after a line that is no event: %s", async ([, line]) => {
  const { api, clock, errors, seen } = await following();
  api.watch().send("MODIFIED", service("a", "11"));
  api.watch().raw(`${line}\n${JSON.stringify({ type: "DELETED", object: service("b", "12") })}\n`);
  api.lists.splice(0, 1, listOf("20", service("a", "11"), service("b", "15")));
  await eventually(() => expect(errors).toMatchObject([{ code: "KUBE_CONNECTION" }]));
  // Nothing after the broken line is believed.
  expect(seen.slice(2)).toEqual(["updated a@11"]);
  await clock.advance(2 * firstRetryMs);
  await eventually(() => expect(api.watches).toHaveLength(2));
  expect(seen.slice(3)).toEqual(["updated b@15"]);
});

test("gives up a line without an end", async () => {
  const { api, clock, errors } = await following();
  const block = Buffer.alloc(1024 * 1024, "x");
  for (let sent = 0; sent <= maxLineBytes; sent += block.length) api.watch().raw(block);
  await eventually(() => expect(errors).toMatchObject([{ code: "KUBE_CONNECTION", message: /longer than/ }]));
  await eventually(() => expect(api.watch().closed).toBe(true));
  await clock.advance(2 * firstRetryMs);
  await eventually(() => expect(api.watches).toHaveLength(2));
});

test("survives an answer to a list that is no list", async () => {
  const { api, clock, informer, errors } = await rig();
  api.lists.push(
    (_request, response) => void response.end("<html>a proxy's login page</html>"),
    (_request, response) => void response.end("null"),
    listOf("1"),
  );
  await informer.start();
  await eventually(() => expect(errors).toHaveLength(1));
  await clock.advance(longestRetryMs);
  await eventually(() => expect(errors).toHaveLength(2));
  await clock.advance(longestRetryMs);
  await informer.synced;
  expect(errors).toMatchObject([{ code: "KUBE_CONNECTION" }, { code: "KUBE_CONNECTION" }]);
});

test("goes on when a listener throws, and says so", async () => {
  const thrown = new Error("a listener's fault");
  const { api, informer, errors } = await following({
    onChange: ({ object }) => {
      if (object.metadata?.name === "a") throw thrown;
    },
  });
  expect(errors).toEqual([thrown]);
  api.watch().send("MODIFIED", service("a", "11"));
  api.watch().send("MODIFIED", service("b", "12"));
  await eventually(() => expect(informer.get("default", "b")?.metadata?.resourceVersion).toBe("12"));
  expect(informer.get("default", "a")?.metadata?.resourceVersion).toBe("11");
  expect(errors).toEqual([thrown, thrown]);
  expect(api.watches).toHaveLength(1);
});

test("hands nothing over once stopped, and leaves no timer", async () => {
  const { api, clock, informer, seen } = await following();
  await informer.stop();
  api.watch().send("MODIFIED", service("a", "11"));
  await eventually(() => expect(api.watch().closed).toBe(true));
  expect(seen).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test("stops while it waits for another try", async () => {
  const { api, clock, informer, errors } = await rig();
  api.lists.push((_request, response) => fail(response, 500, "InternalError"));
  await informer.start();
  await eventually(() => expect(errors).toHaveLength(1));
  await informer.stop();
  await informer.synced;
  expect(informer.isSynced).toBe(false);
  expect(clock.pending).toBe(0);
});

test("stops while a list is under way", async () => {
  const { api, clock, informer, errors, seen } = await rig();
  api.lists.push(() => undefined);
  await informer.start();
  await eventually(() => expect(api.requests).toHaveLength(1));
  await informer.stop();
  expect(errors).toEqual([]);
  expect(seen).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("finds its server again after it was away", async () => {
  const first = await ScriptedApi.start();
  const { port } = first;
  first.lists.push(listOf("10", service("a", "1")));
  const clock = new FakeClock();
  const client = first.client(clock);
  const errors: unknown[] = [];
  const seen: string[] = [];
  const informer = new Informer({
    client,
    resource: "services",
    clock,
    random: () => 0.5,
    onChange: ({ type, object }) => seen.push(`${type} ${object.metadata?.name}`),
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => informer.stop());
  await informer.start();
  await eventually(() => first.watch());
  await first[Symbol.asyncDispose]();
  await eventually(() => expect(errors).toHaveLength(1));
  await clock.advance(firstRetryMs);
  await eventually(() => expect(errors).toHaveLength(2));
  expect(errors).toMatchObject([{ code: "KUBE_CONNECTION" }, { code: "KUBE_CONNECTION" }]);
  expect(seen).toEqual(["added a"]);
  await using second = await ScriptedApi.start(port);
  second.lists.push(listOf("10", service("a", "1")));
  second.refusals.push((_request, response) => fail(response, 410, "Expired"));
  await clock.advance(2 * firstRetryMs);
  await eventually(() => second.watch());
  expect(errors).toHaveLength(2);
  expect(seen).toEqual(["added a"]);
  await informer.stop();
});
