/** Headers on their way through: what belongs to one connection stays on it, and what says where a request came from is ours to say. */

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
}

/** Names that a Connection header makes hop-by-hop. */
export function connectionTokens(value: string | undefined): ReadonlySet<string> | undefined {
  if (value === undefined || value === "close" || value === "keep-alive") return undefined;
  return new Set(value.split(",").map((token) => token.trim().toLowerCase()));
}

/** The end-to-end fields of a message as name, value, name, value. `connection` is the value of its Connection header. */
export function endToEnd(
  raw: readonly string[],
  connection: string | undefined,
  options: { readonly request: boolean },
): string[] {
  const listed = connectionTokens(connection);
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? "";
    // HTTP/2 carries method, path and authority as fields that begin with a colon.
    if (name.startsWith(":")) continue;
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || (options.request && forwardingFields.has(lower))) continue;
    // A client may not use Connection to strip what frames the body.
    if (listed?.has(lower) === true && lower !== "content-length") continue;
    kept.push(name, raw[at + 1] ?? "");
  }
  return kept;
}

/** Adds what the backend is told of the client. */
export function addOrigin(headers: string[], origin: Origin, host: string): void {
  const { client, scheme, authority, port, requestId } = origin;
  const node = client.includes(":") ? `"[${client}]"` : client;
  const forwarded = `for=${node};host="${authority}";proto=${scheme}`;
  headers.push(
    "host",
    host,
    "x-request-id",
    requestId,
    "x-real-ip",
    client,
    "x-forwarded-for",
    origin.earlierFor === undefined ? client : `${origin.earlierFor}, ${client}`,
    "x-forwarded-host",
    authority,
    "x-forwarded-port",
    String(port),
    "x-forwarded-proto",
    scheme,
    "x-forwarded-scheme",
    scheme,
    "forwarded",
    origin.earlierForwarded === undefined ? forwarded : `${origin.earlierForwarded}, ${forwarded}`,
  );
}

/** The id that a client sent, if it is one. */
export function givenRequestId(value: string | undefined): string | undefined {
  return value !== undefined && requestIdPattern.test(value) ? value : undefined;
}

/** The trailers that may be passed on. */
export function safeTrailers(raw: readonly string[]): [string, string][] {
  const kept: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? "";
    if (!name.startsWith(":") && !noTrailers.has(name.toLowerCase())) kept.push([name, raw[at + 1] ?? ""]);
  }
  return kept;
}
