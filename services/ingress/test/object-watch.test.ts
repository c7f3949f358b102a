import { once } from "node:events";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "@fairlead/host";
import { ApiTransport, KubeClient } from "@fairlead/kube";
import { eventually, seededRandom } from "@fairlead/testkit";
import { expect, onTestFinished, test } from "vitest";
import { ObjectWatch } from "../src/control/object-watch.ts";

interface Thing {
  readonly metadata: { readonly name: string; readonly resourceVersion: string };
}

const thing = (version: number, name = "one"): Thing => ({ metadata: { name, resourceVersion: `${version}` } });

/** An API that has at most one object, over real HTTP, and the watch under test. */
async function follow() {
  const state = {
    object: undefined as Thing | undefined,
    isBroken: false,
    oldest: 0,
    asked: [] as string[],
    onWatch: undefined as (() => void) | undefined,
  };
  const watches = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    state.asked.push(request.url ?? "");
    if (state.isBroken) response.writeHead(500).end("{}");
    else if (request.url?.includes("watch=true") === true) {
      watches.add(response.on("close", () => watches.delete(response)));
      response.writeHead(200).flushHeaders();
      state.onWatch?.();
      const version = new URL(request.url, "http://api").searchParams.get("resourceVersion");
      if (version === null && state.object)
        response.write(`${JSON.stringify({ type: "ADDED", object: state.object })}\n`);
      if (version !== null && Number(version) < state.oldest) {
        response.end(
          `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired" } })}\n`,
        );
      }
    } else if (state.object === undefined) response.writeHead(404).end(JSON.stringify({ kind: "Status", code: 404 }));
    else response.end(JSON.stringify(state.object));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const endpoint = { server: `http://127.0.0.1:${port}`, authorize: () => Promise.resolve() };
  const client = new KubeClient({ transport: new ApiTransport({ endpoint, clock: systemClock }) });
  const seen: (string | undefined)[] = [];
  const errors: unknown[] = [];
  const watch = new ObjectWatch<Thing>({
    client,
    collection: "/api/v1/namespaces/default/things",
    name: "one",
    clock: systemClock,
    random: seededRandom(1),
    onChange: (object) => seen.push(object?.metadata.resourceVersion),
    onError: (error) => errors.push(error),
  });
  onTestFinished(async () => {
    await watch.stop();
    client.transport.close();
    server.closeAllConnections();
    server.close();
  });
  const say = (type: string, object: object): void => {
    for (const response of watches) response.write(`${JSON.stringify({ type, object })}\n`);
  };
  const isWatched = (): Promise<void> => eventually(() => expect(watches.size).toBe(1));
  return { state, watch, watches, seen, errors, say, isWatched };
}

test("an object is read, then followed by its name through every change, until it is gone", async () => {
  const { state, watch, seen, say, isWatched } = await follow();
  state.object = thing(5);
  watch.start();
  await isWatched();
  expect(state.asked).toEqual([
    "/api/v1/namespaces/default/things/one",
    expect.stringMatching(/things\?watch=true&fieldSelector=metadata\.name%3Done&.*resourceVersion=5/),
  ]);
  say("BOOKMARK", thing(6));
  say("MODIFIED", thing(7));
  say("MODIFIED", thing(8, "other"));
  say("DELETED", thing(9));
  say("ADDED", thing(10));
  await eventually(() => expect(seen).toEqual(["5", "7", undefined, "10"]));
});

test("one that is not there is told as such, and found when it comes", async () => {
  const { watch, seen, say, isWatched } = await follow();
  watch.start();
  await isWatched();
  expect(seen).toEqual([undefined]);
  say("ADDED", thing(3));
  await eventually(() => expect(seen).toEqual([undefined, "3"]));
});

test("a watch that ends, or has fallen behind, is begun anew from a fresh read: no change is missed", async () => {
  const { state, watch, watches, seen, errors, say, isWatched } = await follow();
  state.object = thing(1);
  watch.start();
  await isWatched();
  state.object = thing(2);
  for (const response of watches) response.end();
  await eventually(() => expect(seen).toEqual(["1", "2"]));
  await isWatched();
  expect(errors).toEqual([]);
  state.object = thing(3);
  say("ERROR", { kind: "Status", code: 410 });
  await eventually(() => expect(seen).toEqual(["1", "2", "3"]));
  expect(errors).toEqual([]);
});

test("an object that has not changed for longer than the API remembers is followed all the same, without a failure", async () => {
  const { state, watch, seen, errors, say, isWatched } = await follow();
  state.object = thing(1);
  state.oldest = 100;
  watch.start();
  await eventually(() => expect(state.asked.at(-1)).not.toContain("resourceVersion"));
  await isWatched();
  say("MODIFIED", thing(101));
  say("DELETED", thing(102));
  await eventually(() => expect(seen).toEqual(["1", "101", undefined]));
  expect(errors).toEqual([]);
});

test("one that goes while a watch from now on is begun is told as gone", async () => {
  const { state, watch, seen, errors } = await follow();
  state.object = thing(1);
  state.oldest = 100;
  state.onWatch = () => {
    // The second watch has no version; the object went just before it.
    if (!(state.asked.at(-1) ?? "").includes("resourceVersion")) state.object = undefined;
  };
  watch.start();
  await eventually(() => expect(seen).toEqual(["1", undefined]));
  expect(errors).toEqual([]);
});

test("while the API fails the last state stands, each failure is told, and it goes on by itself", async () => {
  const { state, watch, watches, seen, errors, isWatched } = await follow();
  state.object = thing(1);
  watch.start();
  await isWatched();
  state.isBroken = true;
  for (const response of watches) response.destroy();
  await eventually(() => expect(errors.length).toBeGreaterThanOrEqual(2));
  expect(seen).toEqual(["1"]);
  state.isBroken = false;
  state.object = thing(2);
  await eventually(() => expect(seen).toEqual(["1", "2"]));
});

test("stopped, it asks no more", async () => {
  const { state, watch, seen, isWatched } = await follow();
  state.object = thing(1);
  watch.start();
  await isWatched();
  await watch.stop();
  const asked = state.asked.length;
  state.object = thing(2);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(state.asked).toHaveLength(asked);
  expect(seen).toEqual(["1"]);
});
