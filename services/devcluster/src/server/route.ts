/** Paths of the Kubernetes API, taken apart. */
import { ApiError } from "../api/errors.ts";
import type { ResourceNames } from "../api/strategy.ts";

/** What a path names. */
export type Route =
  | { readonly kind: "resource"; readonly target: ResourceRoute }
  /** Anything that is not about objects: discovery, OpenAPI, health, version. */
  | { readonly kind: "other"; readonly path: string };

/** A collection, an object or a part of one. */
export interface ResourceRoute {
  readonly names: ResourceNames;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** Finds the route of a path (without the query). Throws NotFound for a resource that is not served, BadRequest for bad escapes. */
export function routeOf(path: string, resources: readonly ResourceNames[]): Route {
  const segments = path.split("/").filter((segment) => segment !== "");
  const [root] = segments;
  const depth = root === "api" ? 2 : root === "apis" ? 3 : Number.POSITIVE_INFINITY;
  if (segments.length <= depth) return { kind: "other", path: `/${segments.join("/")}` };
  const [group, version] = root === "api" ? ["", segments[1]] : [segments[1], segments[2]];
  const target = resourceRoute(segments.slice(depth).map(decode), (resource) =>
    resources.find((names) => names.resource === resource && names.group === group && names.version === version),
  );
  if (!target) throw notServed();
  return { kind: "resource", target };
}

/** 404 for a path that leads nowhere. */
export function notServed(): ApiError {
  return new ApiError(404, "NotFound", "the server could not find the requested resource", {});
}

function resourceRoute(
  parts: readonly string[],
  find: (resource: string) => ResourceNames | undefined,
): ResourceRoute | undefined {
  const [first = "", second, third, ...rest] = parts;
  if (first === "namespaces" && second !== undefined && third !== undefined) {
    const names = find(third);
    if (names?.namespaced) return withTail(names, second, rest);
  }
  const names = find(first);
  if (!names) return undefined;
  const tail = parts.slice(1);
  // Without a namespace only the collection across all of them can be named.
  if (names.namespaced && tail.length > 0) return undefined;
  return withTail(names, undefined, tail);
}

function withTail(
  names: ResourceNames,
  namespace: string | undefined,
  [name, subresource, ...more]: readonly string[],
): ResourceRoute | undefined {
  return more.length > 0 ? undefined : { names, namespace, name, subresource };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ApiError(400, "BadRequest", `the path has an escape that cannot be read: ${segment}`);
  }
}
