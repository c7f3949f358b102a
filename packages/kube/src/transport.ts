/** JSON over HTTPS to an API server: one request, or one stream of lines. Knows nothing of resources. */
import { request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { RequestOptions } from "node:https";
import type { Clock } from "@fairlead/types";
import { KubeApiError, KubeConnectionError } from "./errors.ts";
import type { Status } from "./objects.ts";

/** A request gets this long for its whole answer, in milliseconds. */
export const requestTimeoutMs = 15_000;
/** Largest answer that is read, in bytes: a list page of 500 large objects. */
export const maxAnswerBytes = 128 * 1024 * 1024;
/** Longest line of a watch, in bytes: above the API's own bound on an object. */
export const maxLineBytes = 8 * 1024 * 1024;
/** Connections kept to one API server; further requests wait. */
const maxSockets = 64;

/** A request's options while credentials are added to them. */
export interface Credentials extends RequestOptions {
  headers: OutgoingHttpHeaders;
}

/** Where the API server is, and what each request needs to be let in. */
export interface ApiEndpoint {
  readonly server: string;
  /** Adds certificates, keys and headers. Called for every request, so tokens may change. */
  authorize(options: Credentials): Promise<void>;
}

/** One request. */
export interface ApiRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** A stream of lines, ended by the server, an error or the signal. */
export interface LineStream {
  /** Called with each line, never empty. */
  onLine(line: string): void;
  /** Nothing was heard for this long: the stream fails. In milliseconds. */
  readonly idleMs: number;
}

/** See the module. */
export class ApiTransport {
  readonly #endpoint: ApiEndpoint;
  readonly #clock: Clock;
  readonly #agent = new Agent({ keepAlive: true, keepAliveMsecs: 15_000, maxSockets });

  constructor(options: { endpoint: ApiEndpoint; clock: Clock }) {
    this.#endpoint = options.endpoint;
    this.#clock = options.clock;
  }

  /** The parsed answer; throws KubeApiError or KubeConnectionError. */
  async request<T>(request: ApiRequest): Promise<T> {
    const what = `${request.method} ${request.path}`;
    const { response, close } = await this.#open(request, what, requestTimeoutMs);
    try {
      const text = await readAll(response, what);
      const answer = parseJson(text);
      if ((response.statusCode ?? 0) >= 400) throw new KubeApiError(response.statusCode ?? 0, asStatus(answer), what);
      if (answer === undefined) throw new KubeConnectionError(what, new Error("the answer is not JSON"));
      return answer as T;
    } finally {
      close();
    }
  }

  /** Settles when the server ends the stream; throws KubeApiError, KubeConnectionError, or the signal's reason. */
  async stream(request: ApiRequest, stream: LineStream): Promise<void> {
    const what = `${request.method} ${request.path}`;
    const { response, close } = await this.#open(request, what, undefined);
    let cancelIdle = (): void => {};
    const heard = (): void => {
      cancelIdle();
      cancelIdle = this.#clock.setTimer(stream.idleMs, () =>
        response.destroy(new Error(`nothing was heard for ${stream.idleMs} ms`)),
      );
    };
    try {
      if ((response.statusCode ?? 0) >= 400) {
        throw new KubeApiError(response.statusCode ?? 0, asStatus(parseJson(await readAll(response, what))), what);
      }
      heard();
      await readLines(response, stream, heard, what);
    } finally {
      cancelIdle();
      close();
    }
  }

  /** Ends all connections that idle. */
  close(): void {
    this.#agent.destroy();
  }

  async #open(
    request: ApiRequest,
    what: string,
    timeoutMs: number | undefined,
  ): Promise<{ response: IncomingMessage; close: () => void }> {
    request.signal?.throwIfAborted();
    const url = new URL(request.path, this.#endpoint.server);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const options: Credentials = { method: request.method, headers: { accept: "application/json" } };
    await this.#endpoint.authorize(options);
    // An abort that came meanwhile would find nobody listening.
    request.signal?.throwIfAborted();
    options.agent ??= this.#agent;
    options.headers = {
      ...options.headers,
      ...(body ? { "content-type": request.contentType ?? "application/json", "content-length": body.length } : {}),
    };
    let call: ClientRequest | undefined;
    let cancelTimer = (): void => {};
    const abort = (): void => void call?.destroy(new Error("aborted"));
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        // Plain HTTP only for a local proxy such as `kubectl proxy`.
        call =
          url.protocol === "http:"
            ? httpRequest(url, { method: request.method, headers: options.headers }, resolve)
            : httpsRequest(url, options, resolve);
        call.once("error", reject);
        request.signal?.addEventListener("abort", abort, { once: true });
        if (timeoutMs !== undefined) {
          cancelTimer = this.#clock.setTimer(timeoutMs, () => call?.destroy(new Error(`no answer in ${timeoutMs} ms`)));
        }
        call.end(body);
      });
      // A request that dies while its answer is read reports on the answer; without a listener it would end the process.
      call?.on("error", () => {});
      return {
        response,
        close: () => {
          cancelTimer();
          request.signal?.removeEventListener("abort", abort);
          if (!response.complete) response.destroy();
        },
      };
    } catch (cause) {
      cancelTimer();
      request.signal?.removeEventListener("abort", abort);
      request.signal?.throwIfAborted();
      throw new KubeConnectionError(what, cause);
    }
  }
}

async function readAll(response: IncomingMessage, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxAnswerBytes) throw new Error(`the answer is longer than ${maxAnswerBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw new KubeConnectionError(what, cause);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function readLines(
  response: IncomingMessage,
  stream: LineStream,
  heard: () => void,
  what: string,
): Promise<void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      heard();
      let start = 0;
      for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
        pending.push(chunk.subarray(start, end));
        const line = Buffer.concat(pending).toString("utf8");
        pending = [];
        pendingBytes = 0;
        start = end + 1;
        if (line !== "") stream.onLine(line);
      }
      pending.push(chunk.subarray(start));
      pendingBytes += chunk.length - start;
      if (pendingBytes > maxLineBytes) throw new Error(`a line is longer than ${maxLineBytes} bytes`);
    }
  } catch (cause) {
    if (cause instanceof KubeApiError) throw cause;
    throw new KubeConnectionError(what, cause);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asStatus(answer: unknown): Status | undefined {
  return typeof answer === "object" && answer !== null && "kind" in answer && answer.kind === "Status"
    ? (answer as Status)
    : undefined;
}
