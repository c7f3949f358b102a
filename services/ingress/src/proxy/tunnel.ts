/** A WebSocket connection: the opening handshake goes to an endpoint, and what it accepts is joined end to end. */
import { request as httpRequest, STATUS_CODES } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "@fairlead/types";
import { answer } from "./answers.ts";
import type { Proceed } from "./decision.ts";
import { EndpointChoice } from "./endpoint-choice.ts";
import { MAX_TRIES } from "./exchange.ts";
import { field } from "./message.ts";
import type { RequestHead } from "./message.ts";
import { addOrigin, endToEnd } from "./request-headers.ts";
import type { ProxySettings } from "./settings.ts";
import type { Upstream } from "./upstreams.ts";

/** What a tunnel works with. */
export interface TunnelOptions {
  readonly request: IncomingMessage;
  /** Writes to `socket`, for answers that are no upgrade. */
  readonly response: ServerResponse;
  readonly socket: Duplex;
  /** What the client sent after its head. */
  readonly early: Buffer;
  readonly head: RequestHead;
  readonly decision: Proceed;
  readonly upstream: Upstream;
  readonly settings: ProxySettings;
  readonly clock: Clock;
}

/** See the module. */
export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #choice: EndpointChoice;
  readonly #headers: string[];

  constructor(options: TunnelOptions) {
    this.#options = options;
    const { request, head, decision, upstream } = options;
    const { policy } = decision.match.route;
    const { client, authority } = head.origin;
    const cookies = field(request, "cookie");
    this.#choice = new EndpointChoice({ upstream, affinity: policy.affinity, client, destination: head.host, cookies });
    this.#headers = endToEnd(request.rawHeaders, field(request, "connection"), { request: true });
    addOrigin(this.#headers, head.origin, policy.upstreamHost ?? authority);
    this.#headers.push("connection", "Upgrade", "upgrade", "websocket");
  }

  /** Begins. */
  run(): void {
    this.#try(503);
  }

  #try(failure: number): void {
    const { decision, settings, clock, request, response, socket, early, head } = this.#options;
    const { policy } = decision.match.route;
    const endpoint = this.#choice.tries < MAX_TRIES ? this.#choice.next() : undefined;
    if (endpoint === undefined) return answer(request, response, failure, ["connection", "close"]);
    const secure = policy.protocol === "HTTPS";
    // A connection of its own: what becomes a tunnel never returns to the pool.
    const sent = (secure ? httpsRequest : httpRequest)({
      agent: false,
      host: endpoint.address,
      port: endpoint.port,
      method: head.method,
      path: decision.target,
      headers: this.#headers,
      setHost: false,
      ...(secure ? { rejectUnauthorized: false, servername: "" } : {}),
    });
    endpoint.active += 1;
    let connected = false;
    let settled = false;
    const release = (): void => {
      cancel();
      if (!settled) endpoint.active -= 1;
      settled = true;
    };
    const cancel = clock.setTimer(policy.connectTimeoutMs ?? settings.connectTimeoutMs, () =>
      sent.destroy(new Error("silent")),
    );
    const abandon = (): void => void sent.destroy();
    socket.once("close", abandon);
    sent.on("socket", (inner) => inner.once(secure ? "secureConnect" : "connect", () => (connected = true)));
    sent.on("error", () => {
      if (settled) return;
      release();
      socket.off("close", abandon);
      if (socket.destroyed) return;
      if (connected) answer(request, response, 502, ["connection", "close"]);
      else this.#try(502);
    });
    sent.on("upgrade", (received, inner, innerEarly) => {
      cancel();
      inner.once("close", release);
      inner.on("error", () => socket.destroy());
      response.statusCode = 101;
      const headers = endToEnd(received.rawHeaders, received.headers.connection, { request: false });
      headers.push("connection", "Upgrade", "upgrade", "websocket");
      const lines = [`HTTP/1.1 101 ${STATUS_CODES[101]}`];
      for (let at = 0; at + 1 < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}`);
      response.detachSocket(socket as Socket);
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
      if (innerEarly.length > 0) socket.write(innerEarly);
      if (early.length > 0) inner.write(early);
      socket.pipe(inner).pipe(socket);
      socket.once("close", () => inner.destroy());
      inner.once("close", () => socket.end());
    });
    sent.on("response", (received) => {
      // The endpoint does not want to: its answer goes through, and that was that.
      received.once("close", release);
      const headers = endToEnd(received.rawHeaders, received.headers.connection, { request: false });
      response.writeHead(received.statusCode ?? 502, [...headers, "connection", "close"]);
      received.on("error", () => socket.destroy());
      received.pipe(response);
    });
    sent.end();
  }
}
