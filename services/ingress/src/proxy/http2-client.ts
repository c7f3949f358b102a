/** One request of an HTTP/2 connection, on Node's HTTP/2. */
import { constants } from "node:http2";
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Fields } from "../http1/fields.ts";
import { isFieldValue, isTarget, isToken } from "../http1/grammar.ts";
import type { BodySink, ClientRequest, ClientStream, Peer, StreamHandler, StreamOwner } from "./client-stream.ts";

/** What a stream works with. */
export interface Http2ClientOptions {
  readonly stream: ServerHttp2Stream;
  readonly peer: Peer;
  readonly handler: StreamHandler;
  readonly request: ClientRequest;
}

/** See the module. */
export class Http2Client implements ClientStream {
  readonly peer: Peer;
  readonly request: ClientRequest;
  owner: StreamOwner | undefined;
  begun = 0;
  ingress = "";
  status = 0;
  bodyDone: boolean;
  readonly #stream: ServerHttp2Stream;
  readonly #handler: StreamHandler;
  #over = false;
  #hasBody = false;
  #stopped = false;
  #trailers: Fields | undefined;

  constructor(options: Http2ClientOptions) {
    const { stream, peer, handler, request } = options;
    this.peer = peer;
    this.request = request;
    this.#stream = stream;
    this.#handler = handler;
    this.bodyDone = !request.hasBody;
    // What went wrong is told by the close that follows.
    stream.on("error", () => {});
    stream.on("drain", () => this.owner?.onClientDrain());
    stream.on("aborted", () => this.#gone());
    stream.on("close", () => this.#gone());
    stream.on("wantTrailers", () => this.#sendTrailers());
  }

  get headSent(): boolean {
    return this.status !== 0;
  }

  sendContinue(): void {
    if (!this.#gives || this.headSent) return;
    this.#stream.additionalHeaders({ ":status": 100 });
  }

  readBody(sink: BodySink): void {
    const stream = this.#stream;
    let trailers = new Fields();
    stream.on("trailers", (_: IncomingHttpHeaders, __: number, raw?: readonly string[]) => {
      trailers = incoming(raw ?? []) ?? trailers;
    });
    stream.on("data", (part: Buffer) => {
      if (this.#over) return;
      sink.onBody(part);
      if (this.#over || sink.onBodyBatch()) return;
      this.#stopped = true;
      stream.pause();
    });
    stream.on("end", () => {
      if (this.#over || stream.aborted) return;
      this.bodyDone = true;
      sink.onBodyEnd(trailers);
      sink.onBodyBatch();
    });
  }

  resumeBody(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#stream.resume();
  }

  sendHead(options: { status: number; reason: string; fields: Fields; hasBody: boolean; close?: boolean }): void {
    const { status, fields, hasBody } = options;
    if (!this.#gives || this.headSent) return;
    this.#hasBody = hasBody;
    const end = hasBody ? { waitForTrailers: true } : { endStream: true };
    this.#stream.respond({ ...outgoing(fields), ":status": status }, end);
    this.status = status;
  }

  sendBody(part: Buffer): void {
    if (this.#gives && this.#hasBody) this.#stream.write(part);
  }

  flush(): boolean {
    return !this.#stream.writableNeedDrain;
  }

  end(trailers?: Fields): void {
    if (this.#over) return;
    this.#trailers = trailers;
    this.#finish();
    const stream = this.#stream;
    // A client that still sends its body is told that nobody wants the rest (RFC 9113, 8.1).
    if (!this.bodyDone) stream.once("finish", () => stream.close(constants.NGHTTP2_NO_ERROR));
    stream.end();
  }

  cut(): void {
    if (this.#over) return;
    this.#finish();
    this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  }

  /** Whether anything can still be sent: a stream is closed before it says so. */
  get #gives(): boolean {
    return !this.#over && !this.#stream.destroyed && !this.#stream.closed;
  }

  #sendTrailers(): void {
    try {
      this.#stream.sendTrailers(outgoing(this.#trailers));
    } catch {
      // Fields that HTTP/2 knows to be no trailers: better a broken response than one that lacks them.
      this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  #gone(): void {
    if (this.#over) return;
    const { owner } = this;
    this.#finish();
    owner?.onClientGone();
  }

  #finish(): void {
    this.#over = true;
    this.owner = undefined;
    this.#handler.ended(this);
  }
}

/** Reads the head of a stream; undefined where it is none that could be passed on. */
export function readHttp2Request(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  raw: readonly string[],
): ClientRequest | undefined {
  const fields = incoming(raw);
  const { ":method": method, ":path": target, ":authority": named } = headers as Record<string, string | undefined>;
  if (fields === undefined || method === undefined || !isToken(method)) return undefined;
  if (target === undefined ? method !== "CONNECT" : !isTarget(target)) return undefined;
  const host = fields.get("host");
  if (named !== undefined && host !== undefined && named !== host) return undefined;
  const length = fields.get("content-length");
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return undefined;
  const contentLength = length === undefined ? undefined : Number(length);
  if (stream.endAfterHeaders && (contentLength ?? 0) > 0) return undefined;
  const hasBody = !stream.endAfterHeaders && contentLength !== 0;
  return { method, target: target ?? "/", version: "2", authority: named ?? host, fields, hasBody, contentLength };
}

/** The fields without those that begin with a colon. Crumbs of a cookie become one field again (RFC 9113, 8.2.3). */
function incoming(raw: readonly string[]): Fields | undefined {
  const fields = new Fields();
  let cookie: string | undefined;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? "";
    const value = raw[at + 1] ?? "";
    if (name.startsWith(":")) continue;
    if (!isToken(name) || !isFieldValue(value)) return undefined;
    if (name === "cookie") cookie = cookie === undefined ? value : `${cookie}; ${value}`;
    else fields.add(name, value);
  }
  if (cookie !== undefined) fields.add("cookie", cookie);
  return fields;
}

function outgoing(fields: Fields | undefined): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {};
  for (let at = 0; at < (fields?.size ?? 0); at += 1) {
    const key = fields?.keys[at] ?? "";
    const value = fields?.values[at] ?? "";
    const known = headers[key];
    if (known === undefined) headers[key] = value;
    else if (Array.isArray(known)) known.push(value);
    else headers[key] = [known, value];
  }
  return headers;
}
