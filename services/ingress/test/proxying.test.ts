import { once } from "node:events";
import type { RequestListener } from "node:http";
import { connect } from "node:net";
import { eventually } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ingress } from "./support/ingress-objects.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

let stand: ProxyStand;

beforeEach(async () => {
  stand = await new ProxyStand().start();
});

afterEach(async () => {
  await stand[Symbol.asyncDispose]();
});

const echo: RequestListener = (request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks).toString();
    const { method, url, headers, trailers } = request;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ at: request.socket.localAddress, method, url, headers, trailers, body }));
  });
};
const all = { "a.example.org": [{ path: "/", service: "web" }] };

async function serve(annotations: Record<string, string> = {}, listener: RequestListener = echo): Promise<string> {
  const address = await stand.backend("127.11.0.1", listener);
  stand.service("web", [address]);
  stand.routes(ingress("web", all, { annotations }));
  return address;
}

const seen = (
  body: string,
): {
  at: string;
  method: string;
  url: string;
  headers: Record<string, string>;
  trailers: Record<string, string>;
  body: string;
} => JSON.parse(body) as never;

describe("a request", () => {
  test("reaches the endpoint with method, target, body and the client's address; hop-by-hop fields do not", async () => {
    await serve();
    const reply = await stand.get("/x//y?q=%20", {
      method: "POST",
      body: "hello",
      headers: {
        connection: "keep-alive, x-private",
        "x-private": "1",
        "x-kept": "2",
        "proxy-authorization": "secret",
        "x-forwarded-for": "6.6.6.6",
        forwarded: "for=6.6.6.6",
        "x-real-ip": "6.6.6.6",
      },
    });
    expect(reply.status).toBe(200);
    const { headers, ...rest } = seen(reply.body);
    expect(rest).toMatchObject({ method: "POST", url: "/x//y?q=%20", body: "hello" });
    expect(headers).toMatchObject({
      host: "a.example.org",
      "x-kept": "2",
      "x-forwarded-for": "127.0.0.1",
      "x-real-ip": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "a.example.org",
      "x-forwarded-port": String(stand.port),
      forwarded: 'for=127.0.0.1;host="a.example.org";proto=http',
      "x-request-id": expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(headers).not.toHaveProperty("x-private");
    expect(headers).not.toHaveProperty("proxy-authorization");
  });

  test("from a trusted proxy keeps what that says", async () => {
    await serve({ "whitelist-source-range": "192.0.2.0/24" });
    const headers = {
      "x-forwarded-for": "6.6.6.6, 192.0.2.1",
      "x-forwarded-proto": "https",
      "x-request-id": "abcdefgh1",
    };
    const reply = await stand.get("/", { from: "127.9.9.1", headers });
    expect(reply.status).toBe(200);
    expect(seen(reply.body).headers).toMatchObject({
      "x-forwarded-for": "6.6.6.6, 192.0.2.1",
      "x-forwarded-proto": "https",
      "x-request-id": "abcdefgh1",
    });
    expect((await stand.get("/", { headers })).status).toBe(403);
  });

  test("passes trailers both ways", async () => {
    await serve({}, (request, response) => {
      request.resume().on("end", () => {
        response.writeHead(200, { trailer: "x-sum" });
        response.write("body");
        response.addTrailers({ "x-sum": `got ${request.trailers["x-in"]}`, "set-cookie": "a=b" });
        response.end();
      });
    });
    const reply = await stand.get("/", {
      method: "POST",
      body: ["a", "b"],
      headers: { trailer: "x-in", te: "trailers", "transfer-encoding": "chunked" },
      trailers: { "x-in": "7" },
    });
    expect(reply).toMatchObject({ body: "body", trailers: { "x-sum": "got 7" } });
    expect(reply.trailers).not.toHaveProperty("set-cookie");
  });

  test("streams: the first part arrives while the rest is not yet there, and a slow client holds the endpoint back", async () => {
    let written = 0;
    let ended = false;
    await serve({ "proxy-read-timeout": "30" }, (_, response) => {
      const chunk = Buffer.alloc(65_536, 1);
      const more = (): void => {
        while (written < 64 * 1024 * 1024) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", more);
        }
        ended = true;
        response.end();
      };
      more();
    });
    const socket = connect(stand.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nhost: a.example.org\r\n\r\n");
    await once(socket, "readable");
    let before = -1;
    await eventually(
      () => {
        const now = written;
        const still = now === before;
        before = now;
        if (!still) throw new Error("still writing");
      },
      { intervalMs: 200 },
    );
    expect(ended).toBe(false);
    expect(written).toBeLessThan(48 * 1024 * 1024);
    socket.destroy();
  });

  test("uses connections to the endpoint again", async () => {
    const ports = new Set<number | undefined>();
    await serve({}, (request, response) => {
      ports.add(request.socket.remotePort);
      response.end("ok");
    });
    for (let count = 0; count < 5; count += 1) await stand.get("/");
    expect(ports.size).toBe(1);
  });
});

describe("failures", () => {
  test("503 for everything while no routes are known, and 404 once there are none", async () => {
    expect((await stand.get("/")).status).toBe(503);
    stand.routes();
    expect((await stand.get("/")).status).toBe(404);
  });

  test("404 without a route, 503 without an endpoint, 502 for a refused connection", async () => {
    stand.routes(ingress("web", all));
    expect((await stand.get("/", { host: "other.example.org" })).status).toBe(404);
    expect((await stand.get("/")).status).toBe(503);
    stand.service("web", ["127.11.0.9:1"]);
    expect((await stand.get("/")).status).toBe(502);
  });

  test("504 for a silent endpoint, 502 for one that breaks off or talks nonsense", async () => {
    await serve({}, (request, response) => {
      if (request.url === "/silent") return;
      if (request.url === "/nonsense") request.socket.end("nonsense\r\n\r\n");
      else response.destroy();
    });
    expect((await stand.get("/silent")).status).toBe(504);
    expect((await stand.get("/nonsense")).status).toBe(502);
    expect((await stand.get("/gone", { method: "POST", body: "x" })).status).toBe(502);
  });

  test("a refused connection is made again elsewhere, a POST with its body too", async () => {
    const address = await stand.backend("127.11.0.2", echo);
    stand.service("web", ["127.11.0.9:1", address]);
    stand.routes(ingress("web", all));
    for (let count = 0; count < 6; count += 1) {
      const reply = await stand.get("/", { method: "POST", body: "whole" });
      expect(reply.status).toBe(200);
      expect(seen(reply.body).body).toBe("whole");
    }
  });

  test("a connection lost before the response: GET goes elsewhere, POST does not", async () => {
    const bad = await stand.backend("127.11.0.1", (request) => request.socket.destroy());
    const good = await stand.backend("127.11.0.2", echo);
    stand.service("web", [bad, good]);
    stand.routes(ingress("web", all));
    const statuses: number[] = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await stand.get("/")).status);
    expect(statuses).toEqual([200, 200, 200, 200]);
    const posts: number[] = [];
    for (let count = 0; count < 4; count += 1) posts.push((await stand.get("/", { method: "POST", body: "x" })).status);
    expect(posts.sort((a, b) => a - b)).toEqual([200, 200, 502, 502]);
  });

  test("a kept connection that the only endpoint closed meanwhile is replaced by a fresh one", async () => {
    let count = 0;
    await serve({}, (request, response) => {
      count += 1;
      // Every second request meets a connection that the endpoint no longer wants.
      if (count % 2 === 0) request.socket.destroy();
      else response.end("ok");
    });
    for (let left = 4; left > 0; left -= 1) expect((await stand.get("/")).status).toBe(200);
    expect(count).toBeGreaterThan(4);
  });

  test("a response that breaks off does not look complete", async () => {
    await serve({}, (_, response) => {
      response.write("half");
      setImmediate(() => response.destroy());
    });
    await expect(stand.get("/")).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  test("a body over the limit is 413, by its length or as it comes", async () => {
    await serve({ "proxy-body-size": "1k" });
    expect((await stand.get("/", { method: "POST", body: "x".repeat(1024) })).status).toBe(200);
    expect(
      (
        await stand
          .get("/", { method: "POST", body: "x", headers: { "content-length": "1025" } })
          .catch(() => ({ status: 413 }))
      ).status,
    ).toBe(413);
    const chunked = { "transfer-encoding": "chunked" };
    expect((await stand.get("/", { method: "POST", body: "x".repeat(2000), headers: chunked })).status).toBe(413);
  });
});

describe("annotations at work", () => {
  test("redirects", async () => {
    const one = { host: "a.example.org" };
    await serve({ "permanent-redirect": "https://example.org/new" });
    expect(await stand.get("/", one)).toMatchObject({ status: 301, headers: { location: "https://example.org/new" } });
    await serve({ "temporal-redirect": "https://example.org/x", "temporal-redirect-code": "307" });
    expect((await stand.get("/", one)).status).toBe(307);
    await serve({ "app-root": "/app" });
    expect(await stand.get("/", one)).toMatchObject({ status: 302, headers: { location: "/app" } });
    await serve({ "force-ssl-redirect": "true" });
    const location = `https://a.example.org:${stand.listeners.httpsPort}/x?y=1`;
    expect(await stand.get("/x?y=1", one)).toMatchObject({ status: 308, headers: { location } });
    await serve({ "from-to-www-redirect": "true" });
    expect(await stand.get("/x", { host: "www.a.example.org" })).toMatchObject({
      status: 308,
      headers: { location: "http://a.example.org/x" },
    });
  });

  test("a host with TLS is redirected to https unless the annotation says no", async () => {
    const address = await stand.backend("127.11.0.1", echo);
    stand.service("web", [address]);
    const tls = [{ hosts: ["a.example.org"], secretName: "s" }];
    stand.routes(ingress("web", all, { tls }));
    expect((await stand.get("/")).status).toBe(308);
    stand.routes(ingress("web", all, { tls, annotations: { "ssl-redirect": "false" } }));
    expect((await stand.get("/")).status).toBe(200);
  });

  test("rewrite-target with groups, upstream-vhost", async () => {
    const address = await stand.backend("127.11.0.1", echo);
    stand.service("web", [address]);
    const annotations = { "rewrite-target": "/api/$2", "upstream-vhost": "inner.example.org" };
    const paths = [{ path: "/v1(/|$)(.*)", type: "ImplementationSpecific", service: "web" }];
    stand.routes(ingress("web", { "a.example.org": paths }, { annotations }));
    const reply = seen((await stand.get("/V1/users/7?x=1")).body);
    expect(reply).toMatchObject({ url: "/api/users/7?x=1", headers: { host: "inner.example.org" } });
    expect(seen((await stand.get("/v1//evil.example.org/")).body).url).toBe("/api/evil.example.org/");
  });

  test("source ranges", async () => {
    await serve({ "denylist-source-range": "127.0.0.2" });
    expect((await stand.get("/", { from: "127.0.0.2" })).status).toBe(403);
    expect((await stand.get("/", { from: "127.0.0.3" })).status).toBe(200);
    await serve({ "allowlist-source-range": "127.0.0.2/32" });
    expect((await stand.get("/", { from: "127.0.0.3" })).status).toBe(403);
  });

  test("CORS: the preflight is answered, the origin is told on responses", async () => {
    await serve({ "enable-cors": "true", "cors-allow-origin": "https://*.example.org" });
    const origin = "https://app.example.org";
    const preflight = await stand.get("/", {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "PUT" },
    });
    expect(preflight).toMatchObject({
      status: 204,
      headers: { "access-control-allow-origin": origin, "access-control-max-age": "1728000" },
    });
    expect((await stand.get("/", { headers: { origin } })).headers["access-control-allow-origin"]).toBe(origin);
    const other = await stand.get("/", { headers: { origin: "https://evil.test/.example.org" } });
    expect(other.headers).not.toHaveProperty("access-control-allow-origin");
    // Shared caches keep the two apart.
    expect(other.headers["vary"]).toBe("Origin");
    expect((await stand.get("/")).headers["vary"]).toBe("Origin");
  });

  test("a canary takes its weight, and header and cookie decide before it", async () => {
    const main = await stand.backend("127.11.0.1", (_, response) => response.end("main"));
    const next = await stand.backend("127.11.0.2", (_, response) => response.end("canary"));
    stand.service("web", [main]);
    stand.service("canary", [next]);
    const annotations = {
      canary: "true",
      "canary-weight": "20",
      "canary-by-header": "X-Try",
      "canary-by-cookie": "try",
    };
    stand.routes(ingress("web", all), ingress("canary", { "a.example.org": [{ path: "/" }] }, { annotations }));
    const ask = async (headers: Record<string, string>): Promise<string> => (await stand.get("/", { headers })).body;
    expect(await ask({ "x-try": "always" })).toBe("canary");
    expect(await ask({ "x-try": "never", cookie: "try=always" })).toBe("main");
    expect(await ask({ cookie: "a=b; try=always" })).toBe("canary");
    expect(await ask({ cookie: "try=never" })).toBe("main");
    let taken = 0;
    for (let count = 0; count < 1000; count += 1) if ((await ask({})) === "canary") taken += 1;
    expect(taken / 10).toBeGreaterThan(16);
    expect(taken / 10).toBeLessThan(24);
  });

  test.each(["persistent", "balanced"])(
    "affinity %s: a session stays, and moves once when its endpoint goes",
    async (mode) => {
      const addresses: string[] = [];
      for (const last of [1, 2, 3, 4]) addresses.push(await stand.backend(`127.11.0.${last}`, echo));
      stand.service("web", addresses.slice(0, 3));
      stand.routes(ingress("web", all, { annotations: { affinity: "cookie", "affinity-mode": mode } }));
      const first = await stand.get("/");
      const cookie = first.headers["set-cookie"]?.[0] ?? "";
      expect(cookie).toMatch(/^INGRESSCOOKIE=[\w-]{22}; Path=\/; HttpOnly$/);
      const headers = { cookie: cookie.split(";")[0] ?? "" };
      const home = seen(first.body).at;
      for (let count = 0; count < 5; count += 1) {
        const reply = await stand.get("/", { headers });
        expect(seen(reply.body).at).toBe(home);
        expect(reply.headers).not.toHaveProperty("set-cookie");
      }
      stand.service(
        "web",
        addresses.filter((address) => !address.startsWith(`${home}:`)),
      );
      const moved = await stand.get("/", { headers });
      const next = moved.headers["set-cookie"]?.[0]?.split(";")[0] ?? headers.cookie;
      expect(seen(moved.body).at).not.toBe(home);
      for (let count = 0; count < 5; count += 1) {
        expect(seen((await stand.get("/", { headers: { cookie: next } })).body).at).toBe(seen(moved.body).at);
      }
    },
  );
});

test("a WebSocket goes through, other upgrades are plain requests", async () => {
  const address = await stand.backend("127.11.0.1", echo, (request, socket, head) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-key: ${request.headers["sec-websocket-key"]}\r\n\r\n`,
    );
    if (head.length > 0) socket.write(head);
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  stand.service("web", [address]);
  stand.routes(ingress("web", all));
  const head = "GET /ws HTTP/1.1\r\nhost: a.example.org\r\nconnection: upgrade\r\n";
  const opened = await stand.raw(`${head}upgrade: websocket\r\nsec-websocket-key: k\r\n\r\nping`);
  expect(opened).toMatch(/^HTTP\/1\.1 101 /);
  expect(opened).toMatch(/x-key: k\r\n[^]*\r\n\r\nping$/);
  expect(
    await stand.raw(
      `${head.replace("upgrade\r\n", "upgrade, http2-settings\r\n")}upgrade: h2c\r\nhttp2-settings: AA\r\n\r\n`,
    ),
  ).toMatch(/^HTTP\/1\.1 200 /);
  expect(
    await stand.raw("GET /ws HTTP/1.1\r\nhost: b.example.org\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"),
  ).toMatch(/^HTTP\/1\.1 404 /);
});

test("routes swapped and endpoints moved under load: no request fails or goes astray", async () => {
  const addresses: string[] = [];
  for (const last of [1, 2, 3])
    addresses.push(await stand.backend(`127.11.0.${last}`, (_, response) => response.end("web")));
  const other = await stand.backend("127.11.0.5", (_, response) => response.end("other"));
  stand.service("web", addresses);
  stand.service("other", [other]);
  const wrong: string[] = [];
  const until = new AbortController();
  let done = 0;
  const routes = (count: number): unknown =>
    stand.routes(
      ingress("web", {
        "a.example.org": [
          { path: "/", service: "web" },
          { path: `/n${count}`, service: "other" },
        ],
      }),
      ingress("other", { "b.example.org": [{ path: "/", service: "other" }] }),
    );
  routes(0);
  const load = async (host: string, expected: string): Promise<void> => {
    while (!until.signal.aborted) {
      const { status, body } = await stand.get("/", { host });
      done += 1;
      if (status !== 200 || body !== expected) wrong.push(`${status} ${body}`);
    }
  };
  const clients = [load("a.example.org", "web"), load("a.example.org", "web"), load("b.example.org", "other")];
  for (let count = 1; count <= 40; count += 1) {
    routes(count);
    stand.service(
      "web",
      addresses.filter((_, index) => index !== count % 3),
    );
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  until.abort();
  await Promise.all(clients);
  expect(wrong).toEqual([]);
  expect(done).toBeGreaterThan(50);
});

test("stops gracefully: a request under way ends well, new connections are refused", async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  await serve({}, (_, response) => {
    begun.resolve();
    void finish.promise.then(() => response.end("late"));
  });
  const reply = stand.get("/");
  await begun.promise;
  const stopped = stand.listeners.stop();
  await expect(stand.get("/")).rejects.toThrow(/ECONNREFUSED|not started/);
  finish.resolve();
  expect((await reply).body).toBe("late");
  await stopped;
});
