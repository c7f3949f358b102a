import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
import type { OutgoingHttpHeaders } from "node:http2";
import { get as httpsGet } from "node:https";
import { createSecureContext } from "node:tls";
import type { SecureContext, TLSSocket } from "node:tls";
import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { temporaryDirectory } from "@fairlead/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ingress } from "./support/ingress-objects.ts";
import { ProxyStand } from "./support/proxy-stand.ts";

const stand = new ProxyStand();

async function certificate(name: string): Promise<SecureContext> {
  await using directory = await temporaryDirectory();
  const [key, cert] = [`${directory.path}/tls.key`, `${directory.path}/tls.crt`];
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} -keyout ${key} -out ${cert}`;
  execFileSync("openssl", args.split(" "), { stdio: "pipe" });
  return createSecureContext({ key: readFileSync(key), cert: readFileSync(cert) });
}

beforeAll(async () => {
  stand.context = await certificate("one.example.org");
  await stand.start();
  const address = await stand.backend(
    "127.13.0.1",
    (request, response) => {
      const body: Buffer[] = [];
      request.on("data", (chunk: Buffer) => body.push(chunk));
      request.on("end", () => {
        if (request.method === "HEAD") return void response.end();
        response.writeHead(200, { trailer: "x-sum", "set-cookie": ["a=1", "b=2"] });
        const { host, cookie, "x-forwarded-proto": proto, "transfer-encoding": coding } = request.headers;
        response.write(
          JSON.stringify({
            host,
            cookie,
            proto,
            coding,
            method: request.method,
            url: request.url,
            body: Buffer.concat(body).toString(),
          }),
        );
        response.addTrailers({ "x-sum": "7" });
        response.end();
      });
    },
    (_, socket) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
      socket.pipe(socket);
    },
  );
  stand.service("web", [address]);
  stand.routes(
    ingress("web", { "a.example.org": [{ path: "/" }] }, { tls: [{ hosts: ["a.example.org"], secretName: "s" }] }),
  );
});

afterAll(() => stand[Symbol.asyncDispose]());

test("HTTP/2 to the client: headers, body, cookies and trailers go through", async () => {
  const session = connectHttp2(stand.listeners.https, { servername: "a.example.org", rejectUnauthorized: false });
  const stream = session.request({ ":authority": "a.example.org", ":path": "/x?y", ":method": "POST", cookie: "c=3" });
  stream.write("he");
  stream.end("llo");
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  const trailers = once(stream, "trailers");
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  expect(headers).toMatchObject({ ":status": 200, "set-cookie": ["a=1", "b=2"] });
  expect(JSON.parse(Buffer.concat(chunks).toString())).toEqual({
    host: "a.example.org",
    cookie: "c=3",
    proto: "https",
    coding: "chunked",
    method: "POST",
    url: "/x?y",
    body: "hello",
  });
  expect(((await trailers) as [Record<string, unknown>])[0]).toMatchObject({ "x-sum": "7" });
  const missing = session.request({ ":authority": "b.example.org", ":path": "/" });
  const [refused] = (await once(missing, "response")) as [Record<string, unknown>];
  expect(refused[":status"]).toBe(404);
  missing.close();
  session.destroy();
});

test("HTTP/2: crumbs of a cookie become one, large bodies wait for each other, and what is no request is refused", async () => {
  const session = connectHttp2(stand.listeners.https, { servername: "a.example.org", rejectUnauthorized: false });
  const common = { ":authority": "a.example.org", ":path": "/" };
  const ask = async (headers: OutgoingHttpHeaders, body?: Buffer): Promise<{ status: unknown; body: string }> => {
    const stream = session.request({ ...common, ...headers }, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    const [answered] = (await once(stream, "response")) as [Record<string, unknown>];
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return { status: answered[":status"], body: Buffer.concat(chunks).toString() };
  };
  const crumbs = await ask({ cookie: ["a=1", "b=2"], host: "a.example.org" });
  expect(JSON.parse(crumbs.body)).toMatchObject({ cookie: "a=1; b=2", host: "a.example.org" });
  const large = Buffer.alloc(1_000_000, "x");
  const sent = await ask({ ":method": "PUT", "content-length": large.length }, large);
  expect((JSON.parse(sent.body) as { body: string }).body).toHaveLength(large.length);
  expect(await ask({ ":method": "PUT" }, Buffer.alloc(1_100_000))).toMatchObject({ status: 413 });
  expect(await ask({ host: "b.example.org" })).toMatchObject({ status: 400 });
  expect(await ask({ ":method": "TRACE" })).toMatchObject({ status: 405 });
  expect(await ask({ ":path": "/a#b" })).toMatchObject({ status: 400 });
  expect(await ask({ ":method": "HEAD" })).toMatchObject({ status: 200, body: "" });
  session.destroy();
});

test("HTTP/2: a request that its client takes back is taken back from the endpoint", async () => {
  const closed = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const silent = await stand.backend("127.13.0.2", (request) => {
    reached.resolve();
    request.on("close", () => closed.resolve());
  });
  stand.service("silent", [silent]);
  const tls = [{ hosts: ["a.example.org", "s.example.org"], secretName: "s" }];
  stand.routes(
    ingress("web", { "a.example.org": [{ path: "/" }] }, { tls }),
    ingress("silent", { "s.example.org": [{ path: "/", service: "silent" }] }, { tls }),
  );
  const session = connectHttp2(stand.listeners.https, { servername: "a.example.org", rejectUnauthorized: false });
  const stream = session.request({ ":authority": "s.example.org", ":path": "/" });
  stream.on("error", () => {});
  await reached.promise;
  expect(stand.gateway.active).toBe(1);
  stream.close(8);
  await closed.promise;
  await expect.poll(() => stand.gateway.active).toBe(0);
  session.destroy();
});

test("HTTP/2: a head that it does not know is 502, and nothing else suffers", async () => {
  const address = await stand.tcpBackend("127.13.0.4", (socket) => {
    socket.once("data", () => socket.write('HTTP/1.1 200 OK\r\nETag: "a"\r\nETag: "b"\r\nContent-Length: 0\r\n\r\n'));
  });
  stand.service("odd", [address]);
  stand.routes(ingress("odd", { "o.example.org": [{ path: "/", service: "odd" }] }));
  const session = connectHttp2(stand.listeners.https, { servername: "o.example.org", rejectUnauthorized: false });
  for (let count = 0; count < 2; count += 1) {
    const stream = session.request({ ":authority": "o.example.org", ":path": "/" });
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    expect(headers[":status"]).toBe(502);
    stream.close();
  }
  session.destroy();
});

test("HTTP/2: streams that are taken back at once leave nothing behind", async () => {
  stand.routes(ingress("web", { "a.example.org": [{ path: "/" }] }));
  const session = connectHttp2(stand.listeners.https, { servername: "a.example.org", rejectUnauthorized: false });
  session.on("error", () => {});
  for (let count = 0; count < 200; count += 1) {
    const path = { ":authority": "a.example.org", ":path": "/" };
    const stream = session.request(count % 2 === 0 ? path : { ...path, host: "b.example.org" });
    stream.on("error", () => {});
    if (count % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    stream.close(8);
  }
  await expect.poll(() => stand.gateway.active).toBe(0);
  session.destroy();
  expect(await over1()).toEqual({ status: 200, name: "one.example.org" });
});

test("HTTP/2: a response that breaks off resets its stream, and the others go on", async () => {
  const broken = await stand.tcpBackend("127.13.0.3", (socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"));
  });
  stand.service("broken", [broken]);
  stand.routes(
    ingress("web", { "a.example.org": [{ path: "/" }] }, { tls: [{ hosts: ["a.example.org"], secretName: "s" }] }),
    ingress("broken", { "c.example.org": [{ path: "/", service: "broken" }] }),
  );
  const session = connectHttp2(stand.listeners.https, { servername: "a.example.org", rejectUnauthorized: false });
  const stream = session.request({ ":authority": "c.example.org", ":path": "/" });
  stream.resume();
  const [error] = (await once(stream, "error")) as [NodeJS.ErrnoException];
  expect(error.code).toBe("ERR_HTTP2_STREAM_ERROR");
  const other = session.request({ ":authority": "a.example.org", ":path": "/" });
  const [headers] = (await once(other, "response")) as [Record<string, unknown>];
  expect(headers[":status"]).toBe(200);
  session.destroy();
});

function over1(): Promise<{ status: number | undefined; name: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpsGet(
      stand.listeners.https,
      { servername: "a.example.org", headers: { host: "a.example.org" }, rejectUnauthorized: false, agent: false },
      (response) => {
        const name = String((response.socket as TLSSocket).getPeerCertificate().subject.CN);
        response.resume().on("end", () => resolve({ status: response.statusCode, name }));
      },
    );
    sent.on("error", reject);
  });
}

test("HTTP/1.1 over TLS, with the certificate as it is at the handshake", async () => {
  expect(await over1()).toEqual({ status: 200, name: "one.example.org" });
  stand.context = await certificate("two.example.org");
  expect(await over1()).toEqual({ status: 200, name: "two.example.org" });
});

test("a WebSocket over TLS", async () => {
  const { port } = new URL(stand.listeners.https);
  const socket = connectTls({
    port: Number(port),
    host: "127.0.0.1",
    servername: "a.example.org",
    rejectUnauthorized: false,
  });
  socket.write("GET /ws HTTP/1.1\r\nhost: a.example.org\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nping");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await expect.poll(() => text).toMatch(/^HTTP\/1\.1 101 [^]*ping$/);
  socket.destroy();
});

test("no certificate, no handshake", async () => {
  stand.context = undefined;
  await expect(over1()).rejects.toThrow(/handshake|SSL|ECONNRESET|alert|hang up|disconnected/);
});
