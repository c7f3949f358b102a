/** Takes requests in: reads the head, decides, and starts the exchange. Holds the one table that all of it goes by. */
import type { Logger } from "@fairlead/host";
import type { Clock, Random } from "@fairlead/types";
import { tableBeforeAny } from "../plan/route-table.ts";
import type { RouteTable } from "../plan/route-table.ts";
import type { IngressMetrics } from "../ingress-metrics.ts";
import { answer } from "./answers.ts";
import type { ClientStream, StreamHandler } from "./client-stream.ts";
import { Deadlines } from "./deadlines.ts";
import { decide } from "./decision.ts";
import { Exchange } from "./exchange.ts";
import { readFacts, wantsWebSocket } from "./message.ts";
import type { ProxySettings } from "./settings.ts";
import type { UpstreamSet } from "./upstreams.ts";

/** What nginx logs for a client that went away before it was answered. */
const clientGone = 499;

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
export class Gateway implements StreamHandler {
  /** Replaced whole: a request sees one table from its beginning to its end. */
  table: RouteTable = tableBeforeAny;
  /** While draining, each response is the last on its connection. */
  draining = false;
  /** The time limits of clients and endpoints alike. */
  readonly deadlines: Deadlines;
  readonly #options: GatewayOptions;
  #active = 0;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.deadlines = new Deadlines({ clock: options.clock });
  }

  /** Requests under way. */
  get active(): number {
    return this.#active;
  }

  handle(stream: ClientStream): void {
    this.#active += 1;
    stream.begun = this.#options.clock.monotonic();
    stream.ingress = "";
    try {
      this.#serve(stream);
    } catch (error) {
      this.#options.log.error("a request failed", { error });
      if (stream.headSent) stream.cut();
      else answer(stream, 500, { close: true });
    }
  }

  ended(stream: ClientStream): void {
    const { metrics, clock } = this.#options;
    this.#active -= 1;
    const seconds = (clock.monotonic() - stream.begun) / 1000;
    metrics.request(stream.ingress, stream.status === 0 ? clientGone : stream.status, seconds);
  }

  #serve(stream: ClientStream): void {
    const { settings, random, upstreams, clock } = this.#options;
    const facts = readFacts(stream.request, stream.peer, settings);
    if ("status" in facts) return answer(stream, facts.status, { close: true });
    const decision = decide(facts, { table: this.table, settings, random });
    if (decision.kind === "answer") {
      stream.ingress = decision.ingress ?? "";
      return answer(stream, decision.status, decision);
    }
    stream.ingress = decision.match.route.ingress;
    const upstream = upstreams.get(decision.backend);
    if (upstream === undefined) return answer(stream, 503);
    const webSocket = wantsWebSocket(stream.request);
    const { deadlines } = this;
    new Exchange({ stream, facts, decision, upstream, settings, deadlines, clock, webSocket }).run();
  }
}
