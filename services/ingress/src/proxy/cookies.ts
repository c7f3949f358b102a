/** Cookies: the one that keeps a session on its endpoint, and the one that asks for a canary. */
import { createHash } from "node:crypto";
import type { AffinityPolicy } from "../annotations/policy.ts";
import type { UpstreamEndpoint } from "./upstreams.ts";

/** The value of a cookie in a Cookie header; the first of that name counts. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined;
  for (const part of header.split(";")) {
    const equals = part.indexOf("=");
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return undefined;
}

/** Of the endpoints that may be had, the one that a session key hashes to; few sessions move when one joins or leaves. */
export function rendezvous(
  key: string,
  endpoints: readonly UpstreamEndpoint[],
  exclude: ReadonlySet<string>,
): UpstreamEndpoint | undefined {
  let best: UpstreamEndpoint | undefined;
  let highest = "";
  for (const endpoint of endpoints) {
    if (exclude.has(endpoint.key) || endpoint.weight === 0) continue;
    const score = createHash("sha1").update(key).update(endpoint.id).digest("hex");
    if (best === undefined || score > highest) [best, highest] = [endpoint, score];
  }
  return best;
}

/** The Set-Cookie value. `now` is the wall time in milliseconds. */
export function sessionCookie(
  policy: AffinityPolicy,
  options: { value: string; path: string; https: boolean; userAgent: string | undefined; now: number },
): string {
  const parts = [`${policy.cookie}=${options.value}`];
  if (policy.expires !== undefined) {
    parts.push(`Expires=${new Date(options.now + policy.expires * 1000).toUTCString()}`);
  }
  if (policy.maxAge !== undefined) parts.push(`Max-Age=${policy.maxAge}`);
  if (policy.domain !== undefined) parts.push(`Domain=${policy.domain}`);
  parts.push(`Path=${policy.path ?? options.path}`);
  if (policy.secure ?? options.https) parts.push("Secure");
  parts.push("HttpOnly");
  const none = policy.sameSite === "None" && policy.conditionalSameSiteNone && rejectsNone(options.userAgent ?? "");
  if (policy.sameSite !== undefined && !none) parts.push(`SameSite=${policy.sameSite}`);
  return parts.join("; ");
}

/** Browsers that take SameSite=None for Strict or drop the cookie: iOS 12, Safari on macOS 10.14, Chrome 51 to 66. */
function rejectsNone(agent: string): boolean {
  if (/\(iP.+; CPU .*OS 12[_\d]*/.test(agent)) return true;
  if (/Macintosh;.*Mac OS X 10_14/.test(agent) && /Version\/[\d.]+ .*Safari/.test(agent)) return true;
  return /Chrom(?:e|ium)\/(?:5[1-9]|6[0-6])\./.test(agent);
}
