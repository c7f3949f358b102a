/** What a route is: plain immutable data, made by the planner and read by the proxy. */
import type { RoutePolicy } from "../annotations/policy.ts";

/** Which port of which Service. */
export interface BackendRef {
  readonly namespace: string;
  readonly service: string;
  /** A port of the Service by number or by name. */
  readonly port: number | string;
  /** Equal references have equal keys. */
  readonly key: string;
}

/** `spec.rules[].http.paths[].pathType`. */
export type PathType = "Exact" | "Prefix" | "ImplementationSpecific";

/** Where a share of a route's requests goes instead. */
export interface CanaryRoute {
  readonly backend: BackendRef;
  readonly policy: RoutePolicy;
  readonly ingress: string;
}

/** One path of one host. `path` is as written in the Ingress; defaults have the path `/`. */
export interface Route {
  /** `namespace/name` of the Ingress. */
  readonly ingress: string;
  readonly host: string;
  readonly path: string;
  readonly pathType: PathType;
  readonly backend: BackendRef;
  readonly policy: RoutePolicy;
  /** The Ingress asks for TLS for this host. */
  readonly tls: boolean;
  readonly pattern?: RegExp;
  /** Longest path that `pattern` is tried on, in characters. */
  readonly patternReach?: number;
  readonly canary?: CanaryRoute;
}

/** The route for a request, and what its pattern captured. */
export interface RouteMatch {
  readonly route: Route;
  readonly captures?: readonly string[];
}

/** The reference for a Service port. */
export function backendRef(namespace: string, service: string, port: number | string): BackendRef {
  return { namespace, service, port, key: `${namespace}/${service}:${port}` };
}
