/** Requests and responses of both HTTP versions, as far as they are alike, and what is read off a request once. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { TLSSocket } from "node:tls";
import { requestPath } from "../plan/request-path.ts";
import { givenRequestId } from "./request-headers.ts";
import type { Origin } from "./request-headers.ts";
import type { ProxySettings } from "./settings.ts";

export type ProxyRequest = IncomingMessage | Http2ServerRequest;
export type ProxyResponse = ServerResponse | Http2ServerResponse;

/** What every step needs to know of a request. */
export interface RequestHead {
  readonly method: string;
  /** Lower case, without port and final dot. */
  readonly host: string;
  /** As routes are matched, see requestPath. */
  readonly path: string;
  /** Path and query as the client wrote them. */
  readonly target: string;
  readonly origin: Origin;
  readonly hasBody: boolean;
  /** Length of the body where the client says so. */
  readonly contentLength: number | undefined;
}

/** Why a request is not even routed. */
export interface BadRequest {
  readonly status: 400 | 405 | 501;
  readonly reason: string;
}

const authorityPattern = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~-]+)(?::\d{1,5})?$/;

/** Whether the request came over HTTP/2. */
export function isHttp2(request: ProxyRequest): request is Http2ServerRequest {
  return request.httpVersionMajor === 2;
}

/** One value of a field that may be said once only; the first where it was said more often. */
export function field(request: ProxyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** Reads a request's head, or says why it is refused. */
export function readHead(request: ProxyRequest, settings: ProxySettings): RequestHead | BadRequest {
  const method = request.method ?? "GET";
  if (method === "CONNECT") return { status: 405, reason: "CONNECT is not served" };
  if (method === "TRACE") return { status: 405, reason: "TRACE is not served" };
  const framing = badFraming(request);
  if (framing !== undefined) return framing;
  let target = request.url ?? "/";
  let authority = isHttp2(request) ? (field(request, ":authority") ?? field(request, "host")) : field(request, "host");
  const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target);
  if (absolute) {
    if (absolute[1]?.toLowerCase() !== authority?.toLowerCase()) {
      return { status: 400, reason: "the request target and Host name different hosts" };
    }
    const rest = absolute[2] ?? "";
    target = rest.startsWith("/") ? rest : `/${rest}`;
  }
  if (authority === undefined) {
    // HTTP/1.0 knows no Host; only rules for all hosts can serve it.
    if (request.httpVersionMajor === 1 && request.httpVersionMinor === 0) authority = "";
    else return { status: 400, reason: "Host is missing" };
  } else if (!authorityPattern.test(authority)) return { status: 400, reason: "Host is no host name" };
  const path = target.startsWith("/") && !target.includes("#") ? requestPath(target) : undefined;
  if (path === undefined) return { status: 400, reason: "the request target is no path" };
  const length = field(request, "content-length");
  const contentLength = length === undefined ? undefined : Number(length);
  if (contentLength !== undefined && !Number.isSafeInteger(contentLength)) {
    return { status: 400, reason: "Content-Length is no length" };
  }
  const chunked = isHttp2(request)
    ? contentLength === undefined && !request.stream.endAfterHeaders
    : field(request, "transfer-encoding") !== undefined;
  return {
    method,
    host: hostOf(authority),
    path,
    target,
    origin: readOrigin(request, authority, settings),
    hasBody: chunked || (contentLength ?? 0) > 0,
    contentLength,
  };
}

/** What Node's parser lets pass and a backend might read otherwise. */
function badFraming(request: ProxyRequest): BadRequest | undefined {
  if (isHttp2(request)) return undefined;
  const encoding = field(request, "transfer-encoding");
  let hosts = 0;
  const raw = request.rawHeaders;
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? "";
    if (name.length === 4 && name.toLowerCase() === "host") hosts += 1;
    if (name.includes("_") && /^(?:content_length|transfer_encoding|x_forwarded_.*)$/i.test(name)) {
      return { status: 400, reason: "a field stands for another in some servers" };
    }
  }
  if (hosts > 1) return { status: 400, reason: "Host is said more than once" };
  if (encoding === undefined) return undefined;
  if (field(request, "content-length") !== undefined) return { status: 400, reason: "both lengths are given" };
  if (request.httpVersionMinor === 0) return { status: 400, reason: "HTTP/1.0 knows no Transfer-Encoding" };
  if (encoding.toLowerCase() !== "chunked") return { status: 501, reason: "only the transfer coding chunked is known" };
  return undefined;
}

function hostOf(authority: string): string {
  const bare = authority.startsWith("[") ? authority.slice(0, authority.indexOf("]") + 1) : authority.split(":", 1)[0];
  const host = (bare ?? "").toLowerCase();
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

function readOrigin(request: ProxyRequest, authority: string, settings: ProxySettings): Origin {
  const { socket } = request;
  const remote = plainAddress(socket.remoteAddress ?? "");
  const encrypted = (socket as Partial<TLSSocket>).encrypted === true;
  const given = givenRequestId(field(request, "x-request-id"));
  const requestId = given ?? randomUUID().replaceAll("-", "");
  const port = socket.localPort ?? 0;
  const direct: Origin = { client: remote, scheme: encrypted ? "https" : "http", authority, port, requestId };
  if (!settings.isTrusted(remote)) return direct;
  const forwardedFor = list(field(request, "x-forwarded-for"));
  let client = remote;
  let believed = forwardedFor.length;
  // From the nearest hop outwards, up to the first that we do not know.
  while (believed > 0 && settings.isTrusted(client)) client = plainAddress(forwardedFor[--believed] ?? "");
  const scheme = field(request, "x-forwarded-proto");
  const forwarded = field(request, "forwarded");
  const earlier = forwardedFor.slice(0, believed).join(", ");
  return {
    ...direct,
    client,
    scheme: scheme === "https" || scheme === "http" ? scheme : direct.scheme,
    ...(earlier === "" ? {} : { earlierFor: earlier }),
    ...(forwarded === undefined ? {} : { earlierForwarded: forwarded }),
  };
}

function list(value: string | undefined): string[] {
  return (value ?? "").split(",").flatMap((item) => (item.trim() === "" ? [] : [item.trim()]));
}

function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}
