import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect as connectHttp2 } from "node:http2";
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
