/** A client's body on its way to an endpoint. */
import type { Fields } from "../http1/fields.ts";
import type { BodySink } from "./client-stream.ts";
import type { EndpointConnection } from "./endpoint-connection.ts";
import { keepSafeTrailers } from "./request-headers.ts";

/** What a body works with. */
export interface RequestBodyOptions {
  readonly connection: EndpointConnection;
  /** As the endpoint was told; undefined for chunks. */
  readonly contentLength: number | undefined;
  /** Longest body, in bytes; 0 means any. */
  readonly limit: number;
  /** It got longer than it may. */
  readonly onTooLong: () => void;
  /** It is longer or shorter than was said. */
  readonly onWrongLength: () => void;
  /** It has gone out whole. */
  readonly onDone: () => void;
}

/** See the module. */
export class RequestBody implements BodySink {
  readonly #options: RequestBodyOptions;
  #size = 0;
  #over = false;

  constructor(options: RequestBodyOptions) {
    this.#options = options;
  }

  onBody(part: Buffer): void {
    if (this.#over || part.length === 0) return;
    const { connection, contentLength, limit } = this.#options;
    this.#size += part.length;
    if (contentLength === undefined) {
      if (limit > 0 && this.#size > limit) return this.#stop(this.#options.onTooLong);
      connection.addText(`${part.length.toString(16)}\r\n`);
      connection.addBytes(part);
      connection.addText("\r\n");
    } else {
      if (this.#size > contentLength) return this.#stop(this.#options.onWrongLength);
      connection.addBytes(part);
    }
  }

  onBodyEnd(trailers: Fields): void {
    if (this.#over) return;
    const { connection, contentLength, onDone, onWrongLength } = this.#options;
    if (contentLength !== undefined && this.#size < contentLength) return this.#stop(onWrongLength);
    this.#over = true;
    if (contentLength === undefined) {
      keepSafeTrailers(trailers);
      const { names, values, size } = trailers;
      let text = "0\r\n";
      for (let at = 0; at < size; at += 1) text += `${names[at]}: ${values[at]}\r\n`;
      connection.addText(`${text}\r\n`);
    }
    connection.flush();
    onDone();
  }

  onBodyBatch(): boolean {
    return this.#over || this.#options.connection.flush();
  }

  /** Nobody wants the rest any more. */
  abandon(): void {
    this.#over = true;
  }

  #stop(why: () => void): void {
    this.#over = true;
    why();
  }
}
