/** All annotations of an Ingress as one policy. */
import { readAccess } from "./access.ts";
import { readAffinity } from "./affinities.ts";
import { AnnotationError, AnnotationReader, annotationPrefix, given } from "./annotation-reader.ts";
import { readBackends } from "./backends.ts";
import { readBounds } from "./bounds.ts";
import { readCanary } from "./canaries.ts";
import { readCors } from "./cross-origin.ts";
import type { RoutePolicy } from "./policy.ts";
import { readRedirects } from "./redirects.ts";
import { readRetries } from "./retries.ts";
import { readRewrites } from "./rewrites.ts";

/** Names without prefix of the annotations that have an effect. */
export const knownAnnotations: ReadonlySet<string> = new Set(
  `ssl-redirect force-ssl-redirect app-root permanent-redirect permanent-redirect-code temporal-redirect
  temporal-redirect-code from-to-www-redirect rewrite-target use-regex upstream-vhost proxy-body-size proxy-connect-timeout
  proxy-read-timeout proxy-send-timeout proxy-next-upstream proxy-next-upstream-tries proxy-next-upstream-timeout
  backend-protocol load-balance affinity affinity-mode session-cookie-name session-cookie-path session-cookie-domain
  session-cookie-expires session-cookie-max-age session-cookie-samesite session-cookie-secure
  session-cookie-conditional-samesite-none session-cookie-change-on-failure canary canary-by-header canary-by-header-value
  canary-by-header-pattern canary-by-cookie canary-weight canary-weight-total whitelist-source-range allowlist-source-range
  denylist-source-range enable-cors cors-allow-origin cors-allow-methods cors-allow-headers cors-allow-credentials
  cors-expose-headers cors-max-age`.split(/\s+/),
);
/** Those that tune what we do anyway, or only what is logged: served without them, with a note. */
export const harmlessAnnotations: ReadonlySet<string> = new Set(
  `proxy-buffering proxy-buffer-size proxy-buffers-number proxy-request-buffering client-body-buffer-size
  proxy-busy-buffers-size proxy-max-temp-file-size enable-access-log enable-rewrite-log preserve-trailing-slash
  affinity-canary-behavior service-upstream proxy-http-version connection-proxy-header`.split(/\s+/),
);

/** What was read, and what was passed over. */
export interface ReadAnnotations {
  readonly policy: RoutePolicy;
  /** Full names of annotations that have no effect here. */
  readonly ignored: readonly string[];
}

/**
 * Reads everything. Throws AnnotationError for a value outside its grammar and for an annotation that would change who may reach
 * what, or how, and that we do not have (snippets, auth-*, limits): serving without it would not be what was asked for.
 */
export function readAnnotations(annotations: Readonly<Record<string, string>>): ReadAnnotations {
  const ignored: string[] = [];
  for (const name of Object.keys(annotations)) {
    if (!name.startsWith(annotationPrefix)) continue;
    const short = name.slice(annotationPrefix.length);
    if (knownAnnotations.has(short)) continue;
    if (harmlessAnnotations.has(short)) ignored.push(name);
    else if (short.endsWith("-snippet")) throw new AnnotationError(name, "snippets are never accepted");
    else throw new AnnotationError(name, "is not supported");
  }
  const read = new AnnotationReader(annotations);
  const policy: RoutePolicy = {
    redirect: readRedirects(read),
    retry: readRetries(read),
    ...readRewrites(read),
    ...readBounds(read),
    ...readBackends(read, annotations),
    ...readAccess(read),
    ...given("affinity", readAffinity(read)),
    ...given("canary", readCanary(read)),
    ...given("cors", readCors(read)),
  };
  return { policy, ignored };
}
