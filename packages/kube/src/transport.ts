/** JSON over HTTPS to an API server: one request, or one stream of lines. Knows nothing of resources. */
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { RequestOptions } from "node:https";
import type { Clock } from "@fairlead/types";
import { KubeApiError, KubeConnectionError } from "./errors.ts";
import type { Status } from "./objects.ts";

/** A request gets this long for its whole answer, a stream for its beginning, in milliseconds. */
export const requestTimeoutMs = 15_000;
/** Largest answer that is read, in bytes: a list page of 500 large objects. */
export const maxAnswerBytes = 128 * 1024 * 1024;
/** Longest line of a watch, in bytes: above the API's own bound on an object. */
export const maxLineBytes = 8 * 1024 * 1024;
/** Connections to one API server for requests; further requests wait. */
export const maxSockets = 64;
/** Connections to one API server for streams, each of which has one to itself; further streams wait. */
export const maxStreamSockets = 2_048;

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
  /** Called once, when the server has begun it: what happens from now on will be in it. */
  onOpen?(): void;
  /** Called with each line, never empty. What it throws ends the stream. */
  onLine(line: string): void;
  /** Nothing was heard for this long: the stream fails. In milliseconds. */
  readonly idleMs: number;
}

/** See the module. */
export class ApiTransport {
  readonly #endpoint: ApiEndpoint;
  readonly #clock: Clock;
  readonly #agents = agents(maxSockets);
  /** Streams stay for minutes: among the others, enough of them would keep every request waiting. */
  readonly #streamAgents = agents(maxStreamSockets);
  /** Ends one open request each, with the error given. */
  readonly #open = new Set<(error: Error) => void>();
  #closed = false;

  constructor(options: { endpoint: ApiEndpoint; clock: Clock }) {
    this.#endpoint = options.endpoint;
    this.#clock = options.clock;
  }

  /** The parsed answer; throws KubeApiError, KubeConnectionError, or the signal's reason. */
  async request<T>(request: ApiRequest): Promise<T> {
    return this.#exchange(request, this.#agents, async (response, what) => {
      const answer = parseJson(await readAll(response));
      if (isRefusal(response)) throw new KubeApiError(response.statusCode ?? 0, asStatus(answer), what);
      if (typeof answer !== "object" || answer === null) throw new Error("the answer is not a JSON object");
      return answer as T;
    });
  }

  /**
   * Settles when the server ends the stream; throws KubeApiError, KubeConnectionError, the signal's reason, or what `onLine` throws
   * of the first two kinds. A rest without a line end is dropped: it was cut off.
   */
  async stream(request: ApiRequest, stream: LineStream): Promise<void> {
    await this.#exchange(request, this.#streamAgents, async (response, what, cancelTimeout) => {
      if (isRefusal(response)) {
        throw new KubeApiError(response.statusCode ?? 0, asStatus(parseJson(await readAll(response))), what);
      }
      cancelTimeout();
      stream.onOpen?.();
      let cancelIdle = (): void => {};
      const heard = (): void => {
        cancelIdle();
        cancelIdle = this.#clock.setTimer(stream.idleMs, () =>
          response.destroy(new Error(`nothing was heard for ${stream.idleMs} ms`)),
        );
      };
      try {
        heard();
        await readLines(response, stream, heard);
      } finally {
        cancelIdle();
      }
    });
  }

  /** Ends every request under way, and all connections. Nothing can be asked afterwards. */
  close(): void {
    this.#closed = true;
    for (const end of this.#open) end(new Error("the client was closed"));
    for (const { plain, secure } of [this.#agents, this.#streamAgents]) {
      plain.destroy();
      secure.destroy();
    }
  }

  /** One request and its answer. The time runs for both, until `read` cancels it. */
  async #exchange<T>(
    request: ApiRequest,
    through: Agents,
    read: (response: IncomingMessage, what: string, cancelTimeout: () => void) => Promise<T>,
  ): Promise<T> {
    const what = `${request.method} ${request.path}`;
    const { signal } = request;
    signal?.throwIfAborted();
    if (this.#closed) throw new KubeConnectionError(what, new Error("the client was closed"));
    const failed = Promise.withResolvers<never>();
    // It may fail at a time when nobody waits for it.
    failed.promise.catch(() => {});
    let call: ClientRequest | undefined;
    let response: IncomingMessage | undefined;
    const end = (error: Error): void => {
      failed.reject(error);
      (response ?? call)?.destroy(error);
    };
    const abort = (): void => end(new Error("aborted"));
    this.#open.add(end);
    signal?.addEventListener("abort", abort, { once: true });
    const cancelTimeout = this.#clock.setTimer(requestTimeoutMs, () =>
      end(new Error(`no answer in ${requestTimeoutMs} ms`)),
    );
    try {
      const { url, options, body } = await Promise.race([this.#prepare(request, through), failed.promise]);
      const answered = Promise.withResolvers<IncomingMessage>();
      const plain = url.protocol === "http:";
      call = plain ? httpRequest(url, options) : httpsRequest(url, options);
      // Stays for as long as the request: one that dies later reports on its answer, and would else end the process.
      call.on("error", answered.reject);
      call.once("response", answered.resolve);
      call.end(body);
      response = await answered.promise;
      response.on("error", () => {});
      return await read(response, what, cancelTimeout);
    } catch (cause) {
      signal?.throwIfAborted();
      throw cause instanceof KubeApiError || cause instanceof KubeConnectionError
        ? cause
        : new KubeConnectionError(what, cause);
    } finally {
      cancelTimeout();
      this.#open.delete(end);
      signal?.removeEventListener("abort", abort);
      // An answer that was not read to its end has been destroyed by its reader.
      if (response === undefined) call?.destroy();
    }
  }

  async #prepare(
    request: ApiRequest,
    through: Agents,
  ): Promise<{ url: URL; options: Credentials; body: Buffer | undefined }> {
    // A server may stand under a path of its own (https://host/clusters/one).
    const url = new URL(this.#endpoint.server);
    url.pathname = url.pathname.replace(/\/+$/, "") + request.path;
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const options: Credentials = { method: request.method, headers: { accept: "application/json" } };
    await this.#endpoint.authorize(options);
    if (url.protocol === "http:") {
      // Only for a proxy on this machine, such as `kubectl proxy`.
      options.agent = through.plain;
    } else options.agent ??= through.secure;
    if (body !== undefined) {
      options.headers["content-type"] = request.contentType ?? "application/json";
      options.headers["content-length"] = body.length;
    }
    return { url, options, body };
  }
}

interface Agents {
  readonly plain: HttpAgent;
  readonly secure: HttpsAgent;
}

function agents(most: number): Agents {
  const options = { keepAlive: true, keepAliveMsecs: 15_000, maxSockets: most, maxFreeSockets: maxSockets };
  return { plain: new HttpAgent(options), secure: new HttpsAgent(options) };
}

function isRefusal({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode < 200 || statusCode >= 300;
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new Error(`the answer is longer than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

async function readLines(response: IncomingMessage, stream: LineStream, heard: () => void): Promise<void> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
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
