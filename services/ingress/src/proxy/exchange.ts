/**
 * One request and its response. The client's body is not read before an endpoint has accepted a connection, so a connect that fails is
 * made again elsewhere whatever the method; after that only a request without a body, and of an idempotent method, is repeated.
 */
import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Clock } from "@fairlead/types";
import type { RetryCondition } from "../annotations/policy.ts";
import { answer, writeHead } from "./answers.ts";
import { sessionCookie } from "./cookies.ts";
import { corsHeaders } from "./cross-origin-headers.ts";
import type { Proceed } from "./decision.ts";
import { EndpointChoice } from "./endpoint-choice.ts";
import { field, isHttp2 } from "./message.ts";
import type { ProxyRequest, ProxyResponse, RequestHead } from "./message.ts";
import { addOrigin, endToEnd, safeTrailers } from "./request-headers.ts";
import type { ProxySettings } from "./settings.ts";
import type { Upstream, UpstreamEndpoint } from "./upstreams.ts";

/** Endpoints that one request tries at most, whatever an annotation says. */
export const MAX_TRIES = 10;

const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);

/** What an exchange works with. */
export interface ExchangeOptions {
  readonly request: ProxyRequest;
  readonly response: ProxyResponse;
  readonly head: RequestHead;
  readonly decision: Proceed;
  readonly upstream: Upstream;
  readonly settings: ProxySettings;
  readonly clock: Clock;
  /** Whether the client should use the connection again. */
  readonly keepAlive: boolean;
  /** An `Expect: 100-continue` waits for its answer. */
  readonly expectsContinue: boolean;
}

/** See the module. */
export class Exchange {
  readonly #options: ExchangeOptions;
  readonly #choice: EndpointChoice;
  readonly #headers: string[];
  readonly #begun: number;
  #current: ClientRequest | undefined;
  #bodyStarted = false;
  #bodyDone = false;
  #over = false;
  #received = 0;
  #stale = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { request, head, decision, upstream, clock } = options;
    const { policy } = decision.match.route;
    this.#choice = new EndpointChoice({
      upstream,
      affinity: policy.affinity,
      client: head.origin.client,
      destination: head.host,
      cookies: field(request, "cookie"),
    });
    this.#begun = policy.retry.timeoutMs > 0 ? clock.monotonic() : 0;
    this.#headers = endToEnd(request.rawHeaders, field(request, "connection"), { request: true });
    addOrigin(this.#headers, head.origin, policy.upstreamHost ?? head.origin.authority);
    if (head.hasBody && head.contentLength === undefined) this.#headers.push("transfer-encoding", "chunked");
    if (field(request, "te")?.toLowerCase().includes("trailers") === true) this.#headers.push("te", "trailers");
  }

  /** Begins; the response tells the rest. */
  run(): void {
    this.#options.response.on("close", () => {
      this.#over = true;
      this.#current?.destroy();
    });
    this.#try(503);
  }

  /** Sends to the next endpoint; `failure` is the answer where there is none left. */
  #try(failure: number): void {
    const { decision, settings, head, clock } = this.#options;
    const { policy } = decision.match.route;
    const endpoint = this.#choice.next();
    if (endpoint === undefined) return this.#fail(failure);
    const protocol = policy.protocol;
    let sent: ClientRequest;
    try {
      sent = (protocol === "HTTPS" ? httpsRequest : httpRequest)({
        agent: endpoint.agent(protocol),
        host: endpoint.address,
        port: endpoint.port,
        method: head.method,
        path: decision.target,
        headers: this.#headers,
        setHost: false,
        timeout: policy.readTimeoutMs ?? settings.readTimeoutMs,
        ...(protocol === "HTTPS" ? { servername: "" } : {}),
      });
    } catch {
      // Node refuses a target or field that it would not send: the client's doing.
      return this.#fail(400);
    }
    this.#current = sent;
    endpoint.active += 1;
    let connected = false;
    let settled = false;
    const cancelConnect = clock.setTimer(policy.connectTimeoutMs ?? settings.connectTimeoutMs, () => {
      sent.destroy(new Error("the endpoint did not accept in time"));
      failed("timeout", 504);
    });
    const done = (): void => {
      cancelConnect();
      if (settled) return;
      settled = true;
      endpoint.active -= 1;
    };
    const failed = (condition: RetryCondition, status: number): void => {
      if (settled) return;
      done();
      if (this.#over) return;
      if (!this.#mayRetry(condition, connected)) return this.#fail(status);
      this.#try(status);
    };
    const ready = (): void => {
      connected = true;
      cancelConnect();
      this.#sendBody(sent);
    };
    sent.on("socket", (socket) => {
      if (!socket.connecting) ready();
      else socket.once(protocol === "HTTPS" ? "secureConnect" : "connect", ready);
    });
    sent.on("error", () => {
      // A kept connection that the endpoint closed as we used it says nothing of the endpoint: a fresh one may do.
      if (sent.reusedSocket && !this.#bodyStarted && !settled && this.#stale < MAX_TRIES) {
        this.#stale += 1;
        this.#choice.forgive(endpoint);
      }
      failed("error", 502);
    });
    sent.on("timeout", () => {
      sent.destroy();
      // The silence may be the client's: it has not sent its body to the end.
      if (connected && !this.#bodyDone) failed("timeout", 408);
      else failed("timeout", 504);
    });
    sent.on("close", done);
    sent.on("response", (received) => {
      const condition = `http_${received.statusCode}` as RetryCondition;
      if (policy.retry.on.has(condition) && this.#mayRetry(condition, true) && this.#mayTryAnother()) {
        received.resume();
        done();
        return this.#try(received.statusCode ?? 502);
      }
      this.#receive(received, sent, endpoint);
    });
    sent.on("upgrade", (_, socket) => {
      socket.destroy();
      failed("error", 502);
    });
  }

  #mayTryAnother(): boolean {
    return this.#choice.tries < this.#options.upstream.endpoints.length;
  }

  #mayRetry(condition: RetryCondition, connected: boolean): boolean {
    const { decision, head, clock, response } = this.#options;
    const { retry } = decision.match.route.policy;
    if (response.headersSent || !retry.on.has(condition)) return false;
    if (this.#choice.tries >= (retry.tries === 0 ? MAX_TRIES : Math.min(retry.tries, MAX_TRIES))) return false;
    if (retry.timeoutMs > 0 && clock.monotonic() - this.#begun > retry.timeoutMs) return false;
    if (!connected) return true;
    return !this.#bodyStarted && (idempotent.has(head.method) || retry.on.has("non_idempotent"));
  }

  #sendBody(sent: ClientRequest): void {
    const { request, response, head, decision, settings, expectsContinue } = this.#options;
    if (!head.hasBody) {
      this.#bodyDone = true;
      sent.end();
      return;
    }
    if (expectsContinue && !this.#bodyStarted) response.writeContinue();
    this.#bodyStarted = true;
    const { policy } = decision.match.route;
    sent.setTimeout(policy.sendTimeoutMs ?? settings.sendTimeoutMs);
    const limit = decision.maxBodyBytes;
    if (limit > 0 && head.contentLength === undefined) {
      request.on("data", (chunk: Buffer) => {
        this.#received += chunk.length;
        if (this.#received <= limit) return;
        request.unpipe(sent);
        sent.destroy();
        this.#fail(413);
      });
    }
    request.on("end", () => {
      this.#bodyDone = true;
      if (sent.destroyed) return;
      sent.setTimeout(policy.readTimeoutMs ?? settings.readTimeoutMs);
      const trailers = safeTrailers(request.rawTrailers);
      if (trailers.length > 0 && head.contentLength === undefined) sent.addTrailers(trailers);
      sent.end();
    });
    request.pipe(sent, { end: false });
  }

  #receive(received: IncomingMessage, sent: ClientRequest, endpoint: UpstreamEndpoint): void {
    const { request, response, keepAlive } = this.#options;
    if (this.#over) return void received.destroy();
    const headers = endToEnd(received.rawHeaders, received.headers.connection, { request: false });
    this.#addOwn(headers, endpoint);
    const status = received.statusCode ?? 502;
    const known = received.headers["content-length"] !== undefined;
    const bodyless = request.method === "HEAD" || status === 204 || status === 304;
    if (!isHttp2(request)) {
      if (!keepAlive) headers.push("connection", "close");
      // HTTP/1.0 ends a body of unknown length with the connection.
      if (!known && !bodyless && request.httpVersionMinor === 1) headers.push("transfer-encoding", "chunked");
    }
    try {
      writeHead(request, response, status, headers, received.statusMessage);
    } catch {
      // A head that we would not send on: what the endpoint said is no HTTP.
      sent.destroy();
      return this.#fail(502);
    }
    received.on("end", () => {
      const trailers = safeTrailers(received.rawTrailers);
      if (trailers.length > 0 && !bodyless) response.addTrailers(Object.fromEntries(trailers));
      response.end();
    });
    // A response that breaks off must not look complete: the client's connection breaks off as well.
    received.on("error", () => this.#cut());
    received.on("aborted", () => this.#cut());
    received.pipe(response, { end: false });
  }

  #addOwn(headers: string[], endpoint: UpstreamEndpoint): void {
    const { request, decision, head, clock } = this.#options;
    const { route } = decision.match;
    const { affinity, cors } = route.policy;
    if (cors !== undefined) {
      for (let at = headers.length - 2; at >= 0; at -= 2) {
        if (headers[at]?.toLowerCase().startsWith("access-control-") === true) headers.splice(at, 2);
      }
      headers.push(...corsHeaders(cors, field(request, "origin"), false));
    }
    if (affinity === undefined || this.#choice.newCookie === undefined) return;
    const value = affinity.mode === "persistent" ? endpoint.id : this.#choice.newCookie;
    const cookie = sessionCookie(affinity, {
      value,
      path: route.pattern === undefined ? route.path : "/",
      https: head.origin.scheme === "https",
      userAgent: field(request, "user-agent"),
      now: clock.now(),
    });
    headers.push("set-cookie", cookie);
  }

  #fail(status: number): void {
    const { request, response } = this.#options;
    if (response.headersSent) return this.#cut();
    // A body that nobody reads would be taken for the next request.
    const close = this.#options.head.hasBody && !this.#bodyDone;
    answer(request, response, status, close ? ["connection", "close"] : []);
  }

  #cut(): void {
    const { request, response } = this.#options;
    if (response.writableEnded) return;
    if (isHttp2(request)) request.stream.close(2);
    else response.destroy();
  }
}
