/**
 * All routes, immutable. A host's own rules come before those of a wildcard, which come before those for all hosts; among the rules of
 * a host the longest path wins and Exact beats Prefix; defaults count only where no rule matches (Ingress v1).
 */
import { defaultPolicy } from "../annotations/policy.ts";
import { backendRef } from "./route.ts";
import type { Route, RouteMatch } from "./route.ts";

/** Routes of one host (or wildcard, or all hosts). */
class HostRoutes {
  readonly #exact = new Map<string, Route>();
  readonly #prefixes = new Map<string, Route>();
  readonly #patterns: Route[] = [];
  default: Route | undefined;

  add(route: Route): void {
    if (route.pattern !== undefined) {
      this.#patterns.push(route);
      // As ingress-nginx: the longer expression first.
      this.#patterns.sort((a, b) => b.path.length - a.path.length);
    } else if (route.pathType === "Exact") this.#exact.set(route.path, route);
    else {
      const key = prefixKey(route.path);
      const other = this.#prefixes.get(key);
      if (other === undefined || rank(route) < rank(other)) this.#prefixes.set(key, route);
    }
  }

  match(path: string): RouteMatch | undefined {
    const exact = this.#exact.get(path);
    if (exact !== undefined) return { route: exact };
    for (const route of this.#patterns) {
      if (path.length > (route.patternReach ?? 0)) continue;
      const found = route.pattern?.exec(path);
      if (found) return { route, captures: found.map((text) => text ?? "") };
    }
    if (this.#prefixes.size === 0) return undefined;
    let prefix = path.endsWith("/") ? path.slice(0, -1) : path;
    for (;;) {
      const route = this.#prefixes.get(prefix);
      if (route !== undefined) return { route };
      if (prefix === "") return undefined;
      prefix = prefix.slice(0, prefix.lastIndexOf("/"));
    }
  }
}

/** What tells two rules for the same host and path apart when both match: the lower one wins. */
function rank(route: Route): number {
  return route.pathType === "Prefix" ? 0 : 1;
}

/** A prefix without its last slash: `/foo` and `/foo/` are the same prefix, `/` is the empty one. */
export function prefixKey(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

/** See the module. */
export class RouteTable {
  readonly #hosts = new Map<string, HostRoutes>();
  /** How many routes there are. */
  readonly size: number;
  readonly routes: readonly Route[];
  readonly #fallback: Route | undefined;

  constructor(options: {
    /** Without conflicts: the planner has settled them. */
    readonly routes: readonly Route[];
    /** Default backends, oldest first; those with an empty host count for all hosts. */
    readonly defaults: readonly Route[];
  }) {
    for (const route of options.routes) this.#at(route.host).add(route);
    for (const route of options.defaults) if (route.host !== "") this.#at(route.host).default ??= route;
    this.#fallback = options.defaults.find(({ host }) => host === "");
    this.routes = [...options.routes, ...options.defaults];
    this.size = this.routes.length;
  }

  /** The route for a host (lower case, no port, no final dot) and a path from `requestPath`. */
  match(host: string, path: string): RouteMatch | undefined {
    const own = this.#hosts.get(host);
    const dot = host.indexOf(".");
    const wildcard = dot > 0 ? this.#hosts.get(`*${host.slice(dot)}`) : undefined;
    const matched = own?.match(path) ?? wildcard?.match(path) ?? this.#hosts.get("")?.match(path);
    if (matched !== undefined) return matched;
    const route = own?.default ?? wildcard?.default ?? this.#fallback;
    return route && { route };
  }

  /** Whether some rule names this host itself. */
  hasHost(host: string): boolean {
    return this.#hosts.has(host);
  }

  #at(host: string): HostRoutes {
    const routes = this.#hosts.get(host) ?? new HostRoutes();
    this.#hosts.set(host, routes);
    return routes;
  }
}

/**
 * A table before there is one. What it leads to is nowhere, so that clients hear 503 while nothing is known: a 404 would say that what
 * they ask for does not exist, and some keep that.
 */
export const tableBeforeAny = new RouteTable({
  routes: [],
  defaults: [
    {
      ingress: "",
      host: "",
      path: "/",
      pathType: "Prefix",
      backend: backendRef("", "", 0),
      policy: defaultPolicy,
      tls: false,
    },
  ],
});
