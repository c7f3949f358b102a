/** A client's HTTP/2 connection, on Node's HTTP/2: hands each stream to the handler. */
import { performServerHandshake } from "node:http2";
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import { MAX_FIELDS, MAX_HEAD_BYTES } from "../http1/grammar.ts";
import type { ClientStream, Peer, StreamHandler } from "./client-stream.ts";
import type { Deadlines, Timed } from "./deadlines.ts";
import { Http2Client, readHttp2Request } from "./http2-client.ts";
import { CLIENT_IDLE_MS } from "./http1-client.ts";

/** Requests at once on one HTTP/2 connection. */
export const MAX_STREAMS = 128;

/** What a session works with. */
export interface Http2SessionOptions {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly handler: StreamHandler;
  readonly deadlines: Deadlines;
  readonly onClose: (session: Http2Session) => void;
}

/** See the module. */
export class Http2Session implements Timed, StreamHandler {
  deadline: number;
  readonly #session: ServerHttp2Session;
  readonly #options: Http2SessionOptions;
  /** Open ones; those whose request is under way are `#active`. */
  #streams = 0;
  #active = 0;

  constructor(options: Http2SessionOptions) {
    const { socket, deadlines, onClose } = options;
    this.#options = options;
    this.deadline = deadlines.after(CLIENT_IDLE_MS);
    deadlines.add(this);
    const session = performServerHandshake(socket, {
      maxHeaderListPairs: MAX_FIELDS,
      settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEAD_BYTES },
    });
    this.#session = session;
    session.on("error", () => session.destroy());
    session.on("close", () => {
      deadlines.delete(this);
      onClose(this);
    });
    session.on("stream", (stream, headers, _flags, raw) => this.#serve(stream, headers, raw));
  }

  /** No request is under way. */
  get quiet(): boolean {
    return this.#streams === 0;
  }

  /** Takes no new request. */
  drain(): void {
    this.#session.close();
  }

  expire(): void {
    // Streams that are left have been answered, and the client does not take the answer.
    if (this.#active > 0) this.deadline = this.#options.deadlines.after(CLIENT_IDLE_MS);
    else if (this.#streams > 0) this.#session.destroy();
    else this.#session.close();
  }

  get draining(): boolean {
    return this.#options.handler.draining;
  }

  handle(stream: ClientStream): void {
    this.#active += 1;
    this.#options.handler.handle(stream);
  }

  ended(stream: ClientStream): void {
    this.#active -= 1;
    this.#options.handler.ended(stream);
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]): void {
    const { peer, deadlines } = this.#options;
    // Taken back before we heard of it: nothing more will be told of this one.
    if (stream.destroyed) return;
    this.#streams += 1;
    stream.once("close", () => {
      this.#streams -= 1;
      this.deadline = deadlines.after(CLIENT_IDLE_MS);
    });
    const request = readHttp2Request(stream, headers, raw);
    if (request === undefined) {
      stream.on("error", () => {});
      if (!stream.closed) stream.respond({ ":status": 400 }, { endStream: true });
      return;
    }
    this.handle(new Http2Client({ stream, peer, handler: this, request }));
  }
}
