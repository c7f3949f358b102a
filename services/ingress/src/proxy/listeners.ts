/** The two doors: http, and https with HTTP/2 for those who ask for it. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createSecureServer } from "node:http2";
import type { Http2SecureServer, ServerHttp2Session } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { SecureContext } from "node:tls";
import { splitHostPort } from "@fairlead/host";
import type { Logger, Startable } from "@fairlead/host";
import type { Clock } from "@fairlead/types";
import type { Gateway } from "./gateway.ts";
import type { ProxyRequest, ProxyResponse } from "./message.ts";

/** Longest head of a request, in bytes: nginx's four buffers of 8 KiB. */
export const MAX_HEAD_BYTES = 32 * 1024;
/** Fields in one head. */
export const MAX_FIELDS = 200;
/** Time for a client to send its head, in milliseconds. */
export const HEAD_TIMEOUT_MS = 20_000;
/** Time that an idle connection of a client is kept, in milliseconds. */
export const CLIENT_IDLE_MS = 75_000;
/** Requests on one connection of a client. */
export const MAX_REQUESTS_PER_CONNECTION = 10_000;
/** Open connections of clients, for each door. */
export const MAX_CLIENT_CONNECTIONS = 16_384;
/** Requests at once on one HTTP/2 connection. */
export const MAX_STREAMS = 128;
/** How often a draining door looks whether it may close, in milliseconds. */
const drainCheckMs = 20;

/** What the doors need. */
export interface ListenersOptions {
  readonly httpAddress: string;
  readonly httpsAddress: string;
  readonly gateway: Gateway;
  /** The certificate for a name of a client's greeting; undefined ends the handshake. */
  readonly certificate: (servername: string) => SecureContext | undefined;
  /** Time for requests under way at the end, in milliseconds. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** See the module. */
export class Listeners implements Startable {
  readonly name = "listeners";
  readonly #options: ListenersOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Upgraded ones: no request of theirs ends by itself. */
  readonly #sockets = new Set<Duplex>();
  readonly #connections = new Set<Socket>();
  #http: Server | undefined;
  #https: Http2SecureServer | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
  }

  /** `http://host:port` as bound; throws before the start. */
  get http(): string {
    return urlOf("http", this.#http?.address());
  }

  get https(): string {
    return urlOf("https", this.#https?.address());
  }

  get httpsPort(): number {
    return (this.#https?.address() as AddressInfo | null | undefined)?.port ?? 443;
  }

  async start(): Promise<void> {
    const { gateway, httpAddress, httpsAddress, log, certificate } = this.#options;
    const strict = {
      insecureHTTPParser: false,
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: 0,
      keepAliveTimeout: CLIENT_IDLE_MS,
      shouldUpgradeCallback: (request: IncomingMessage) => request.headers.upgrade?.toLowerCase() === "websocket",
    };
    const http = createServer(strict);
    const https = createSecureServer({
      ...strict,
      allowHTTP1: true,
      minVersion: "TLSv1.2",
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEAD_BYTES },
      SNICallback: (name, done) => done(null, certificate(name.toLowerCase())),
    });
    for (const server of [http, https]) {
      const requests = server as unknown as Server;
      requests.maxHeadersCount = MAX_FIELDS;
      requests.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
      requests.keepAliveTimeout = CLIENT_IDLE_MS;
      server.maxConnections = MAX_CLIENT_CONNECTIONS;
      const serve = (request: ProxyRequest, response: ProxyResponse): void => gateway.handle(request, response);
      const serveExpecting = (request: ProxyRequest, response: ProxyResponse): void => {
        gateway.handle(request, response, true);
      };
      server.on("request", serve);
      server.on("checkContinue", serveExpecting);
      // Any other expectation is one that we do not meet (RFC 9110, 10.1.1).
      requests.on("checkExpectation", (_: IncomingMessage, response: ServerResponse) => {
        response.writeHead(417, { connection: "close", "content-length": 0 }).end();
      });
      requests.on("upgrade", (request: IncomingMessage, socket: Duplex, early: Buffer) => {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
        gateway.upgrade(request, socket, early);
      });
      requests.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket));
      requests.on("connection", (socket: Socket) => {
        this.#connections.add(socket);
        socket.once("close", () => this.#connections.delete(socket));
      });
      server.on("error", (error) => log.error("a listener failed", { error }));
    }
    https.on("session", (session) => {
      this.#sessions.add(session);
      session.once("close", () => this.#sessions.delete(session));
      session.on("error", () => session.destroy());
    });
    https.on("tlsClientError", (_, socket) => socket.destroy());
    await listen(http, httpAddress, "httpAddress");
    this.#http = http;
    await listen(https, httpsAddress, "httpsAddress");
    this.#https = https;
    log.info("ingress listens", { http: this.http, https: this.https });
  }

  /** Takes no new connection, lets requests under way finish, then closes. */
  async stop(): Promise<void> {
    const { gateway, clock, drainMs } = this.#options;
    const servers = [this.#http, this.#https].filter((server) => server !== undefined);
    gateway.draining = true;
    const closed = servers.map((server) => (server.listening ? once(server, "close") : Promise.resolve([])));
    for (const server of servers) server.close();
    this.#http?.closeIdleConnections();
    for (const session of this.#sessions) session.close();
    const deadline = clock.monotonic() + drainMs;
    while (gateway.active > this.#sockets.size && clock.monotonic() < deadline) {
      await new Promise<void>((resolve) => void clock.setTimer(drainCheckMs, resolve));
    }
    for (const socket of this.#sockets) socket.destroy();
    for (const session of this.#sessions) session.destroy();
    for (const connection of this.#connections) connection.destroy();
    await Promise.all(closed);
  }
}

/** Says what was wrong where the client may still hear it; the connection is of no more use. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const status =
    error.code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? "408 Request Timeout"
        : "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  // Half-closed is not closed: a client that sends on for ever would hold it.
  socket.destroySoon();
}

async function listen(server: Server | Http2SecureServer, address: string, field: string): Promise<void> {
  const { host, port } = splitHostPort(address, field);
  server.listen(port, host);
  await once(server, "listening");
}

function urlOf(scheme: string, address: AddressInfo | string | null | undefined): string {
  if (address === null || address === undefined || typeof address === "string") {
    throw new Error("the ingress has not started");
  }
  const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
  return `${scheme}://${host}:${address.port}`;
}
