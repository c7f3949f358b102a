/** The HTTP port that tells how a service is: `/healthz`, `/livez`, `/readyz` and `/metrics`. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { splitHostPort } from "./config/host-port.ts";
import type { Startable } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

/** Connections at once; more are closed unanswered. */
const MAX_CONNECTIONS = 64;

/** Size of a request's headers, in bytes. */
const MAX_HEADER_BYTES = 8_192;

/** Time for a request to arrive whole, in ms. */
const REQUEST_TIMEOUT_MS = 5_000;

/** Says why something is not fine; undefined means that it is. A check that throws is not fine. It must not block. */
export type HealthCheck = () => string | undefined;

/** What a page answers: its status and its text, which is plain unless a header says otherwise. */
export interface HealthPage {
  readonly status: number;
  readonly text: string;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Answers GET and HEAD: `/healthz` and `/livez` by the live checks, `/readyz` by the ready checks, each 200 `ok` or 503 with one
 * line for each reason; with `?verbose` one line for each check. `/metrics` is the Prometheus text format. A page of the service's
 * own takes the place of one of these.
 */
export interface HealthServer extends Startable {
  /** `http://HOST:PORT` as bound; throws before start. */
  readonly url: string;
  /** Adds a check: the service should get traffic. */
  ready(name: string, check: HealthCheck): void;
  /** Adds a check: the service should not be restarted. */
  live(name: string, check: HealthCheck): void;
  /** Adds a page that the users of a service know from elsewhere; it gets the ready checks that fail, with their reasons. */
  page(path: string, answer: (failed: ReadonlyMap<string, string>) => HealthPage): void;
}

/** What the health server needs. */
export interface HealthServerOptions {
  /** `host:port` to listen on; port 0 takes a free one. */
  readonly address: string;
  /** Without them `/metrics` is not found: who asks for health from outside need not see them. */
  readonly metrics?: Metrics;
  readonly log: Logger;
}

/** Makes the server; it listens from `start()` on. */
export function createHealthServer(options: HealthServerOptions): HealthServer {
  return new HttpHealthServer(options);
}

class HttpHealthServer implements HealthServer {
  readonly name = "health server";
  readonly #options: HealthServerOptions;
  readonly #ready = new Map<string, HealthCheck>();
  readonly #live = new Map<string, HealthCheck>();
  readonly #pages = new Map<string, Parameters<HealthServer["page"]>[1]>();
  #server: Server | undefined;
  #url: string | undefined;

  constructor(options: HealthServerOptions) {
    this.#options = options;
  }

  get url(): string {
    if (this.#url === undefined) throw new Error("the health server has not started");
    return this.#url;
  }

  ready(name: string, check: HealthCheck): void {
    this.#ready.set(name, check);
  }

  live(name: string, check: HealthCheck): void {
    this.#live.set(name, check);
  }

  page(path: string, answer: (failed: ReadonlyMap<string, string>) => HealthPage): void {
    this.#pages.set(path, answer);
  }

  async start(): Promise<void> {
    const { host, port } = splitHostPort(this.#options.address, "healthAddress");
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        requestTimeout: REQUEST_TIMEOUT_MS,
        headersTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
      },
      (request, response) => {
        this.#answer(request, response).catch((error: unknown) => {
          this.#options.log.error("a health request failed", { error });
          if (response.headersSent) response.destroy();
          else send(response, 500, "internal error");
        });
      },
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.listen(port, host);
    await once(server, "listening");
    this.#server = server;
    const bound = server.address() as AddressInfo;
    this.#url = `http://${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
    this.#options.log.debug("health server listens", { url: this.#url });
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
    const [path, query = ""] = (request.url ?? "/").split("?", 2) as [string, string?];
    const verbose = query.split("&").some((part) => part === "verbose" || part.startsWith("verbose="));
    const page = this.#pages.get(path);
    if (page !== undefined) return sendPage(response, page(failedOf(this.#ready)));
    switch (path) {
      case "/healthz":
      case "/livez":
        return report(response, this.#live, verbose);
      case "/readyz":
        return report(response, this.#ready, verbose);
      case "/metrics": {
        const { metrics } = this.#options;
        if (metrics === undefined) return sendPage(response, notFound);
        const text = await metrics.text();
        return send(response, 200, text, { "content-type": metrics.registry.contentType });
      }
      default:
        return sendPage(response, notFound);
    }
  }
}

const notFound: HealthPage = { status: 404, text: "not found: try /healthz, /livez, /readyz or /metrics" };

const plain: Readonly<Record<string, string>> = { "content-type": "text/plain; charset=utf-8" };

function failedOf(checks: ReadonlyMap<string, HealthCheck>): ReadonlyMap<string, string> {
  const failed = new Map<string, string>();
  for (const [name, check] of checks) {
    const reason = ask(check);
    if (reason !== undefined) failed.set(name, reason);
  }
  return failed;
}

function report(response: ServerResponse, checks: ReadonlyMap<string, HealthCheck>, verbose: boolean): void {
  const failed = failedOf(checks);
  const status = failed.size === 0 ? 200 : 503;
  if (verbose) {
    const lines = [...checks.keys()].map((name) =>
      failed.has(name) ? `[-] ${name}: ${failed.get(name)}` : `[+] ${name}: ok`,
    );
    return send(response, status, lines.join("\n"));
  }
  const reasons = [...failed].map(([name, reason]) => `${name}: ${reason}`);
  send(response, status, status === 200 ? "ok" : reasons.join("\n"));
}

function ask(check: HealthCheck): string | undefined {
  try {
    return check();
  } catch (error) {
    return `the check failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function sendPage(response: ServerResponse, { status, text, headers }: HealthPage): void {
  send(response, status, text, headers);
}

function send(response: ServerResponse, status: number, body: string, headers: HealthPage["headers"] = {}): void {
  const length = String(Buffer.byteLength(body));
  // Node leaves the body out of the answer to HEAD by itself.
  response.writeHead(status, { ...plain, ...headers, "content-length": length, connection: "close" });
  response.end(body);
}
