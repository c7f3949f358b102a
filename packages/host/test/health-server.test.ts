import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { RecordingLogger } from "@fairlead/testkit";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createHealthServer, createMetrics, type HealthServer, type Metrics } from "../src/index.ts";

let metrics: Metrics;
let log: RecordingLogger;
let server: HealthServer;

beforeEach(async () => {
  metrics = createMetrics();
  log = new RecordingLogger();
  server = createHealthServer({ address: "127.0.0.1:0", metrics, log });
  await server.start();
  onTestFinished(() => server.stop());
});

async function get(path: string, method = "GET"): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`${server.url}${path}`, { method });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

test("says ok when nothing is wrong", async () => {
  server.ready("feed", () => undefined);
  for (const path of ["/healthz", "/livez", "/readyz"])
    expect(await get(path)).toMatchObject({ status: 200, text: "ok" });
});

test("tells each reason why the service is not ready, and stays live", async () => {
  server.ready("feed", () => "no snapshot yet");
  server.ready("plane", () => undefined);
  server.ready("listener", () => "port 80 is taken");
  expect(await get("/readyz")).toMatchObject({
    status: 503,
    text: "feed: no snapshot yet\nlistener: port 80 is taken",
  });
  expect(await get("/livez")).toMatchObject({ status: 200, text: "ok" });
});

test("asks the checks anew for every request", async () => {
  let reason: string | undefined = "not yet";
  server.ready("feed", () => reason);
  expect((await get("/readyz")).status).toBe(503);
  reason = undefined;
  expect((await get("/readyz")).status).toBe(200);
});

test("tells at /healthz and /livez that the service is stuck, also when a check itself fails", async () => {
  server.live("loop", () => {
    throw new Error("broken check");
  });
  for (const path of ["/healthz", "/livez"]) {
    expect(await get(path)).toMatchObject({ status: 503, text: "loop: the check failed: broken check" });
  }
  expect((await get("/readyz")).status).toBe(200);
});

test("lists every check on request", async () => {
  server.ready("feed", () => undefined);
  server.ready("plane", () => "empty");
  expect(await get("/readyz?verbose")).toMatchObject({ status: 503, text: "[+] feed: ok\n[-] plane: empty" });
  expect((await get("/readyz?x=1&verbose=true")).text).toContain("[+] feed: ok");
});

test("serves the metrics with their content type", async () => {
  metrics.counter("fairlead_test_total", "Tests.").inc();
  const { status, text, headers } = await get("/metrics");
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe(metrics.registry.contentType);
  expect(text).toContain("fairlead_test_total 1");
});

test("answers 500, and logs why, when the metrics cannot be collected", async () => {
  metrics.gauge("fairlead_test_bytes", "Broken.").set(1);
  metrics.registry.metrics = () => Promise.reject(new Error("collector broke"));
  expect(await get("/metrics")).toMatchObject({ status: 500, text: "internal error" });
  expect(log.messages("error")).toEqual(["a health request failed"]);
});

test("answers HEAD without a body, other methods with 405, other paths with 404", async () => {
  expect(await get("/readyz", "HEAD")).toMatchObject({ status: 200, text: "" });
  const refused = await get("/readyz", "POST");
  expect(refused.status).toBe(405);
  expect(refused.headers.get("allow")).toBe("GET, HEAD");
  expect((await get("/")).status).toBe(404);
  expect((await get("/readyz/feed")).status).toBe(404);
});

test("refuses headers that are too large", async () => {
  const response = await fetch(`${server.url}/readyz`, { headers: { "x-large": "x".repeat(9_000) } });
  expect(response.status).toBe(431);
});

test("stops at once though a client holds a connection open in the middle of a request", async () => {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write("GET /readyz HTTP/1.1\r\n");
  await sleep(20);
  const closed = once(socket, "close");
  await server.stop();
  await closed;
  await expect(fetch(`${server.url}/readyz`)).rejects.toThrow("fetch failed");
});

test("has no url before it starts", () => {
  expect(() => createHealthServer({ address: "127.0.0.1:0", metrics, log }).url).toThrow("has not started");
});

test("does not start on a port that is taken or an address that is none", async () => {
  const address = new URL(server.url).host;
  await expect(createHealthServer({ address, metrics, log }).start()).rejects.toMatchObject({ code: "EADDRINUSE" });
  const odd = createHealthServer({ address: "nowhere", metrics, log });
  await expect(odd.start()).rejects.toMatchObject({ code: "INVALID_INPUT" });
});

test("brackets an IPv6 address in its url", async () => {
  const six = createHealthServer({ address: "[::1]:0", metrics, log });
  await six.start();
  onTestFinished(() => six.stop());
  expect(six.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  expect((await fetch(`${six.url}/livez`)).status).toBe(200);
});

test("has pages of a service's own, which know what is not ready", async () => {
  server.ready("feed", () => "no snapshot yet");
  server.ready("plane", () => undefined);
  server.page("/mine", (failed) => ({ status: failed.size === 0 ? 200 : 503, text: [...failed.keys()].join(",") }));
  expect(await get("/mine")).toMatchObject({ status: 503, text: "feed" });
  server.ready("feed", () => undefined);
  expect(await get("/mine")).toMatchObject({ status: 200, text: "" });
  expect(await get("/theirs")).toMatchObject({ status: 404 });
});

test("a page takes the place of a built-in one, with headers of its own", async () => {
  server.live("loop", () => "stuck");
  server.page("/healthz", () => ({
    status: 200,
    text: "{}",
    headers: { "content-type": "application/json", "x-own": "1" },
  }));
  const { status, text, headers } = await get("/healthz");
  expect([status, text, headers.get("content-type"), headers.get("x-own")]).toEqual([
    200,
    "{}",
    "application/json",
    "1",
  ]);
  expect((await get("/livez")).status).toBe(503);
});

test("keeps metrics to itself where it is given none", async () => {
  const quiet = createHealthServer({ address: "127.0.0.1:0", log });
  await quiet.start();
  onTestFinished(() => quiet.stop());
  expect((await fetch(`${quiet.url}/metrics`)).status).toBe(404);
  expect((await fetch(`${quiet.url}/livez`)).status).toBe(200);
});
