/** A watch over HTTP: one JSON line an event, as long as the client reads. */
import type { KubeObject } from "@fairlead/kube/objects";
import { ApiError, badRequest } from "../api/errors.ts";
import type { WatchStart } from "../api/request-api.ts";
import { drained } from "./drained.ts";
import type { Exchange } from "./exchange.ts";
import { apiVersionOf, type ServerParts } from "./parts.ts";
import { type Presentation, presentationOf } from "./presentation.ts";
import { selectionOf } from "./read-handlers.ts";
import type { ResourceRoute } from "./route.ts";

/** Watches at once; more are answered with 429. */
export const maxWatches = 1024;

/** Events that wait for a client that reads slowly, beyond the initial state; past it the watch is cut, and the client starts anew. */
export const maxWaitingEvents = 10_000;

/** Between two bookmarks, for those who asked for them. */
export const bookmarkIntervalMs = 60_000;

/** A watch without timeoutSeconds ends after this, up to twice as long, as a real API server's does. */
export const watchTimeoutMs = 30 * 60_000;

/** Bytes that are joined into one write. */
const writeBytes = 64 * 1024;

interface Line {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: object;
}

/** The open watches of one server. */
export class WatchStreams {
  readonly #open = new Set<() => void>();
  readonly #parts: ServerParts;

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Ends every watch, in good order. */
  endAll(): void {
    for (const end of this.#open) end();
  }

  /** Answers a watch; settles when it is over. */
  async serve(exchange: Exchange, route: ResourceRoute): Promise<void> {
    if (this.#open.size >= maxWatches) {
      throw new ApiError(429, "TooManyRequests", `there are ${maxWatches} watches already`);
    }
    const presentation = presentationOf(exchange, route.names, this.#parts);
    const start = startOf(exchange);
    const stream = new Stream(exchange, presentation, this.#parts, route);
    const end = (): void => stream.end();
    this.#open.add(end);
    try {
      await stream.run(start);
    } finally {
      this.#open.delete(end);
    }
  }
}

interface Start {
  readonly at: WatchStart;
  /** The initial state is closed with a bookmark that says so (WatchList). */
  readonly announced: boolean;
}

/** Reads where a watch begins, by Kubernetes' rules for resourceVersion and sendInitialEvents. */
function startOf(exchange: Exchange): Start {
  const version = exchange.query.get("resourceVersion") ?? "";
  const match = exchange.query.get("resourceVersionMatch") ?? "";
  if (!exchange.query.has("sendInitialEvents")) {
    if (match !== "")
      throw badRequest("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    const at: WatchStart =
      version === "" || version === "0" ? { from: "state" } : { from: "revision", revision: version };
    return { at, announced: false };
  }
  if (match !== "NotOlderThan")
    throw badRequest("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  if (exchange.flag("sendInitialEvents")) return { at: { from: "state" }, announced: true };
  const at: WatchStart = version === "" || version === "0" ? { from: "now" } : { from: "revision", revision: version };
  return { at, announced: false };
}

class Stream {
  readonly #exchange: Exchange;
  readonly #presentation: Presentation;
  readonly #parts: ServerParts;
  readonly #route: ResourceRoute;
  readonly #lines: Line[] = [];
  readonly #cancels: (() => void)[] = [];
  #wake: (() => void) | undefined;
  #ending = false;
  #limit = Number.POSITIVE_INFINITY;

  constructor(exchange: Exchange, presentation: Presentation, parts: ServerParts, route: ResourceRoute) {
    this.#exchange = exchange;
    this.#presentation = presentation;
    this.#parts = parts;
    this.#route = route;
  }

  end(): void {
    this.#ending = true;
    this.#wake?.();
  }

  async run({ at, announced }: Start): Promise<void> {
    const { response } = this.#exchange;
    const bookmarks = this.#exchange.flag("allowWatchBookmarks");
    const timeoutSeconds = this.#exchange.count("timeoutSeconds");
    response.once("close", () => this.end());
    try {
      this.#begin(at);
      if (announced && bookmarks) this.#bookmark({ "k8s.io/initial-events-end": "true" });
      this.#limit = this.#lines.length + maxWaitingEvents;
      const { clock, random } = this.#parts;
      const ms = timeoutSeconds ? timeoutSeconds * 1000 : watchTimeoutMs * (1 + random());
      this.#cancels.push(clock.setTimer(Math.min(ms, longestTimerMs), () => this.end()));
      if (bookmarks) this.#every(bookmarkIntervalMs, () => this.#bookmark());
      // The head goes out at once: a client takes it as the sign that the watch stands.
      this.#exchange.head(200, "application/json", { "transfer-encoding": "chunked" });
      response.flushHeaders();
      await this.#pump();
    } finally {
      for (const cancel of this.#cancels) cancel();
    }
  }

  #begin(at: WatchStart): void {
    const { api } = this.#parts;
    const { resource } = this.#route.names;
    const selection = selectionOf(this.#exchange, this.#route);
    try {
      this.#cancels.push(api.watchFrom(resource, selection, at, ({ type, object }) => this.#push(type, object)));
    } catch (error) {
      // A real API server tells within the stream that the version is too old.
      if (!(error instanceof ApiError) || error.code !== "Expired") throw error;
      this.#lines.push({ type: "ERROR", object: error.status });
      this.#ending = true;
    }
  }

  #push(type: Line["type"], object: KubeObject): void {
    if (this.#lines.length >= this.#limit) {
      this.#exchange.response.destroy();
      return;
    }
    this.#lines.push({ type, object: this.#presentation.watched(object, type === "BOOKMARK") });
    this.#wake?.();
  }

  #bookmark(annotations?: Record<string, string>): void {
    const { names } = this.#route;
    this.#push("BOOKMARK", {
      apiVersion: apiVersionOf(names),
      kind: names.kind,
      metadata: { resourceVersion: this.#parts.api.revision, ...(annotations ? { annotations } : {}) },
    });
  }

  #every(ms: number, action: () => void): void {
    let cancel: () => void = () => undefined;
    const arm = (): void => {
      cancel = this.#parts.clock.setTimer(ms, () => {
        action();
        arm();
      });
    };
    arm();
    this.#cancels.push(() => cancel());
  }

  async #pump(): Promise<void> {
    const { response } = this.#exchange;
    while (!response.destroyed) {
      let text = "";
      let count = 0;
      for (const line of this.#lines) {
        text += `${JSON.stringify(line)}\n`;
        count++;
        if (text.length >= writeBytes) break;
      }
      this.#lines.splice(0, count);
      if (text !== "") {
        if (!response.write(text)) await drained(response);
      } else if (this.#ending) {
        response.end();
        return;
      } else {
        await this.#woken();
      }
    }
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

/** What a timer can hold. */
const longestTimerMs = 2 ** 31 - 1;
