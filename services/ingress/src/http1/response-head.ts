/** The head of a response: bytes in, a checked head or the reason for refusing it out. */
import { readFields, refusal } from "./fields.ts";
import type { Fields, Refusal } from "./fields.ts";
import { bodyUntilClose, noBody, saidFraming } from "./framing.ts";
import type { Framing } from "./framing.ts";
import { valueBytes } from "./grammar.ts";
import { headText } from "./head-text.ts";

/** One response's head. */
export interface ResponseHead {
  readonly status: number;
  /** May be empty. */
  readonly reason: string;
  readonly fields: Fields;
  readonly framing: Framing;
  /** The connection may carry another request after this response. */
  readonly keepAlive: boolean;
  /** Bytes that the head took. */
  readonly size: number;
}

/** Whether a response to this method with this status never has a body, whatever its fields say (RFC 9112, 6.3). */
export function isBodyless(method: string, status: number): boolean {
  return method === "HEAD" || status === 204 || status === 304 || status < 200;
}

/** Reads the head at the front of `bytes`, the answer to a request of this method; undefined while it is not there whole. */
export function readResponseHead(bytes: Buffer, method: string): ResponseHead | Refusal | undefined {
  const text = headText(bytes);
  if (typeof text !== "string") return text;
  const version = text.slice(0, 9);
  if (version !== "HTTP/1.1 " && version !== "HTTP/1.0 ") return refusal(400, "the status line is none");
  const minor = version === "HTTP/1.1 " ? 1 : 0;
  const digits = text.slice(9, 12);
  let at = 12;
  let code = text.charCodeAt(at);
  if (!/^[1-9]\d\d$/.test(digits) || (code !== 0x20 && code !== 0x0d)) return refusal(400, "the status line is none");
  while (valueBytes[code] === 1) code = text.charCodeAt((at += 1));
  if (code !== 0x0d || text.charCodeAt(at + 1) !== 0x0a) return refusal(400, "the status line is none");
  const status = Number(digits);
  const fields = readFields(text, at + 2, text.length - 2);
  if ("refused" in fields) return fields;
  const said = saidFraming(fields, minor);
  if (said !== undefined && "refused" in said) return said;
  const framing = isBodyless(method, status) ? noBody : (said ?? bodyUntilClose);
  const connection = fields.get("connection")?.toLowerCase();
  const keepAlive =
    minor === 1 && framing.kind !== "close" && (connection === undefined || !/\bclose\b/.test(connection));
  return { status, reason: text.slice(13, at), fields, framing, keepAlive, size: text.length };
}
