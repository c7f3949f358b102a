/** How long a body is, from the fields that say so (RFC 9112, 6). */
import { refusal } from "./fields.ts";
import type { Fields, Refusal } from "./fields.ts";

/** `length` counts only where `kind` is `length`. */
export interface Framing {
  readonly kind: "none" | "length" | "chunked" | "close";
  readonly length: number;
}

export const noBody: Framing = { kind: "none", length: 0 };
export const chunkedBody: Framing = { kind: "chunked", length: 0 };
export const bodyUntilClose: Framing = { kind: "close", length: 0 };

const digits = /^\d{1,15}$/;

/**
 * What Content-Length and Transfer-Encoding say together: undefined where neither is there. Both, one of them twice, or a coding other
 * than `chunked` alone is refused, as two servers might not agree on where such a body ends.
 */
export function saidFraming(fields: Fields, minor: 0 | 1): Framing | Refusal | undefined {
  let length: string | undefined;
  let coding: string | undefined;
  const { keys, values } = fields;
  for (let at = 0; at < keys.length; at += 1) {
    const key = keys[at];
    if (key === "content-length") {
      if (length !== undefined) return refusal(400, "Content-Length is said more than once");
      length = values[at] ?? "";
    } else if (key === "transfer-encoding") {
      if (coding !== undefined) return refusal(400, "Transfer-Encoding is said more than once");
      coding = values[at] ?? "";
    }
  }
  if (coding !== undefined) {
    if (length !== undefined) return refusal(400, "both lengths are given");
    if (minor === 0) return refusal(400, "HTTP/1.0 knows no Transfer-Encoding");
    if (coding.toLowerCase() !== "chunked") return refusal(501, "only the transfer coding chunked is known");
    return chunkedBody;
  }
  if (length === undefined) return undefined;
  if (!digits.test(length)) return refusal(400, "Content-Length is no length");
  const count = Number(length);
  return count === 0 ? noBody : { kind: "length", length: count };
}
