/**
 * The HTTP ports that tell how dns is, under CoreDNS' paths as well as ours: `/health`, `/healthz` and `/livez` are 200 while it answers
 * at all, `/ready` and `/readyz` by the checks, `/metrics` is the Prometheus text format.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { splitHostPort } from "@fairlead/host";
import type { HealthCheck, Logger, Metrics, Startable } from "@fairlead/host";

/** Connections at once; more are closed unanswered. */
const MAX_CONNECTIONS = 64;

/** Size of a request's headers, in bytes. */
const MAX_HEADER_BYTES = 8_192;

/** Time for a request to arrive whole, in ms. */
const REQUEST_TIMEOUT_MS = 5_000;

/** What a port needs. */
export interface HealthPortOptions {
  /** `host:port` to listen on; port 0 takes a free one. */
  readonly address: string;
  readonly metrics: Metrics;
  /** What must be fine for dns to be asked; by name. */
  readonly ready: ReadonlyMap<string, HealthCheck>;
  readonly log: Logger;
}

/** See the module. Answers GET and HEAD. */
export class HealthPort implements Startable {
  readonly name = "health port";
  readonly #options: HealthPortOptions;
  #server: Server | undefined;
  #url: string | undefined;

  constructor(options: HealthPortOptions) {
    this.#options = options;
  }

  /** `http://host:port` as bound; throws before the start. */
  get url(): string {
    if (this.#url === undefined) throw new Error("the health port has not started");
    return this.#url;
  }

  async start(): Promise<void> {
    const { address, log } = this.#options;
    const { host, port } = splitHostPort(address, "healthAddress");
    const limits = {
      maxHeaderSize: MAX_HEADER_BYTES,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    };
    const server = createServer(limits, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        log.error("a health request failed", { error });
        if (response.headersSent) response.destroy();
        else send(response, 500, "internal error");
      });
    });
    server.maxConnections = MAX_CONNECTIONS;
    server.listen(port, host);
    await once(server, "listening");
    this.#server = server;
    const bound = server.address() as AddressInfo;
    this.#url = `http://${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.setHeader("allow", "GET, HEAD");
      return send(response, 405, "only GET and HEAD");
    }
    const [path = "/"] = (request.url ?? "/").split("?", 1);
    switch (path) {
      case "/health":
        return send(response, 200, "OK");
      case "/healthz":
      case "/livez":
        return send(response, 200, "ok");
      case "/ready": {
        // CoreDNS' form: the names alone.
        const failed = [...this.#failed().keys()];
        return failed.length === 0 ? send(response, 200, "OK") : send(response, 503, failed.join(","));
      }
      case "/readyz": {
        const failed = [...this.#failed()].map(([name, reason]) => `${name}: ${reason}`);
        return failed.length === 0 ? send(response, 200, "ok") : send(response, 503, failed.join("\n"));
      }
      case "/metrics": {
        const { metrics } = this.#options;
        return send(response, 200, await metrics.text(), metrics.registry.contentType);
      }
      default:
        return send(response, 404, "not found: try /health, /ready or /metrics");
    }
  }

  #failed(): ReadonlyMap<string, string> {
    const failed = new Map<string, string>();
    for (const [name, check] of this.#options.ready) {
      const reason = check();
      if (reason !== undefined) failed.set(name, reason);
    }
    return failed;
  }
}

function send(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  // Node leaves the body out of the answer to HEAD by itself.
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body), connection: "close" });
  response.end(body);
}
