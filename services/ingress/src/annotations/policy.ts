/** What annotations make of a route: typed values only, no text of a user reaches the proxy unchecked. */
import type { Cidr, SchedulerName } from "@fairlead/types";

/** `ssl-redirect`, `force-ssl-redirect`, `app-root`, `permanent-redirect`, `temporal-redirect`, `from-to-www-redirect`. */
export interface RedirectPolicy {
  /** To https where the Ingress has TLS for the host; absent means the controller's default. */
  readonly ssl?: boolean;
  readonly forceSsl: boolean;
  readonly appRoot?: string;
  readonly to?: { readonly url: string; readonly code: number };
  readonly wwwRedirect: boolean;
}

/** Conditions under which a request goes to another endpoint, as nginx names them. */
export type RetryCondition =
  | "error"
  | "timeout"
  | "http_500"
  | "http_502"
  | "http_503"
  | "http_504"
  | "http_403"
  | "http_404"
  | "http_429"
  | "non_idempotent";

/** `proxy-next-upstream` and its bounds. */
export interface RetryPolicy {
  readonly on: ReadonlySet<RetryCondition>;
  /** Endpoints to try in all; 0 means as many as there are, up to the proxy's own bound. */
  readonly tries: number;
  /** For all tries together, in milliseconds; 0 means no bound. */
  readonly timeoutMs: number;
}

/** Cookie affinity. */
export interface AffinityPolicy {
  /** `balanced`: the cookie holds a key that is hashed over the endpoints; `persistent`: it names the endpoint. */
  readonly mode: "balanced" | "persistent";
  readonly cookie: string;
  readonly path?: string;
  readonly domain?: string;
  /** In seconds. */
  readonly expires?: number;
  readonly maxAge?: number;
  readonly sameSite?: "None" | "Lax" | "Strict";
  /** Absent: as the request came, over https or not. */
  readonly secure?: boolean;
  readonly conditionalSameSiteNone: boolean;
  readonly changeOnFailure: boolean;
}

/** `canary-*`. Header before cookie before weight. */
export interface CanaryPolicy {
  readonly header?: string;
  readonly headerValue?: string;
  readonly headerPattern?: RegExp;
  readonly cookie?: string;
  readonly weight: number;
  readonly weightTotal: number;
}

/** `cors-*`. */
export interface CorsPolicy {
  /** Exact origins, or `*`, or with a wildcard for one or more labels (`https://*.example.com`). */
  readonly origins: readonly string[];
  readonly methods: string;
  readonly headers: string;
  readonly credentials: boolean;
  readonly exposeHeaders?: string;
  /** In seconds. */
  readonly maxAge: number;
}

/** All of it. Absent values mean the controller's defaults. */
export interface RoutePolicy {
  readonly redirect: RedirectPolicy;
  readonly rewriteTarget?: string;
  readonly useRegex: boolean;
  /** In bytes; 0 means no bound. */
  readonly maxBodyBytes?: number;
  readonly connectTimeoutMs?: number;
  readonly readTimeoutMs?: number;
  readonly sendTimeoutMs?: number;
  readonly retry: RetryPolicy;
  readonly protocol: "HTTP" | "HTTPS";
  readonly affinity?: AffinityPolicy;
  readonly scheduler?: SchedulerName;
  readonly upstreamHost?: string;
  readonly canary?: CanaryPolicy;
  readonly allow?: readonly Cidr[];
  readonly deny?: readonly Cidr[];
  readonly cors?: CorsPolicy;
}

/** What nginx retries on unless told. */
export const defaultRetry: RetryPolicy = { on: new Set<RetryCondition>(["error", "timeout"]), tries: 3, timeoutMs: 0 };

/** The policy of an Ingress without annotations. */
export const defaultPolicy: RoutePolicy = {
  redirect: { forceSsl: false, wwwRedirect: false },
  useRegex: false,
  retry: defaultRetry,
  protocol: "HTTP",
};
