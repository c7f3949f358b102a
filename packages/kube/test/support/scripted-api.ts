/** A small API server over real sockets that does what a test tells it. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FakeClock } from "@fairlead/testkit";
import type { Clock } from "@fairlead/types";
import { ApiTransport, KubeClient } from "../../src/index.ts";
import type { Service } from "../../src/index.ts";

/** A request as it came. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

/** Answers a request: with what it returns as JSON (status 200), or by itself where it returns nothing. */
export type Handler = (request: Received, response: ServerResponse) => unknown;

/** A watch that is open, or was. */
export class OpenWatch {
  readonly request: Received;
  readonly #response: ServerResponse;
  closed = false;

  constructor(request: Received, response: ServerResponse) {
    this.request = request;
    this.#response = response;
    response.once("close", () => (this.closed = true));
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
  }

  send(type: string, object: object): void {
    this.raw(`${JSON.stringify({ type, object })}\n`);
  }

  raw(text: string | Buffer): void {
    this.#response.write(text);
  }

  end(): void {
    this.#response.end();
  }

  /** Cuts the connection. */
  cut(): void {
    this.#response.destroy();
  }
}

/** See the module. Lists of Services come from `lists`, the last one again and again; everything else from `handle`. */
export class ScriptedApi {
  readonly requests: Received[] = [];
  readonly watches: OpenWatch[] = [];
  /** Answers of the lists to come. */
  readonly lists: Handler[] = [];
  /** Answers of the watches to come; once it is empty they open and stay silent. */
  readonly refusals: Handler[] = [];
  handle: Handler = (_request, response) => fail(response, 404, "NotFound");
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port = 0): Promise<ScriptedApi> {
    const server = createServer();
    const api = new ScriptedApi(server);
    server.on("request", (incoming, response) => void api.#answer(incoming, response));
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return api;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  client(clock: Clock = new FakeClock(), server = this.url): KubeClient {
    return new KubeClient({ transport: new ApiTransport({ endpoint: { server, authorize: async () => {} }, clock }) });
  }

  /** The n-th watch from the end. */
  watch(back = 1): OpenWatch {
    const watch = this.watches.at(-back);
    if (watch === undefined) throw new Error("no watch is open yet");
    return watch;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    } catch {
      return;
    }
    const url = new URL(incoming.url ?? "/", "http://server");
    const text = Buffer.concat(chunks).toString();
    const request: Received = {
      method: incoming.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: text === "" ? undefined : JSON.parse(text),
    };
    this.requests.push(request);
    const handler = this.#handlerOf(request);
    if (handler === undefined) {
      this.watches.push(new OpenWatch(request, response));
      return;
    }
    const answer = handler(request, response);
    if (answer === undefined) return;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(answer));
  }

  #handlerOf(request: Received): Handler | undefined {
    if (request.method !== "GET" || request.path !== "/api/v1/services") return this.handle;
    if (request.query.get("watch") === "true") return this.refusals.shift();
    return this.lists.length > 1 ? this.lists.shift() : this.lists[0];
  }
}

/** Answers with a Status. */
export function fail(response: ServerResponse, code: number, reason: string, details?: object): undefined {
  response.writeHead(code, { "content-type": "application/json" });
  const message = `it is ${reason}`;
  response.end(JSON.stringify({ kind: "Status", status: "Failure", code, reason, message, details }));
  return undefined;
}

/** A list of Services at a resourceVersion. */
export function listOf(resourceVersion: string, ...items: Service[]): Handler {
  return () => ({ kind: "ServiceList", metadata: { resourceVersion }, items });
}

/** A Service with what informers look at. */
export function service(name: string, resourceVersion: string, uid = `uid-${name}`): Service {
  return { metadata: { namespace: "default", name, uid, resourceVersion } };
}
