/** What is read off a request once, or why it is not even routed. */
import { randomFillSync } from "node:crypto";
import { requestPath } from "../plan/request-path.ts";
import type { ClientRequest, Peer } from "./client-stream.ts";
import { givenRequestId } from "./request-headers.ts";
import type { Origin } from "./request-headers.ts";
import type { ProxySettings } from "./settings.ts";

/** What every step needs to know of a request. */
export interface RequestFacts {
  readonly request: ClientRequest;
  /** Lower case, without port and final dot. */
  readonly host: string;
  /** As routes are matched, see requestPath. */
  readonly path: string;
  /** Path and query as the client wrote them. */
  readonly target: string;
  readonly origin: Origin;
}

/** Why a request is not even routed. */
export interface BadRequest {
  readonly status: 400 | 405 | 417;
  readonly reason: string;
}

const authorityPattern = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~-]+)(?::\d{1,5})?$/;

/** Whether a request asks for a WebSocket (RFC 6455, 4.1). */
export function wantsWebSocket({ method, version, fields }: ClientRequest): boolean {
  if (version !== "1.1" || method !== "GET" || fields.get("upgrade")?.toLowerCase() !== "websocket") return false;
  return /(?:^|,)[ \t]*upgrade[ \t]*(?:,|$)/i.test(fields.get("connection") ?? "");
}

/** Reads a request, or says why it is refused. */
export function readFacts(request: ClientRequest, peer: Peer, settings: ProxySettings): RequestFacts | BadRequest {
  const { method, version, fields } = request;
  if (method === "CONNECT") return { status: 405, reason: "CONNECT is not served" };
  if (method === "TRACE") return { status: 405, reason: "TRACE is not served" };
  if (request.hasBody && wantsWebSocket(request)) return { status: 400, reason: "a WebSocket begins without a body" };
  const expectation = fields.get("expect");
  // Any other expectation is one that we do not meet (RFC 9110, 10.1.1).
  if (expectation !== undefined && expectation.toLowerCase() !== "100-continue") {
    return { status: 417, reason: "the expectation is unknown" };
  }
  let { target, authority } = request;
  if (!target.startsWith("/")) {
    const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(target);
    if (absolute === null) return { status: 400, reason: "the request target is no path" };
    if (absolute[1]?.toLowerCase() !== authority?.toLowerCase()) {
      return { status: 400, reason: "the request target and Host name different hosts" };
    }
    const rest = absolute[2] ?? "";
    target = rest.startsWith("/") ? rest : `/${rest}`;
  }
  if (authority === undefined) {
    // HTTP/1.0 knows no Host; only rules for all hosts can serve it.
    if (version !== "1.0") return { status: 400, reason: "Host is missing" };
    authority = "";
  } else if (!authorityPattern.test(authority)) return { status: 400, reason: "Host is no host name" };
  const path = requestPath(target);
  if (path === undefined) return { status: 400, reason: "the request target is no path" };
  return { request, host: hostOf(authority), path, target, origin: readOrigin(request, peer, authority, settings) };
}

function hostOf(authority: string): string {
  const colon = authority.startsWith("[") ? authority.indexOf("]") + 1 : authority.indexOf(":");
  const host = (colon === -1 ? authority : authority.slice(0, colon)).toLowerCase();
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

function readOrigin({ fields }: ClientRequest, peer: Peer, authority: string, settings: ProxySettings): Origin {
  const requestId = givenRequestId(fields.get("x-request-id")) ?? newRequestId();
  const { address, secure, localPort, memo } = peer;
  const scheme = secure ? "https" : "http";
  const direct: Origin = { client: address, scheme, authority, port: localPort, requestId, memo };
  if (!settings.isTrusted(address)) return direct;
  const forwardedFor = list(fields.get("x-forwarded-for"));
  let client = address;
  let believed = forwardedFor.length;
  // From the nearest hop outwards, up to the first that we do not know.
  while (believed > 0 && settings.isTrusted(client)) client = plainAddress(forwardedFor[--believed] ?? "");
  const said = fields.get("x-forwarded-proto");
  const forwarded = fields.get("forwarded");
  const earlier = forwardedFor.slice(0, believed).join(", ");
  return {
    ...direct,
    // All of this is what this one request says.
    memo: { authority: "", text: undefined },
    client,
    scheme: said === "https" || said === "http" ? said : scheme,
    ...(earlier === "" ? {} : { earlierFor: earlier }),
    ...(forwarded === undefined ? {} : { earlierForwarded: forwarded }),
  };
}

function list(value: string | undefined): string[] {
  return (value ?? "").split(",").flatMap((item) => (item.trim() === "" ? [] : [item.trim()]));
}

/** An IPv4 address that a socket for both families shows as IPv6, as it is. */
export function plainAddress(address: string): string {
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

const randomness = Buffer.alloc(4096);
let used = randomness.length;

/** 128 random bits; drawn for many requests at a time. */
function newRequestId(): string {
  if (used === randomness.length) {
    randomFillSync(randomness);
    used = 0;
  }
  used += 16;
  return randomness.toString("hex", used - 16, used);
}
