/** A client's request and the way back to it, alike for both versions of HTTP: the seam between the doors and what is done with a request. */
import type { Socket } from "node:net";
import type { Fields } from "../http1/fields.ts";
import type { BodyParts } from "../http1/body-reader.ts";
import type { OriginMemo } from "./request-headers.ts";

/** The client's end of a connection. */
export interface Peer {
  readonly address: string;
  /** Port that the client came to. */
  readonly localPort: number;
  readonly secure: boolean;
  readonly memo: OriginMemo;
}

/** What a request says, its grammar checked. */
export interface ClientRequest {
  readonly method: string;
  /** As the client wrote it; over HTTP/2 the path. */
  readonly target: string;
  readonly version: "1.0" | "1.1" | "2";
  /** Host, or the authority of HTTP/2; undefined where HTTP/1.0 has none. */
  readonly authority: string | undefined;
  readonly fields: Fields;
  readonly hasBody: boolean;
  /** Length of the body where the client says so. */
  readonly contentLength: number | undefined;
}

/** Takes a request's body. */
export interface BodySink extends BodyParts {
  /** The body is whole. */
  onBodyEnd(trailers: Fields): void;
  /** All parts that arrived together were handed over; false stops the client until {@link ClientStream.resumeBody}. */
  onBodyBatch(): boolean;
}

/** Is told what becomes of the client while its request is served. */
export interface StreamOwner {
  /** The client takes more of the response again. */
  onClientDrain(): void;
  /** The client is gone: nothing more can be sent. */
  onClientGone(): void;
  /** What the client sends as its body is none; an answer is still possible while no head has gone out. */
  onBadBody(): void;
}

/** Serves what comes in through the doors. */
export interface StreamHandler {
  /** Each response is the last on its connection. */
  readonly draining: boolean;
  /** A request has come. Never throws. */
  handle(stream: ClientStream): void;
  /** Its response has been handed to the socket whole, or has broken off. Called once for each request. */
  ended(stream: ClientStream): void;
}

/** See the module. One request; calls after its end do nothing. */
export interface ClientStream {
  readonly request: ClientRequest;
  readonly peer: Peer;
  readonly headSent: boolean;
  /** All of the body has been read. */
  readonly bodyDone: boolean;
  /** Status that went out; 0 before. */
  readonly status: number;
  owner: StreamOwner | undefined;
  /** Kept for the handler: when the request came (monotonic, in milliseconds), and the Ingress that serves it. */
  begun: number;
  ingress: string;
  /** Answers `Expect: 100-continue`. */
  sendContinue(): void;
  /** Hands the body over, beginning with what is at hand. */
  readBody(sink: BodySink): void;
  resumeBody(): void;
  /**
   * Sends a head; nothing leaves before {@link flush} or {@link end}. The fields are checked and hold nothing of the connection.
   * `hasBody` is false where the response has none by its kind, `close` makes it the last one of an HTTP/1.1 connection. Throws, and has sent nothing, where this version of HTTP knows no such head.
   */
  sendHead(options: { status: number; reason: string; fields: Fields; hasBody: boolean; close?: boolean }): void;
  sendBody(part: Buffer): void;
  /** False where the client takes no more for now; {@link StreamOwner.onClientDrain} tells when it does. */
  flush(): boolean;
  /** The response is whole. */
  end(trailers?: Fields): void;
  /** Breaks off, so that no response looks complete. */
  cut(): void;
  /** After a head with status 101: gives the connection away, with what the client sent after its request. Not over HTTP/2. */
  detach?(): { readonly socket: Socket; readonly early: Buffer | undefined };
}
