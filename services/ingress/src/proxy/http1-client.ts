/** A client's HTTP/1.1 connection: one request after the other; what is sent ahead waits, bounded, in the socket. */
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { bodyReader } from "../http1/body-reader.ts";
import type { BodyReader } from "../http1/body-reader.ts";
import { Fields } from "../http1/fields.ts";
import { readRequestHead } from "../http1/request-head.ts";
import type { RequestHead } from "../http1/request-head.ts";
import type { BodySink, ClientRequest, ClientStream, Peer, StreamHandler, StreamOwner } from "./client-stream.ts";
import type { Deadlines, Timed } from "./deadlines.ts";
import type { HttpDate } from "./http-date.ts";
import { wantsWebSocket } from "./message.ts";
import { OutgoingBatch } from "./outgoing-batch.ts";

/** Time for a client to send its head, in milliseconds. */
export const HEAD_TIMEOUT_MS = 20_000;
/** Time that an idle connection of a client is kept, in milliseconds. */
export const CLIENT_IDLE_MS = 75_000;
/** Requests on one connection of a client. */
export const MAX_REQUESTS_PER_CONNECTION = 10_000;
/** After the last response, what the client still sends is read and dropped for so long, so that it sees the response. In milliseconds. */
export const LINGER_MS = 2_000;
/** A client that has closed its side may only be gone: the response has so long to be whole. In milliseconds. */
export const HALF_CLOSED_MS = 10_000;

type Phase = "head" | "request" | "closing" | "detached" | "closed";
type ResponseBody = "none" | "known" | "chunked" | "close";

/** What stands before the first request. */
const noRequest: ClientRequest = {
  method: "",
  target: "",
  version: "1.1",
  authority: undefined,
  fields: new Fields(),
  hasBody: false,
  contentLength: undefined,
};

/** What a connection works with. */
export interface Http1ClientOptions {
  readonly socket: Socket;
  readonly peer: Peer;
  readonly handler: StreamHandler;
  readonly deadlines: Deadlines;
  readonly date: HttpDate;
  readonly onClose: (connection: Http1Client) => void;
}

/** See the module. It is itself the stream of the request under way. */
export class Http1Client implements ClientStream, Timed {
  readonly peer: Peer;
  owner: StreamOwner | undefined;
  begun = 0;
  ingress = "";
  request: ClientRequest;
  status = 0;
  bodyDone = true;
  deadline: number;
  readonly #socket: Socket;
  readonly #handler: StreamHandler;
  readonly #deadlines: Deadlines;
  readonly #date: HttpDate;
  readonly #out: OutgoingBatch;
  readonly #unlisten: () => void;
  #phase: Phase = "head";
  /** Arrived, and not looked at yet. */
  #held: Buffer | undefined;
  #paused = false;
  #advancing = false;
  #halfClosed = false;
  #served = 0;
  #keep = false;
  #body: BodyReader | undefined;
  #sink: BodySink | undefined;
  #stopped = false;
  #responseBody: ResponseBody = "none";

  constructor(options: Http1ClientOptions) {
    const { socket, peer, handler, deadlines, date, onClose } = options;
    this.peer = peer;
    this.request = noRequest;
    this.#socket = socket;
    this.#handler = handler;
    this.#deadlines = deadlines;
    this.#date = date;
    this.#out = new OutgoingBatch({ socket });
    this.deadline = deadlines.after(HEAD_TIMEOUT_MS);
    deadlines.add(this);
    const onData = (chunk: Buffer): void => this.#take(chunk);
    const onDrain = (): void => this.#drained();
    const onEnd = (): void => this.#ended();
    socket.on("data", onData).on("drain", onDrain).on("end", onEnd);
    this.#unlisten = () => socket.off("data", onData).off("drain", onDrain).off("end", onEnd);
    socket.on("finish", () => {
      if (this.#phase === "closing") this.deadline = deadlines.after(LINGER_MS);
    });
    // What went wrong is told by the close that follows.
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#phase !== "detached") deadlines.delete(this);
      const gone = this.#phase === "request";
      this.#phase = "closed";
      if (gone) this.#gone();
      onClose(this);
    });
  }

  get headSent(): boolean {
    return this.status !== 0;
  }

  /** No request is under way and all that was to be sent is sent. */
  get quiet(): boolean {
    return this.#phase !== "request" && (this.#phase === "detached" || this.#socket.writableLength === 0);
  }

  /** Closes it if nothing is under way; else the response under way is the last. */
  drain(): void {
    if (this.#phase === "head") this.#close();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  expire(): void {
    // Half a head deserves an answer; silence does not.
    if (this.#phase === "head" && this.#held !== undefined) return this.#refuse(408);
    this.destroy();
  }

  sendContinue(): void {
    if (this.#phase !== "request" || this.headSent) return;
    this.#out.addText("HTTP/1.1 100 Continue\r\n\r\n");
    this.#out.flush();
  }

  readBody(sink: BodySink): void {
    if (this.#phase !== "request") return;
    this.#sink = sink;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && !this.bodyDone) this.#readBody(held);
    if (this.#held === undefined && !this.#stopped) this.#resume();
  }

  resumeBody(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    if (this.#phase === "request" && !this.bodyDone) this.#resume();
  }

  sendHead(options: { status: number; reason: string; fields: Fields; hasBody: boolean; close?: boolean }): void {
    if (this.#phase !== "request" || this.headSent) return;
    const { status, reason, fields, hasBody } = options;
    const { keys, names, values } = fields;
    const old = this.request.version === "1.0";
    this.status = status;
    let text = `HTTP/1.1 ${status} ${reason === "" ? (STATUS_CODES[status] ?? "") : reason}\r\n`;
    let known = false;
    let dated = false;
    for (let at = 0; at < keys.length; at += 1) {
      const key = keys[at];
      if (key === "content-length") known = true;
      else if (key === "date") dated = true;
      text += `${names[at]}: ${values[at]}\r\n`;
    }
    if (!dated) text += `date: ${this.#date.text()}\r\n`;
    if (status === 101) this.#responseBody = "none";
    else {
      this.#responseBody = !hasBody ? "none" : known ? "known" : old ? "close" : "chunked";
      if (this.#responseBody === "chunked") text += "transfer-encoding: chunked\r\n";
      // A body that nobody has read would be taken for the next request.
      this.#keep &&= this.bodyDone && this.#responseBody !== "close" && !this.#handler.draining;
      if (options.close === true || (this.#halfClosed && this.#held === undefined)) this.#keep = false;
      if (!this.#keep) text += "connection: close\r\n";
      else if (old) text += "connection: keep-alive\r\n";
    }
    this.#out.addText(`${text}\r\n`);
  }

  sendBody(part: Buffer): void {
    if (this.#phase !== "request" || this.#responseBody === "none" || part.length === 0) return;
    if (this.#responseBody === "chunked") {
      this.#out.addText(`${part.length.toString(16)}\r\n`);
      this.#out.addBytes(part);
      this.#out.addText("\r\n");
    } else this.#out.addBytes(part);
  }

  flush(): boolean {
    return this.#out.flush();
  }

  end(trailers?: Fields): void {
    if (this.#phase !== "request") return;
    if (this.#responseBody === "chunked") {
      let text = "0\r\n";
      for (let at = 0; at < (trailers?.size ?? 0); at += 1)
        text += `${trailers?.names[at]}: ${trailers?.values[at]}\r\n`;
      this.#out.addText(`${text}\r\n`);
    }
    this.#out.flush();
    this.#finish();
    if (!this.#keep || this.#handler.draining) return this.#close();
    this.deadline = this.#deadlines.after(CLIENT_IDLE_MS);
    this.#phase = "head";
    if (this.#halfClosed && this.#held === undefined) return this.#close();
    if (this.#held !== undefined) this.#advance();
  }

  cut(): void {
    if (this.#phase !== "request") return;
    this.#finish();
    this.#phase = "closing";
    // A proper end would make a response that is framed by it look complete; TLS tells the two apart by itself.
    if (this.peer.secure) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }

  detach(): { readonly socket: Socket; readonly early: Buffer | undefined } {
    this.#out.flush();
    this.#finish();
    this.#phase = "detached";
    this.#deadlines.delete(this);
    const early = this.#held;
    this.#held = undefined;
    this.#unlisten();
    return { socket: this.#socket, early };
  }

  #take(chunk: Buffer): void {
    if (this.#phase === "closing" || this.#phase === "closed") return;
    if (this.#phase === "request" && !this.bodyDone && this.#sink !== undefined && this.#held === undefined) {
      return this.#readBody(chunk);
    }
    this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk]);
    if (this.#phase === "head") this.#advance();
    else this.#pause();
  }

  /** Serves one request after the other as long as they are at hand and answered at once. */
  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (this.#phase === "head" && this.#held !== undefined) {
      // Who does not read its responses gets no further ones.
      if (this.#socket.writableNeedDrain) {
        this.#pause();
        break;
      }
      const bytes = this.#held;
      const head = readRequestHead(bytes);
      if (head === undefined) {
        if (this.deadline > this.#deadlines.after(HEAD_TIMEOUT_MS))
          this.deadline = this.#deadlines.after(HEAD_TIMEOUT_MS);
        this.#resume();
        break;
      }
      if ("refused" in head) {
        this.#refuse(head.refused);
        break;
      }
      this.#held = bytes.length > head.size ? bytes.subarray(head.size) : undefined;
      this.#begin(head);
    }
    if (this.#phase === "head" && this.#held === undefined) this.#resume();
    this.#advancing = false;
  }

  #begin(head: RequestHead): void {
    const { method, target, minor, fields, framing } = head;
    const connection = fields.get("connection")?.toLowerCase();
    this.#served += 1;
    this.#keep =
      minor === 1 ? connection === undefined || !/\bclose\b/.test(connection) : /\bkeep-alive\b/.test(connection ?? "");
    if (this.#served >= MAX_REQUESTS_PER_CONNECTION) this.#keep = false;
    this.status = 0;
    this.#phase = "request";
    this.deadline = Number.POSITIVE_INFINITY;
    this.#sink = undefined;
    this.#stopped = false;
    this.bodyDone = framing.kind === "none";
    this.#body = this.bodyDone ? undefined : bodyReader(framing);
    this.request = {
      method,
      target,
      version: minor === 1 ? "1.1" : "1.0",
      authority: fields.get("host"),
      fields,
      hasBody: !this.bodyDone,
      contentLength: framing.kind === "length" ? framing.length : undefined,
    };
    // What a client sends behind its opening handshake is no request, even where the endpoint does not want to.
    if (wantsWebSocket(this.request)) this.#keep = false;
    this.#handler.handle(this);
  }

  #readBody(bytes: Buffer): void {
    const body = this.#body;
    const sink = this.#sink;
    if (body === undefined || sink === undefined) return;
    const end = body.read(bytes, 0, sink);
    if (this.#phase !== "request") return;
    if (end < 0) return this.owner?.onBadBody();
    if (body.done) {
      this.bodyDone = true;
      if (end < bytes.length) {
        this.#held = bytes.subarray(end);
        this.#pause();
      }
      sink.onBodyEnd(body.trailers);
    }
    if (this.#halfClosed && !this.bodyDone) return this.destroy();
    if (!sink.onBodyBatch() && !this.bodyDone) {
      this.#stopped = true;
      this.#pause();
    }
  }

  #drained(): void {
    if (this.#phase === "request") this.owner?.onClientDrain();
    else if (this.#phase === "head") {
      this.deadline = this.#deadlines.after(CLIENT_IDLE_MS);
      this.#advance();
    } else if (this.#phase === "closing") this.deadline = this.#deadlines.after(CLIENT_IDLE_MS);
  }

  /** The client sends no more. */
  #ended(): void {
    const atHand = this.bodyDone || (this.#sink === undefined && this.#held !== undefined);
    if (this.#phase === "request" && atHand) {
      this.#halfClosed = true;
      this.deadline = this.#deadlines.after(HALF_CLOSED_MS);
    } else if (this.#phase === "head" && this.#held === undefined) this.#close();
    else if (this.#phase === "closing") this.#socket.destroySoon();
    else this.destroy();
  }

  /** Answers what is not even a request, and closes. */
  #refuse(status: number): void {
    const text = STATUS_CODES[status] ?? "Error";
    const body = `${status} ${text}\n`;
    const fields = `server: fairlead\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}`;
    this.#out.addText(
      `HTTP/1.1 ${status} ${text}\r\n${fields}\r\ndate: ${this.#date.text()}\r\nconnection: close\r\n\r\n${body}`,
    );
    this.#out.flush();
    this.#close();
  }

  /** Ends our side; what the client still sends is dropped for a while, as closing at once would take the response from it. */
  #close(): void {
    this.#phase = "closing";
    this.#held = undefined;
    this.deadline = this.#deadlines.after(CLIENT_IDLE_MS);
    if (this.#socket.readableEnded) this.#socket.destroySoon();
    else {
      this.#socket.end();
      this.#resume();
    }
  }

  #finish(): void {
    this.owner = undefined;
    this.#sink = undefined;
    this.#body = undefined;
    this.#handler.ended(this);
  }

  #gone(): void {
    const owner = this.owner;
    this.#finish();
    owner?.onClientGone();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }
}
