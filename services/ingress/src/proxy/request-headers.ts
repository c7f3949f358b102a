/** Headers on their way through: what belongs to one connection stays on it, and what says where a request came from is ours to say. */
import type { Fields } from "../http1/fields.ts";
import { isFieldValue, isTarget } from "../http1/grammar.ts";

/** Fields of one connection (RFC 9110, 7.6.1), and those that would let a client speak for the proxy. */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);
const forwardingFields = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-forwarded-scheme",
  "x-real-ip",
  "x-request-id",
  "x-scheme",
  "host",
  "expect",
]);
/** Trailers that could change what the message means (RFC 9110, 6.5.1). */
const noTrailers = new Set([
  ...hopByHop,
  ...forwardingFields,
  "authorization",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "cookie",
  "set-cookie",
  "trailer",
]);
/** A request id that a client brings along is kept if it looks like this. */
const requestIdPattern = /^[A-Za-z0-9._-]{8,128}$/;

/** Where a request came from, as the backend is told. */
export interface Origin {
  readonly client: string;
  readonly scheme: "http" | "https";
  /** As the client wrote it, with port. */
  readonly authority: string;
  readonly port: number;
  /** What trusted proxies before us said; absent where there are none. */
  readonly earlierFor?: string;
  readonly earlierForwarded?: string;
  readonly requestId: string;
  /** Keeps the text of all this but the id for the next request of the connection, where nothing depends on the request's own fields. */
  readonly memo: OriginMemo;
}

/** See {@link Origin.memo}. */
export interface OriginMemo {
  authority: string;
  text: string | undefined;
}

/** Names that a Connection header makes hop-by-hop. */
function connectionTokens(value: string | undefined): ReadonlySet<string> | undefined {
  if (value === undefined || value === "close" || value === "keep-alive") return undefined;
  return new Set(value.split(",").map((token) => token.trim().toLowerCase()));
}

/** What makes the head of a request for an endpoint. All of it is checked before, or by {@link requestHeadText}. */
export interface OutgoingRequest {
  readonly method: string;
  readonly target: string;
  /** For the field Host. */
  readonly host: string;
  readonly fields: Fields;
  readonly origin: Origin;
  /** A body of unknown length follows. */
  readonly chunked: boolean;
  readonly webSocket: boolean;
}

/** The head as it is sent to an endpoint: the end-to-end fields, and where the request came from. Undefined where it would not be one. */
export function requestHeadText(request: OutgoingRequest): string | undefined {
  const { method, target, host, fields, chunked, webSocket } = request;
  if (!isTarget(target) || !isFieldValue(host)) return undefined;
  let text = `${method} ${target} HTTP/1.1\r\nhost: ${host}\r\n`;
  const { names, keys, values } = fields;
  const listed = connectionTokens(fields.get("connection"));
  let trailers = false;
  for (let at = 0; at < keys.length; at += 1) {
    const key = keys[at] ?? "";
    if (key === "te") trailers = (values[at] ?? "").toLowerCase().includes("trailers");
    if (hopByHop.has(key) || forwardingFields.has(key)) continue;
    // A client may not use Connection to strip what frames the body.
    if (listed?.has(key) === true && key !== "content-length") continue;
    text += `${names[at]}: ${values[at]}\r\n`;
  }
  text += originText(request.origin);
  if (chunked) text += "transfer-encoding: chunked\r\n";
  if (trailers) text += webSocket ? "" : "te: trailers\r\n";
  if (webSocket) text += "connection: Upgrade\r\nupgrade: websocket\r\n";
  return `${text}\r\n`;
}

/** What the endpoint is told of the client; most of it is the same for all requests of a connection. */
function originText(origin: Origin): string {
  const { client, scheme, authority, port, requestId, earlierFor, earlierForwarded, memo } = origin;
  if (memo.text !== undefined && memo.authority === authority) return `x-request-id: ${requestId}\r\n${memo.text}`;
  const node = client.includes(":") ? `"[${client}]"` : client;
  const forwarded = `for=${node};host="${authority}";proto=${scheme}`;
  const text = `x-real-ip: ${client}\r
x-forwarded-for: ${earlierFor === undefined ? client : `${earlierFor}, ${client}`}\r
x-forwarded-host: ${authority}\r
x-forwarded-port: ${port}\r
x-forwarded-proto: ${scheme}\r
x-forwarded-scheme: ${scheme}\r
forwarded: ${earlierForwarded === undefined ? forwarded : `${earlierForwarded}, ${forwarded}`}\r
`;
  memo.authority = authority;
  memo.text = text;
  return `x-request-id: ${requestId}\r\n${text}`;
}

/** Takes out of a response's fields what belongs to one connection. `keepLength` is false where its length says nothing. */
export function keepEndToEnd(fields: Fields, options: { readonly keepLength: boolean }): void {
  const listed = connectionTokens(fields.get("connection"));
  const { keepLength } = options;
  fields.keep((key) => {
    if (key === "content-length") return keepLength;
    return !hopByHop.has(key) && listed?.has(key) !== true;
  });
}

/** The id that a client sent, if it is one. */
export function givenRequestId(value: string | undefined): string | undefined {
  return value !== undefined && requestIdPattern.test(value) ? value : undefined;
}

/** Takes out of trailers what may not be passed on. */
export function keepSafeTrailers(trailers: Fields): void {
  if (trailers.size > 0) trailers.keep((key) => !noTrailers.has(key));
}
