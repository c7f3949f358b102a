/** What a client's HTTP/1.1 connection does beside carrying requests: order, ends, limits of time, refusals. */
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { FakeClock } from "@fairlead/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLIENT_IDLE_MS, HALF_CLOSED_MS, HEAD_TIMEOUT_MS } from "../src/proxy/http1-client.ts";
import { ingress } from "./support/ingress-objects.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

const host = "Host: a.example.org\r\n";
let stand: ProxyStand;
let clock: FakeClock;
let release: PromiseWithResolvers<void>;
const sockets: Socket[] = [];

beforeEach(async () => {
  clock = new FakeClock();
  release = Promise.withResolvers();
  stand = await new ProxyStand({}, clock).start();
  const address = await stand.backend("127.31.1.1", (request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    if (request.url === "/early") return void response.writeHead(403, { "content-length": 2 }).end("no");
    request.on("end", () => {
      const answer = (): unknown => response.end(`<${request.method} ${request.url} ${body}>`);
      if (request.url === "/late") void release.promise.then(answer);
      else answer();
    });
  });
  stand.service("web", [address]);
  stand.routes(ingress("web", { "a.example.org": [{ path: "/" }] }));
});

afterEach(async () => {
  release.resolve();
  for (const socket of sockets.splice(0)) socket.destroy();
  await stand[Symbol.asyncDispose]();
});

/** A client that keeps all it has received. */
function client(bytes: string): { socket: Socket; text: () => string; closed: Promise<unknown> } {
  const socket = connect({ port: stand.port, host: "127.0.0.1", allowHalfOpen: true });
  sockets.push(socket);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => {
    socket.once("end", () => resolve());
    socket.once("close", () => resolve());
  });
  socket.write(bytes, "latin1");
  return { socket, text: () => text, closed };
}

const bodies = (text: string): string[] => [...text.matchAll(/<[^>]*>/g)].map(([body]) => body);

describe("requests on one connection", () => {
  test("sent ahead are answered in their order, the endpoint's slowness included", async () => {
    const many = Array.from({ length: 50 }, (_, at) => `GET /${at} HTTP/1.1\r\n${host}\r\n`);
    const { text } = client(`GET /late HTTP/1.1\r\n${host}\r\n${many.join("")}`);
    release.resolve();
    await expect.poll(() => bodies(text()).length).toBe(51);
    expect(bodies(text())).toEqual(["<GET /late >", ...many.map((_, at) => `<GET /${at} >`)]);
  });

  test("arrive byte by byte all the same", async () => {
    const { socket, text } = client("");
    const chunked = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    const bytes = `POST /1 HTTP/1.1\r\n${host}${chunked}PUT /2 HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nhiGET /3 HTTP/1.1\r\n${host}\r\n`;
    socket.setNoDelay(true);
    for (const byte of bytes) {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => bodies(text())).toEqual(["<POST /1 abcde>", "<PUT /2 hi>", "<GET /3 >"]);
  });

  test("thousands of them that are answered at once do not pile up calls", async () => {
    const wrong = "GET / HTTP/1.1\r\nHost: b.example.org\r\n\r\n";
    const { text } = client(wrong.repeat(5_000));
    await expect.poll(() => text().split(" 404 Not Found\r\n").length - 1, { timeout: 10_000 }).toBe(5_000);
  });

  test("end with Connection: close, and with HTTP/1.0 that does not ask for more", async () => {
    const next = `GET /next HTTP/1.1\r\n${host}\r\n`;
    const closing = client(`GET /1 HTTP/1.1\r\n${host}Connection: Keep-Alive, Close\r\n\r\n${next}`);
    await closing.closed;
    expect(bodies(closing.text())).toEqual(["<GET /1 >"]);
    expect(closing.text()).toMatch(/\r\nconnection: close\r\n/);
    const old = client(`GET /1 HTTP/1.0\r\n${host}\r\n${next}`);
    await old.closed;
    expect(bodies(old.text())).toEqual(["<GET /1 >"]);
    const kept = client(`GET /1 HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n${next}`);
    await expect.poll(() => bodies(kept.text())).toEqual(["<GET /1 >", "<GET /next >"]);
    expect(kept.text()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\nconnection: keep-alive\r\n/);
  });

  test("a body of unknown length goes to HTTP/1.0 up to the end of the connection", async () => {
    stand.service("web", [
      await stand.backend("127.31.1.1", (_, response) => {
        response.write("<one>");
        response.end("<two>");
      }),
    ]);
    const old = client(`GET / HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`);
    await old.closed;
    expect(old.text()).toMatch(/\r\n\r\n<one><two>$/);
    expect(old.text()).not.toMatch(/transfer-encoding/i);
  });
});

describe("the end of a connection", () => {
  test("a client that closes its side early gets its answers", async () => {
    const { socket, text, closed } = client(`POST /late HTTP/1.1\r\n${host}Content-Length: 2\r\n\r\nhi`);
    socket.end(`GET /2 HTTP/1.1\r\n${host}\r\n`);
    setTimeout(() => release.resolve(), 50);
    await closed;
    expect(bodies(text())).toEqual(["<POST /late hi>", "<GET /2 >"]);
  });

  test("but is not waited for long, as it may be gone altogether", async () => {
    const { socket, text, closed } = client(`GET /late HTTP/1.1\r\n${host}\r\n`);
    await expect.poll(() => stand.gateway.active).toBe(1);
    socket.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (let at = 0; at < HALF_CLOSED_MS + 300; at += 100) {
      await clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await closed;
    expect(text()).not.toContain("HTTP/1.1 200");
    await expect.poll(() => stand.gateway.active).toBe(0);
  });

  test("in the middle of a body: the request is given up", async () => {
    const { socket, closed } = client(`POST / HTTP/1.1\r\n${host}Content-Length: 9\r\n\r\nhi`);
    await expect.poll(() => stand.gateway.active).toBe(1);
    socket.end();
    await closed;
    await expect.poll(() => stand.gateway.active).toBe(0);
  });

  test("an answer that comes before the body is whole is the last one", async () => {
    const { socket, text, closed } = client(`POST /early HTTP/1.1\r\n${host}Content-Length: 1000000\r\n\r\nhi`);
    await closed;
    expect(text()).toMatch(/^HTTP\/1\.1 403 [^]*\r\nconnection: close\r\n[^]*no$/);
    socket.write(`GET /smuggled HTTP/1.1\r\n${host}\r\n`);
    expect(bodies(text())).toEqual([]);
  });

  test("while it drains, each answer is the last one", async () => {
    const { text, closed } = client(`GET /late HTTP/1.1\r\n${host}\r\nGET /2 HTTP/1.1\r\n${host}\r\n`);
    await expect.poll(() => stand.gateway.active).toBe(1);
    stand.gateway.draining = true;
    release.resolve();
    await closed;
    expect(bodies(text())).toEqual(["<GET /late >"]);
    expect(text()).toMatch(/\r\nconnection: close\r\n/);
  });
});

describe("time", () => {
  test("half a head is 408 after a while, silence ends without a word", async () => {
    const half = client("GET / HTTP/1.1\r\nHo");
    const silent = client("");
    await Promise.all([half, silent].map(({ socket }) => once(socket, "connect")));
    // The bytes are on their way, and only the clock is ours.
    await new Promise((resolve) => setTimeout(resolve, 100));
    await clock.advance(HEAD_TIMEOUT_MS + 500);
    await Promise.all([half.closed, silent.closed]);
    expect(half.text()).toMatch(/^HTTP\/1\.1 408 /);
    expect(silent.text()).toBe("");
  });

  test("counts from when a client comes, however long nobody came before", async () => {
    await clock.advance(10 * CLIENT_IDLE_MS);
    const { socket, text } = client("");
    await once(socket, "connect");
    await new Promise((resolve) => setTimeout(resolve, 50));
    await clock.advance(HEAD_TIMEOUT_MS / 2);
    socket.write(`GET /1 HTTP/1.1\r\n${host}\r\n`);
    await expect.poll(() => bodies(text())).toEqual(["<GET /1 >"]);
  });

  test("an idle connection is kept for a while after a request", async () => {
    const { text, closed, socket } = client(`GET /1 HTTP/1.1\r\n${host}\r\n`);
    await expect.poll(() => bodies(text()).length).toBe(1);
    await clock.advance(CLIENT_IDLE_MS - 1_000);
    socket.write(`GET /2 HTTP/1.1\r\n${host}\r\n`);
    await expect.poll(() => bodies(text()).length).toBe(2);
    await clock.advance(CLIENT_IDLE_MS + 500);
    await closed;
    expect(bodies(text())).toEqual(["<GET /1 >", "<GET /2 >"]);
  });
});

describe("expectations", () => {
  test("100-continue is answered once an endpoint will have the body", async () => {
    const { socket, text } = client(`PUT / HTTP/1.1\r\n${host}Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n`);
    await expect.poll(text).toBe("HTTP/1.1 100 Continue\r\n\r\n");
    socket.write("hi");
    await expect.poll(() => bodies(text())).toEqual(["<PUT / hi>"]);
  });

  test("is not asked for a body that nobody will read", async () => {
    const { text, closed } = client(
      `PUT / HTTP/1.1\r\nHost: b.example.org\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n`,
    );
    await closed;
    expect(text()).toMatch(/^HTTP\/1\.1 404 /);
  });

  test.each([
    ["another expectation", `PUT / HTTP/1.1\r\n${host}Expect: miracles\r\nContent-Length: 2\r\n\r\nhi`, 417],
    ["an unknown method", `FROB / HTTP/1.1\r\n${host}\r\n`, 501],
    ["a version to come", `GET / HTTP/3.0\r\n${host}\r\n`, 505],
    ["TRACE", `TRACE / HTTP/1.1\r\n${host}\r\n`, 405],
    ["too many fields", `GET / HTTP/1.1\r\n${host}${"a: b\r\n".repeat(300)}\r\n`, 431],
    [
      "a WebSocket with a body",
      `GET / HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\nhi`,
      400,
    ],
  ])("%s is refused and the connection ends", async (_, bytes, status) => {
    const { text, closed } = client(bytes);
    await closed;
    expect(text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\r\nconnection: close\r\n`));
  });
});
