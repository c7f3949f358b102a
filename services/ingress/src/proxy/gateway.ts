/** Takes requests in: reads the head, decides, and starts the exchange or the tunnel. Holds the one table that all of it goes by. */
import { ServerResponse } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Logger } from "@fairlead/host";
import type { Clock, Random } from "@fairlead/types";
import { emptyTable } from "../plan/route-table.ts";
import type { RouteTable } from "../plan/route-table.ts";
import type { IngressMetrics } from "../ingress-metrics.ts";
import { answer } from "./answers.ts";
import { decide } from "./decision.ts";
import type { Answer, Proceed } from "./decision.ts";
import { Exchange } from "./exchange.ts";
import { field, readHead } from "./message.ts";
import type { ProxyRequest, ProxyResponse, RequestHead } from "./message.ts";
import type { ProxySettings } from "./settings.ts";
import { Tunnel } from "./tunnel.ts";
import type { Upstream, UpstreamSet } from "./upstreams.ts";

/** What a gateway needs. */
export interface GatewayOptions {
  readonly upstreams: UpstreamSet;
  readonly settings: ProxySettings;
  readonly metrics: IngressMetrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** See the module. */
export class Gateway {
  /** Replaced whole: a request sees one table from its beginning to its end. */
  table: RouteTable = emptyTable;
  /** While draining, each response is the last on its connection. */
  draining = false;
  readonly #options: GatewayOptions;
  #active = 0;

  constructor(options: GatewayOptions) {
    this.#options = options;
  }

  /** Requests and tunnels under way. */
  get active(): number {
    return this.#active;
  }

  /** Serves a request. Never throws. */
  handle(request: ProxyRequest, response: ProxyResponse, expectsContinue = false): void {
    const { clock, metrics, log, settings } = this.#options;
    const begun = clock.monotonic();
    let ingress = "";
    this.#active += 1;
    response.on("close", () => {
      this.#active -= 1;
      metrics.request(ingress, response.statusCode, (clock.monotonic() - begun) / 1000);
    });
    // A client that goes away mid-request is told of by the response's close.
    request.on("error", () => {});
    response.on("error", () => {});
    try {
      const found = this.#route(request);
      if (found.kind === "answer") {
        ingress = found.ingress ?? "";
        return answer(request, response, found.status, this.#closing(found.headers));
      }
      const { head, decision, upstream } = found;
      ingress = decision.match.route.ingress;
      new Exchange({
        request,
        response,
        head,
        decision,
        upstream,
        settings,
        clock,
        keepAlive: !this.draining,
        expectsContinue,
      }).run();
    } catch (error) {
      log.error("a request failed", { error });
      answer(request, response, 500, ["connection", "close"]);
    }
  }

  /** Serves a request to speak another protocol: WebSocket goes through, anything else is refused. */
  upgrade(request: IncomingMessage, socket: Duplex, early: Buffer): void {
    const { clock, metrics, settings, log } = this.#options;
    const response = new ServerResponse(request);
    response.assignSocket(socket as Socket);
    response.shouldKeepAlive = false;
    this.#active += 1;
    const begun = clock.monotonic();
    let ingress = "";
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#active -= 1;
      metrics.request(ingress, response.statusCode, (clock.monotonic() - begun) / 1000);
    });
    response.on("finish", () => socket.end());
    try {
      if (field(request, "upgrade")?.toLowerCase() !== "websocket")
        return answer(request, response, 400, ["connection", "close"]);
      const found = this.#route(request);
      if (found.kind === "answer") {
        ingress = found.ingress ?? "";
        return answer(request, response, found.status, ["connection", "close", ...found.headers]);
      }
      ingress = found.decision.match.route.ingress;
      new Tunnel({ ...found, request, response, socket, early, settings, clock }).run();
    } catch (error) {
      log.error("an upgrade failed", { error });
      socket.destroy();
    }
  }

  #route(
    request: ProxyRequest,
  ): Answer | { kind: "proceed"; head: RequestHead; decision: Proceed; upstream: Upstream } {
    const { settings, random, upstreams } = this.#options;
    const head = readHead(request, settings);
    if ("status" in head) return { kind: "answer", status: head.status, headers: ["connection", "close"] };
    const decision = decide(request, head, { table: this.table, settings, random });
    if (decision.kind === "answer") {
      const close = head.hasBody && !decision.headers.includes("connection");
      return close ? { ...decision, headers: [...decision.headers, "connection", "close"] } : decision;
    }
    const upstream = upstreams.get(decision.backend);
    if (upstream === undefined)
      return { kind: "answer", status: 503, headers: [], ingress: decision.match.route.ingress };
    return { kind: "proceed", head, decision, upstream };
  }

  #closing(headers: readonly string[]): readonly string[] {
    return this.draining && !headers.includes("connection") ? [...headers, "connection", "close"] : headers;
  }
}
