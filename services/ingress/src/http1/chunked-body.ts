/** The chunked coding (RFC 9112, 7.1), to the letter: nothing that two servers might read in two ways. */
import type { BodyParts, BodyReader } from "./body-reader.ts";
import { Fields, readFields } from "./fields.ts";
import { MAX_HEAD_BYTES, tokenBytes, valueBytes } from "./grammar.ts";

/** Hexadecimal digits of a chunk's size: up to 256 TiB. */
export const MAX_CHUNK_SIZE_DIGITS = 12;
/** Bytes of all chunk extensions of one body together: they are dropped, and cost the reader only. */
export const MAX_EXTENSION_BYTES = 16 * 1024;

const framingKeys = new Set(["content-length", "transfer-encoding"]);

/** What the next byte may be. */
type Place =
  | "size"
  | "extension name"
  | "extension value"
  | "extension token"
  | "quoted"
  | "quoted pair"
  | "after quoted"
  | "line feed"
  | "data"
  | "data return"
  | "data feed"
  | "trailers"
  | "done"
  | "bad";

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** See the module. */
export class ChunkedBody implements BodyReader {
  trailers = new Fields();
  #place: Place = "size";
  #left = 0;
  #digits = 0;
  #named = false;
  #extensionBytes = 0;
  #held: Buffer | undefined;

  get done(): boolean {
    return this.#place === "done";
  }

  read(bytes: Buffer, at: number, parts: BodyParts): number {
    while (at < bytes.length && this.#place !== "done") {
      if (this.#place === "data") {
        const end = Math.min(bytes.length, at + this.#left);
        this.#left -= end - at;
        parts.onBody(bytes.subarray(at, end));
        at = end;
        if (this.#left === 0) this.#place = "data return";
      } else if (this.#place === "trailers") {
        at = this.#readTrailers(bytes, at);
        if (at < 0) return -1;
      } else {
        this.#place = this.#step(bytes[at] ?? 0);
        if (this.#place === "bad") return -1;
        at += 1;
      }
    }
    return at;
  }

  #step(code: number): Place {
    switch (this.#place) {
      case "size": {
        const digit = hexDigit(code);
        if (digit === -1) return this.#digits === 0 ? "bad" : this.#lineEnd(code);
        if (this.#digits === MAX_CHUNK_SIZE_DIGITS) return "bad";
        this.#digits += 1;
        this.#left = this.#left * 16 + digit;
        return "size";
      }
      case "line feed":
        if (code !== 0x0a) return "bad";
        this.#digits = 0;
        return this.#left === 0 ? "trailers" : "data";
      case "data return":
        return code === 0x0d ? "data feed" : "bad";
      case "data feed":
        return code === 0x0a ? "size" : "bad";
      default:
        this.#extensionBytes += 1;
        return this.#extensionBytes > MAX_EXTENSION_BYTES ? "bad" : this.#extension(code);
    }
  }

  /** `;name`, `;name=token` or `;name="quoted"`, without white space. */
  #extension(code: number): Place {
    const isToken = tokenBytes[code] === 1;
    switch (this.#place) {
      case "extension name":
        if (isToken) this.#named = true;
        else if (!this.#named) return "bad";
        else if (code === 0x3d) return "extension value";
        return isToken ? "extension name" : this.#lineEnd(code);
      case "extension value":
        if (code === 0x22) return "quoted";
        return isToken ? "extension token" : "bad";
      case "extension token":
        return isToken ? "extension token" : this.#lineEnd(code);
      case "quoted":
        if (code === 0x22) return "after quoted";
        if (code === 0x5c) return "quoted pair";
        return valueBytes[code] === 1 ? "quoted" : "bad";
      case "quoted pair":
        return valueBytes[code] === 1 ? "quoted" : "bad";
      default:
        return this.#lineEnd(code);
    }
  }

  #lineEnd(code: number): Place {
    this.#named = false;
    if (code === 0x0d) return "line feed";
    return code === 0x3b ? "extension name" : "bad";
  }

  #readTrailers(bytes: Buffer, at: number): number {
    const before = this.#held?.length ?? 0;
    const rest = bytes.subarray(at);
    const held = this.#held === undefined ? rest : Buffer.concat([this.#held, rest]);
    let size = 0;
    if (held[0] === 0x0d) {
      if (held.length > 1 && held[1] !== 0x0a) return -1;
      size = held.length > 1 ? 2 : 0;
    } else {
      // The line end before may have come with what was held.
      const end = held.indexOf("\r\n\r\n", Math.max(0, before - 3), "latin1");
      size = end === -1 ? 0 : end + 4;
    }
    if (size > MAX_HEAD_BYTES || (size === 0 && held.length > MAX_HEAD_BYTES)) return -1;
    if (size === 0) {
      this.#held = held;
      return bytes.length;
    }
    const trailers = readFields(held.toString("latin1", 0, size), 0, size - 2);
    // A trailer cannot frame anything any more; who sends one means another server than us.
    if ("refused" in trailers || trailers.keys.some((key) => framingKeys.has(key))) return -1;
    this.trailers = trailers;
    this.#held = undefined;
    this.#place = "done";
    return at + size - before;
  }
}
