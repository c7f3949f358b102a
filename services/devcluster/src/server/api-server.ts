/** The HTTPS port: who may come in, how long anything may take, and what an error looks like. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Logger, Startable } from "@fairlead/host";
import { CodedError } from "@fairlead/types";
import { ApiError } from "../api/errors.ts";
import type { Certificates } from "./certificates.ts";
import type { AnsweredRequest } from "./cluster-metrics.ts";
import { Exchange } from "./exchange.ts";
import type { ServerParts } from "./parts.ts";
import { isPublic, Router } from "./router.ts";

/** Connections at once; more are not accepted. Above the watches that are served, with room for requests. */
export const maxConnections = 2048;

/** Time for the head of a request to arrive, in ms. */
export const headTimeoutMs = 10_000;

/** Time for a whole request to arrive, in ms; answers, such as watches, may take longer. */
export const requestTimeoutMs = 60_000;

/** How long an idle connection is kept, in ms. */
export const idleTimeoutMs = 90_000;

/** Time that open answers get to end when the server stops, in ms. */
const stopGraceMs = 500;

/** Thrown when the port cannot be had. */
export class PortInUseError extends CodedError {
  readonly code = "API_PORT_IN_USE";

  constructor(address: string, port: number, options?: ErrorOptions) {
    super(`${address}:${port} is in use: choose another port with --api-port (0 takes a free one)`, options);
    this.name = "PortInUseError";
  }
}

/** What the server needs. */
export interface ApiServerOptions {
  /** One or more; the port is the same at all of them. */
  readonly addresses: readonly string[];
  /** 0 takes a free port. */
  readonly port: number;
  /** Asked for once, at start. */
  readonly credentials: () => Certificates;
  readonly parts: ServerParts;
  /** Told of every answer, when it is over. */
  readonly observe: (answer: AnsweredRequest) => void;
  readonly log: Logger;
}

/** See the module. A client proves who it is by a certificate of the cluster's own authority; nobody else gets in. */
export class ApiServer implements Startable {
  readonly name = "API server";
  readonly #options: ApiServerOptions;
  readonly #router: Router;
  #servers: Server[] | undefined;
  #port = 0;
  #serving = false;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#router = new Router(options.parts);
  }

  /** The port as bound; 0 before start. */
  get port(): number {
    return this.#port;
  }

  /** Whether requests are let in. */
  get serving(): boolean {
    return this.#serving;
  }

  /** Lets requests in; until then each is answered with 503. */
  open(): void {
    this.#serving = true;
  }

  /** Takes the port; throws {@link PortInUseError}. Requests are served from {@link open} on. */
  async start(): Promise<void> {
    const servers: Server[] = [];
    let { port } = this.#options;
    try {
      for (const address of this.#options.addresses) {
        const server = this.#makeServer(servers);
        servers.push(server);
        port = await listen(server, address, port);
      }
    } catch (error) {
      for (const server of servers) server.close();
      throw error;
    }
    this.#servers = servers;
    this.#port = port;
  }

  /** Ends the watches in good order, then everything else. */
  async stop(): Promise<void> {
    const servers = this.#servers;
    if (!servers) return;
    this.#servers = undefined;
    this.#serving = false;
    const closed = servers.map((server) => once(server, "close"));
    for (const server of servers) server.close();
    this.#router.end();
    for (const server of servers) server.closeIdleConnections();
    const cancel = this.#options.parts.clock.setTimer(stopGraceMs, () => {
      for (const server of servers) server.closeAllConnections();
    });
    await Promise.all(closed);
    cancel();
  }

  #makeServer(all: readonly Server[]): Server {
    const { ca, server: own } = this.#options.credentials();
    const server = createServer(
      {
        ca,
        cert: own.certificate,
        key: own.key,
        requestCert: true,
        // Refused below, where the answer can say why.
        rejectUnauthorized: false,
        minVersion: "TLSv1.2",
        headersTimeout: headTimeoutMs,
        requestTimeout: requestTimeoutMs,
        keepAliveTimeout: idleTimeoutMs,
      },
      (request, response) => {
        response.once("close", () => this.#closeIdle(all));
        void this.#serve(request, response);
      },
    );
    server.maxConnections = maxConnections;
    server.on("tlsClientError", (error) => this.#options.log.debug("a TLS handshake failed", { error: error.message }));
    return server;
  }

  // After close(), a connection whose last answer ends would stay as long as an idle one may.
  #closeIdle(servers: readonly Server[]): void {
    if (this.#servers) return;
    setImmediate(() => {
      for (const server of servers) server.closeIdleConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = new Exchange(request, response);
    const { parts, observe } = this.#options;
    const began = parts.clock.monotonic();
    response.once("close", () => {
      const durationMs = parts.clock.monotonic() - began;
      const watch = exchange.flag("watch") || exchange.flag("follow");
      observe({ method: exchange.method, code: response.statusCode, durationMs, watch });
    });
    response.on("error", (error) => this.#options.log.debug("an answer was cut", { error: error.message }));
    try {
      if (!isPublic(exchange.path)) authenticate(request);
      if (!this.#serving) throw new ApiError(503, "ServiceUnavailable", "the dev cluster is starting or stopping");
      await this.#router.answer(exchange);
    } catch (error) {
      if (response.destroyed) return;
      exchange.fail(error instanceof ApiError ? error : this.#unexpected(exchange, error));
    }
  }

  #unexpected({ method, path }: Exchange, error: unknown): ApiError {
    this.#options.log.error("a request failed unexpectedly", { method, path, error });
    const message = error instanceof Error ? error.message : String(error);
    return new ApiError(500, "InternalError", `Internal error occurred: ${message}`);
  }
}

async function listen(server: Server, address: string, port: number): Promise<number> {
  server.listen(port, address);
  try {
    await once(server, "listening");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EADDRINUSE") throw new PortInUseError(address, port, { cause });
    throw cause;
  }
  return (server.address() as AddressInfo).port;
}

function authenticate(request: IncomingMessage): void {
  const socket = request.socket as TLSSocket;
  if (socket.authorized) return;
  throw new ApiError(
    401,
    "Unauthorized",
    "Unauthorized: this API wants the client certificate that stands in the kubeconfig of its state directory",
  );
}
