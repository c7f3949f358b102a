/** What CORS adds to a response. */
import type { CorsPolicy } from "../annotations/policy.ts";

/** The fields for a request of this origin, as name, value, name, value. */
export function corsHeaders(policy: CorsPolicy, origin: string | undefined, preflight: boolean): string[] {
  const any = policy.origins.includes("*");
  if (!any && (origin === undefined || !policy.origins.some((one) => matchesOrigin(one, origin)))) {
    // What a cache keeps for this one must not be given to an origin that is allowed (Fetch, 3.2.6).
    return ["vary", "Origin"];
  }
  const headers = any
    ? ["access-control-allow-origin", "*"]
    : ["vary", "Origin", "access-control-allow-origin", origin ?? ""];
  // With any origin allowed a browser refuses credentials (Fetch, 3.2.5), so saying it would only mislead.
  if (policy.credentials && !any) headers.push("access-control-allow-credentials", "true");
  if (policy.exposeHeaders !== undefined) headers.push("access-control-expose-headers", policy.exposeHeaders);
  if (preflight) {
    headers.push("access-control-allow-methods", policy.methods, "access-control-allow-headers", policy.headers);
    headers.push("access-control-max-age", String(policy.maxAge));
  }
  return headers;
}

function matchesOrigin(allowed: string, origin: string): boolean {
  if (allowed === origin) return true;
  const star = allowed.indexOf("*.");
  if (star === -1) return false;
  const scheme = allowed.slice(0, star);
  const rest = allowed.slice(star + 1);
  const between = origin.slice(scheme.length, origin.length - rest.length);
  return origin.startsWith(scheme) && origin.endsWith(rest) && /^[A-Za-z0-9.-]+$/.test(between);
}
