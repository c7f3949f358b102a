/** What becomes of a request before any endpoint is asked: an answer of our own, or a route to follow. */
import { cidrMatcher } from "@fairlead/types";
import type { Cidr, Random } from "@fairlead/types";
import type { CanaryPolicy } from "../annotations/policy.ts";
import type { RouteTable } from "../plan/route-table.ts";
import type { BackendRef, RouteMatch } from "../plan/route.ts";
import type { Fields } from "../http1/fields.ts";
import { cookieValue } from "./cookies.ts";
import { corsHeaders } from "./cross-origin-headers.ts";
import type { RequestFacts } from "./message.ts";
import type { ProxySettings } from "./settings.ts";

/** An answer of our own; `headers` are name, value, name, value. */
export interface Answer {
  readonly kind: "answer";
  readonly status: number;
  readonly headers: readonly string[];
  readonly ingress?: string;
}

/** Where to go. */
export interface Proceed {
  readonly kind: "proceed";
  readonly match: RouteMatch;
  readonly backend: BackendRef;
  /** Path and query for the backend. */
  readonly target: string;
  readonly maxBodyBytes: number;
}

const matchers = new WeakMap<readonly Cidr[], (address: string) => boolean>();

/** Decides. */
export function decide(
  facts: RequestFacts,
  options: { readonly table: RouteTable; readonly settings: ProxySettings; readonly random: Random },
): Answer | Proceed {
  const { table, settings, random } = options;
  const { request, host, path, target, origin } = facts;
  const { fields, method } = request;
  const match = table.match(host, path);
  const www = match !== undefined && table.hasHost(host) ? undefined : wwwTwin(facts, table);
  if (www !== undefined) return www;
  if (match === undefined) return { kind: "answer", status: 404, headers: [] };
  const { route } = match;
  const { policy, ingress } = route;
  const answer = (status: number, headers: readonly string[] = []): Answer => ({
    kind: "answer",
    status,
    headers,
    ingress,
  });
  if (policy.deny !== undefined && inRanges(policy.deny, origin.client)) return answer(403);
  if (policy.allow !== undefined && !inRanges(policy.allow, origin.client)) return answer(403);
  const { redirect } = policy;
  if (origin.scheme === "http") {
    if (redirect.forceSsl || (route.tls && (redirect.ssl ?? settings.sslRedirect))) {
      const port = settings.httpsPort();
      return answer(308, ["location", `https://${host}${port === 443 ? "" : `:${port}`}${target}`]);
    }
  }
  if (redirect.to !== undefined) return answer(redirect.to.code, ["location", redirect.to.url]);
  if (redirect.appRoot !== undefined && path === "/") return answer(302, ["location", redirect.appRoot]);
  const preflight = method === "OPTIONS" && fields.get("access-control-request-method") !== undefined;
  if (policy.cors !== undefined && preflight) {
    return answer(204, corsHeaders(policy.cors, fields.get("origin"), true));
  }
  const maxBodyBytes = policy.maxBodyBytes ?? settings.maxBodyBytes;
  if (maxBodyBytes > 0 && (request.contentLength ?? 0) > maxBodyBytes) return answer(413);
  const canary = route.canary;
  const isCanary = canary?.policy.canary !== undefined && choosesCanary(canary.policy.canary, fields, random);
  const backend = isCanary && canary !== undefined ? canary.backend : route.backend;
  return { kind: "proceed", match, backend, target: targetFor(match, target), maxBodyBytes };
}

/** `from-to-www-redirect`: the host with or without www that has no rule of its own goes to the one that has. */
function wwwTwin({ host, path, target, origin }: RequestFacts, table: RouteTable): Answer | undefined {
  const twin = host.startsWith("www.") ? host.slice(4) : `www.${host}`;
  if (!table.hasHost(twin)) return undefined;
  const route = table.match(twin, path)?.route;
  if (route?.policy.redirect.wwwRedirect !== true || route.host !== twin) return undefined;
  const port = /:\d+$/.exec(origin.authority)?.[0] ?? "";
  const location = `${origin.scheme}://${twin}${port}${target}`;
  return { kind: "answer", status: 308, headers: ["location", location], ingress: route.ingress };
}

function inRanges(ranges: readonly Cidr[], address: string): boolean {
  const matcher = matchers.get(ranges) ?? cidrMatcher(ranges);
  matchers.set(ranges, matcher);
  return matcher(address);
}

/** Header before cookie before weight, as ingress-nginx orders them. */
export function choosesCanary(policy: CanaryPolicy, fields: Fields, random: Random): boolean {
  const value = policy.header === undefined ? undefined : fields.get(policy.header);
  if (value !== undefined) {
    if (policy.headerValue !== undefined) {
      if (value === policy.headerValue) return true;
    } else if (policy.headerPattern !== undefined) {
      if (value.length <= 384 && policy.headerPattern.test(value)) return true;
    } else if (value === "always") return true;
    else if (value === "never") return false;
  }
  const cookie = policy.cookie === undefined ? undefined : cookieValue(fields.get("cookie"), policy.cookie);
  if (cookie === "always") return true;
  if (cookie === "never") return false;
  return policy.weight > 0 && random() * policy.weightTotal < policy.weight;
}

/** The target for the backend: as it came, or rewritten. */
function targetFor({ route, captures = [] }: RouteMatch, target: string): string {
  const rewrite = route.policy.rewriteTarget;
  if (rewrite === undefined) return target;
  const path = rewrite.replaceAll(/\$([1-9])/g, (_, group: string) => captures[Number(group)] ?? "");
  const at = target.indexOf("?");
  const query = at === -1 ? "" : target.slice(at + 1);
  // Groups may hold the slash that the rewrite already has: a target of two slashes would name a host to some servers.
  const rewritten = path.replace(/^\/+/, "/");
  return query === "" ? rewritten : `${rewritten}${rewritten.includes("?") ? "&" : "?"}${query}`;
}
