/**
 * One request and its response. The client's body is not read before an endpoint has accepted a connection, so a connect that fails is
 * made again elsewhere whatever the method; after that only a request without a body, and of an idempotent method, is repeated.
 */
import type { Socket } from "node:net";
import type { Clock } from "@fairlead/types";
import type { RetryCondition } from "../annotations/policy.ts";
import type { Fields } from "../http1/fields.ts";
import { isBodyless } from "../http1/response-head.ts";
import type { ResponseHead } from "../http1/response-head.ts";
import { addOwn, answer } from "./answers.ts";
import type { ClientStream, StreamOwner } from "./client-stream.ts";
import { sessionCookie } from "./cookies.ts";
import { corsHeaders } from "./cross-origin-headers.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Proceed } from "./decision.ts";
import { EndpointChoice } from "./endpoint-choice.ts";
import { EndpointConnection } from "./endpoint-connection.ts";
import type { EndpointFailure, EndpointUser } from "./endpoint-connection.ts";
import type { Claim } from "./endpoint-pool.ts";
import type { RequestFacts } from "./message.ts";
import { RequestBody } from "./request-body.ts";
import { keepEndToEnd, keepSafeTrailers, requestHeadText } from "./request-headers.ts";
import type { ProxySettings } from "./settings.ts";
import { joinTunnel } from "./tunnel.ts";
import type { Upstream, UpstreamEndpoint } from "./upstreams.ts";

/** Endpoints that one request tries at most, whatever an annotation says. */
export const MAX_TRIES = 10;

const idempotent = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]);
const statusConditions: ReadonlyMap<number, RetryCondition> = new Map(
  ([500, 502, 503, 504, 403, 404, 429] as const).map((status) => [status, `http_${status}`]),
);

/** What an exchange works with. */
export interface ExchangeOptions {
  readonly stream: ClientStream;
  readonly facts: RequestFacts;
  readonly decision: Proceed;
  readonly upstream: Upstream;
  readonly settings: ProxySettings;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  /** The client asks for a WebSocket. */
  readonly webSocket: boolean;
}

/** See the module. */
export class Exchange implements EndpointUser, StreamOwner {
  readonly #options: ExchangeOptions;
  readonly #choice: EndpointChoice;
  readonly #begun: number;
  #headText: string | undefined;
  #endpoint: UpstreamEndpoint | undefined;
  #claim: Claim | undefined;
  #connection: EndpointConnection | undefined;
  #body: RequestBody | undefined;
  #bodyDone: boolean;
  #over = false;
  #stale = 0;

  constructor(options: ExchangeOptions) {
    this.#options = options;
    const { stream, facts, decision, upstream, clock } = options;
    const { policy } = decision.match.route;
    this.#choice = new EndpointChoice({
      upstream,
      affinity: policy.affinity,
      client: facts.origin.client,
      destination: facts.host,
      cookies: policy.affinity === undefined ? undefined : stream.request.fields.get("cookie"),
    });
    this.#begun = policy.retry.timeoutMs > 0 ? clock.monotonic() : 0;
    this.#bodyDone = !stream.request.hasBody;
  }

  /** Begins. */
  run(): void {
    const { stream, facts, decision, webSocket } = this.#options;
    const { method, fields, hasBody, contentLength } = stream.request;
    this.#headText = requestHeadText({
      method,
      target: decision.target,
      host: decision.match.route.policy.upstreamHost ?? facts.origin.authority,
      fields,
      origin: facts.origin,
      chunked: hasBody && contentLength === undefined,
      webSocket,
    });
    if (this.#headText === undefined) return answer(stream, 400, { close: true });
    stream.owner = this;
    this.#try(503);
  }

  onReady(connection: EndpointConnection): void {
    const { stream, decision, settings } = this.#options;
    const { policy } = decision.match.route;
    const { method, hasBody, contentLength, fields } = stream.request;
    this.#claim = connection;
    this.#connection = connection;
    const timeoutMs = policy.readTimeoutMs ?? settings.readTimeoutMs;
    connection.begin({ method, head: this.#headText ?? "", timeoutMs });
    if (!hasBody) {
      connection.endRequest();
      connection.flush();
      return;
    }
    const first = this.#body === undefined;
    if (first && fields.get("expect") !== undefined) stream.sendContinue();
    connection.setTimeout(policy.sendTimeoutMs ?? settings.sendTimeoutMs);
    this.#body = new RequestBody({
      connection,
      contentLength,
      limit: decision.maxBodyBytes,
      onTooLong: () => this.#refuse(413),
      onWrongLength: () => this.#refuse(400),
      onDone: () => {
        this.#bodyDone = true;
        connection.setTimeout(timeoutMs);
        connection.endRequest();
      },
    });
    stream.readBody(this.#body);
    if (!this.#over) connection.flush();
  }

  onHead(head: ResponseHead): void {
    const { stream, decision } = this.#options;
    const { status, reason } = head;
    const condition = status < 400 ? undefined : statusConditions.get(status);
    if (condition !== undefined && decision.match.route.policy.retry.on.has(condition)) {
      if (this.#mayRetry(condition, true) && this.#choice.tries < this.#options.upstream.endpoints.length) {
        this.#release(true);
        return this.#try(status);
      }
    }
    const { fields } = head;
    keepEndToEnd(fields, { keepLength: status !== 204 });
    this.#addOwnFields(fields);
    const hasBody = !isBodyless(stream.request.method, status);
    try {
      stream.sendHead({ status, reason, fields, hasBody });
    } catch {
      // HTTP/2 refuses some heads that HTTP/1.1 lets pass, such as two of a field that may be said once.
      this.#refuse(502);
    }
  }

  onSwitch(head: ResponseHead, socket: Socket, early: Buffer | undefined): void {
    const { stream, webSocket } = this.#options;
    const endpoint = this.#endpoint;
    if (!webSocket || stream.detach === undefined || head.fields.get("upgrade")?.toLowerCase() !== "websocket") {
      socket.destroy();
      return this.onFailure("error");
    }
    this.#endpoint = undefined;
    this.#over = true;
    const { fields } = head;
    keepEndToEnd(fields, { keepLength: false });
    this.#addOwnFields(fields, endpoint);
    fields.add("connection", "Upgrade");
    fields.add("upgrade", "websocket");
    stream.sendHead({ status: 101, reason: head.reason, fields, hasBody: false });
    joinTunnel(stream.detach(), { socket, early }, () => {
      if (endpoint !== undefined) endpoint.active -= 1;
    });
  }

  onBody(part: Buffer): void {
    this.#options.stream.sendBody(part);
  }

  onBatch(): boolean {
    return this.#options.stream.flush();
  }

  onEndpointDrain(): void {
    this.#options.stream.resumeBody();
  }

  onResponseEnd(trailers: Fields): void {
    this.#over = true;
    this.#release(false);
    keepSafeTrailers(trailers);
    this.#options.stream.end(trailers);
  }

  onFailure(failure: EndpointFailure): void {
    const { stream } = this.#options;
    const connected = this.#connection !== undefined;
    // A kept connection that the endpoint closed as we used it says nothing of the endpoint: a fresh one may do.
    const stale = failure === "error" && this.#connection?.reused === true && this.#body === undefined;
    if (stale && !stream.headSent && this.#stale < MAX_TRIES && this.#endpoint !== undefined) {
      this.#stale += 1;
      this.#choice.forgive(this.#endpoint);
    }
    this.#release(true);
    if (this.#over) return;
    // A response that breaks off must not look complete: the client's connection breaks off as well.
    if (stream.headSent) return this.#cut();
    const condition = failure === "timeout" ? "timeout" : "error";
    // The silence may be the client's: it has not sent its body to the end.
    const late = connected && !this.#bodyDone ? 408 : 504;
    const status = failure === "crowded" ? 503 : failure === "timeout" ? late : 502;
    if (this.#mayRetry(condition, connected)) this.#try(status);
    else this.#fail(status);
  }

  onClientDrain(): void {
    this.#connection?.resume();
  }

  onClientGone(): void {
    this.#over = true;
    this.#release(true);
  }

  onBadBody(): void {
    this.#refuse(400);
  }

  /** Sends to the next endpoint; `failure` is the answer where there is none left. */
  #try(failure: number): void {
    const { decision, settings, deadlines } = this.#options;
    const { policy } = decision.match.route;
    const endpoint = this.#choice.next();
    if (endpoint === undefined) return this.#fail(failure);
    this.#endpoint = endpoint;
    endpoint.active += 1;
    const claim = endpoint
      .pool(policy.protocol, deadlines)
      .take(this, policy.connectTimeoutMs ?? settings.connectTimeoutMs);
    if (claim === undefined) return this.onFailure("crowded");
    this.#claim = claim;
    if (claim instanceof EndpointConnection && claim.open) this.onReady(claim);
  }

  #mayRetry(condition: RetryCondition, connected: boolean): boolean {
    const { decision, stream, clock } = this.#options;
    const { retry } = decision.match.route.policy;
    if (stream.headSent || !retry.on.has(condition)) return false;
    if (this.#choice.tries >= (retry.tries === 0 ? MAX_TRIES : Math.min(retry.tries, MAX_TRIES))) return false;
    if (retry.timeoutMs > 0 && clock.monotonic() - this.#begun > retry.timeoutMs) return false;
    if (!connected) return true;
    return this.#body === undefined && (idempotent.has(stream.request.method) || retry.on.has("non_idempotent"));
  }

  #addOwnFields(fields: Fields, endpoint = this.#endpoint): void {
    const { stream, decision, facts, clock } = this.#options;
    const { route } = decision.match;
    const { affinity, cors } = route.policy;
    const said = stream.request.fields;
    if (cors !== undefined) {
      fields.keep((key) => !key.startsWith("access-control-"));
      const own = corsHeaders(cors, said.get("origin"), false);
      for (let at = 0; at + 1 < own.length; at += 2) addOwn(fields, own[at] ?? "", own[at + 1] ?? "");
    }
    if (affinity === undefined || this.#choice.newCookie === undefined) return;
    const cookie = sessionCookie(affinity, {
      value: affinity.mode === "persistent" ? (endpoint?.id ?? "") : this.#choice.newCookie,
      path: route.pattern === undefined ? route.path : "/",
      https: facts.origin.scheme === "https",
      userAgent: said.get("user-agent"),
      now: clock.now(),
    });
    addOwn(fields, "set-cookie", cookie);
  }

  /** The endpoint is done with; `close` where its connection cannot carry another request. */
  #release(close: boolean): void {
    if (close) this.#claim?.destroy();
    this.#claim = undefined;
    this.#connection = undefined;
    if (this.#endpoint !== undefined) this.#endpoint.active -= 1;
    this.#endpoint = undefined;
  }

  /** The client's body, or the endpoint's head, is none. */
  #refuse(status: number): void {
    this.#release(true);
    if (this.#options.stream.headSent) this.#cut();
    else this.#fail(status);
  }

  #fail(status: number): void {
    this.#over = true;
    this.#body?.abandon();
    answer(this.#options.stream, status);
  }

  #cut(): void {
    this.#over = true;
    this.#body?.abandon();
    this.#options.stream.cut();
  }
}
