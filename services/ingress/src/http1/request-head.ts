/** The head of a request: bytes in, a checked head or the reason for refusing it out. */
import { METHODS } from "node:http";
import { readFields, refusal } from "./fields.ts";
import type { Fields, Refusal } from "./fields.ts";
import { noBody, saidFraming } from "./framing.ts";
import type { Framing } from "./framing.ts";
import { isTargetForm, targetBytes } from "./grammar.ts";
import { headText } from "./head-text.ts";

/** One request's head. */
export interface RequestHead {
  readonly method: string;
  /** As written; checked only for its characters. */
  readonly target: string;
  /** HTTP/1.0 or HTTP/1.1. */
  readonly minor: 0 | 1;
  readonly fields: Fields;
  readonly framing: Framing;
  /** Bytes that the head took. */
  readonly size: number;
}

const methods: ReadonlySet<string> = new Set(METHODS);
const disguised = /^(?:content_length|transfer_encoding|x_forwarded_.*)$/;

/**
 * Reads the head at the front of `bytes`; undefined while it is not there whole. One empty line before it is passed over (RFC 9112,
 * 2.2), nothing else.
 */
export function readRequestHead(bytes: Buffer): RequestHead | Refusal | undefined {
  const skipped = bytes[0] === 0x0d && bytes[1] === 0x0a ? 2 : 0;
  const text = headText(skipped === 0 ? bytes : bytes.subarray(skipped));
  if (typeof text !== "string") return text;
  const methodEnd = text.indexOf(" ");
  const method = text.slice(0, Math.max(0, methodEnd));
  let at = methodEnd + 1;
  while (targetBytes[text.charCodeAt(at)] === 1) at += 1;
  if (methodEnd < 1 || at === methodEnd + 1 || text.charCodeAt(at) !== 0x20) {
    return refusal(400, "the request line is none");
  }
  const target = text.slice(methodEnd + 1, at);
  const version = text.slice(at + 1, at + 11);
  if (version !== "HTTP/1.1\r\n" && version !== "HTTP/1.0\r\n") {
    return /^HTTP\/\d\.\d\r\n$/.test(version)
      ? refusal(505, "this version of HTTP is not served")
      : refusal(400, "the request line is none");
  }
  if (!methods.has(method)) {
    return /^[A-Z-]{1,32}$/.test(method) ? refusal(501, "the method is unknown") : refusal(400, "the method is none");
  }
  // That of CONNECT is a host and port; whoever serves requests refuses the method anyway.
  if (method !== "CONNECT" && !isTargetForm(target)) return refusal(400, "the request target is none");
  const minor = version === "HTTP/1.1\r\n" ? 1 : 0;
  const fields = readFields(text, at + 11, text.length - 2);
  if ("refused" in fields) return fields;
  let hosts = 0;
  for (const key of fields.keys) {
    if (key === "host") hosts += 1;
    // Some servers take an underscore for a dash.
    else if (key.includes("_") && disguised.test(key))
      return refusal(400, "a field stands for another in some servers");
  }
  if (hosts > 1) return refusal(400, "Host is said more than once");
  if (hosts === 0 && minor === 1) return refusal(400, "Host is missing");
  const framing = saidFraming(fields, minor) ?? noBody;
  if ("refused" in framing) return framing;
  return { method, target, minor, fields, framing, size: text.length + skipped };
}
