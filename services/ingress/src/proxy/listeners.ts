/** The two doors: http, and https with HTTP/2 for those who ask for it. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { SecureContext } from "node:tls";
import { splitHostPort } from "@fairlead/host";
import type { Logger, Startable } from "@fairlead/host";
import type { Clock } from "@fairlead/types";
import type { Peer } from "./client-stream.ts";
import type { Gateway } from "./gateway.ts";
import { HttpDate } from "./http-date.ts";
import { HEAD_TIMEOUT_MS, Http1Client } from "./http1-client.ts";
import { Http2Session } from "./http2-session.ts";
import { plainAddress } from "./message.ts";

/** Open connections of clients, for each door. */
export const MAX_CLIENT_CONNECTIONS = 16_384;
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

/** A connection of either version of HTTP. */
interface ClientConnection {
  readonly quiet: boolean;
  drain(): void;
}

/** See the module. */
export class Listeners implements Startable {
  readonly name = "listeners";
  readonly #options: ListenersOptions;
  readonly #date: HttpDate;
  readonly #connections = new Set<ClientConnection>();
  /** All sockets that the doors accepted; of https also those that still shake hands. */
  readonly #sockets = new Set<Socket>();
  #http: Server | undefined;
  #https: Server | undefined;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#date = new HttpDate({ clock: options.clock });
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
    const { httpAddress, httpsAddress, log, certificate } = this.#options;
    const http = createServer({ allowHalfOpen: true, noDelay: true });
    const https = createTlsServer({
      ALPNProtocols: ["h2", "http/1.1"],
      minVersion: "TLSv1.2",
      handshakeTimeout: HEAD_TIMEOUT_MS,
      allowHalfOpen: true,
      noDelay: true,
      SNICallback: (name, done) => done(null, certificate(name.toLowerCase())),
    });
    http.on("connection", (socket: Socket) => this.#serve(socket, false));
    https.on("secureConnection", (socket) => {
      if (socket.alpnProtocol === "h2") this.#serveHttp2(socket);
      else this.#serve(socket, true);
    });
    https.on("tlsClientError", (_, socket) => socket.destroy());
    for (const server of [http, https]) {
      server.maxConnections = MAX_CLIENT_CONNECTIONS;
      server.on("connection", (socket: Socket) => {
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
      });
      server.on("error", (error) => log.error("a listener failed", { error }));
    }
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
    for (const connection of this.#connections) connection.drain();
    const deadline = clock.monotonic() + drainMs;
    while (!this.#quiet && clock.monotonic() < deadline) {
      await new Promise<void>((resolve) => void clock.setTimer(drainCheckMs, resolve));
    }
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
  }

  get #quiet(): boolean {
    for (const connection of this.#connections) if (!connection.quiet) return false;
    return true;
  }

  #serve(socket: Socket, secure: boolean): void {
    const { gateway } = this.#options;
    const onClose = (connection: ClientConnection): void => void this.#connections.delete(connection);
    const { deadlines } = gateway;
    const peer = peerOf(socket, secure);
    this.#connections.add(new Http1Client({ socket, peer, handler: gateway, deadlines, date: this.#date, onClose }));
  }

  #serveHttp2(socket: Socket): void {
    const { gateway } = this.#options;
    const onClose = (connection: ClientConnection): void => void this.#connections.delete(connection);
    const { deadlines } = gateway;
    const peer = peerOf(socket, true);
    this.#connections.add(new Http2Session({ socket, peer, handler: gateway, deadlines, onClose }));
  }
}

function peerOf(socket: Socket, secure: boolean): Peer {
  const memo = { authority: "", text: undefined };
  return { address: plainAddress(socket.remoteAddress ?? ""), localPort: socket.localPort ?? 0, secure, memo };
}

async function listen(server: Server, address: string, field: string): Promise<void> {
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
