/** Takes a body out of the bytes of a connection, piece by piece as they come. */
import { ChunkedBody } from "./chunked-body.ts";
import { Fields } from "./fields.ts";
import type { Framing } from "./framing.ts";

/** Takes the parts of a body; they are views of the bytes that arrived, not copies. */
export interface BodyParts {
  onBody(part: Buffer): void;
}

/** Reads one body. */
export interface BodyReader {
  /** The body has been read to its end. */
  readonly done: boolean;
  /** Fields after the body; complete when `done`. */
  readonly trailers: Fields;
  /** Reads on from `at` and gives the offset behind what belongs to the body, or -1 where the bytes are no such body. */
  read(bytes: Buffer, at: number, parts: BodyParts): number;
}

const noTrailers = new Fields();

/** A body of known length. */
class LengthBody implements BodyReader {
  readonly trailers = noTrailers;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  read(bytes: Buffer, at: number, parts: BodyParts): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    if (end > at) parts.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    return end;
  }
}

/** A body that ends with the connection: it is never done by itself. */
class OpenBody implements BodyReader {
  readonly done = false;
  readonly trailers = noTrailers;

  read(bytes: Buffer, at: number, parts: BodyParts): number {
    if (bytes.length > at) parts.onBody(at === 0 ? bytes : bytes.subarray(at));
    return bytes.length;
  }
}

/** The reader for a framing. */
export function bodyReader({ kind, length }: Framing): BodyReader {
  if (kind === "chunked") return new ChunkedBody();
  return kind === "close" ? new OpenBody() : new LengthBody(length);
}
