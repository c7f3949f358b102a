/** From a request to the one that answers it. */
import { ApiError, methodNotAllowed } from "../api/errors.ts";
import type { ResourceNames } from "../api/strategy.ts";
import { discover, serverVersion } from "./discovery.ts";
import type { Exchange } from "./exchange.ts";
import { sendLog } from "./log-handler.ts";
import type { ServerParts } from "./parts.ts";
import { getObject, listObjects } from "./read-handlers.ts";
import { isOldIngress, oldIngressWarning, withOldIngresses } from "./old-ingress.ts";
import { notServed, type ResourceRoute, routeOf } from "./route.ts";
import { changeScale, getScale } from "./scale-handlers.ts";
import { WatchStreams } from "./watch-stream.ts";
import { createObject, deleteObject, deleteObjects, patchObject, replaceObject } from "./write-handlers.ts";

const healthPaths = new Set(["/healthz", "/livez", "/readyz"]);

/** Whether anybody may ask for this, with or without a certificate: what tells that the server lives, and which it is. */
export function isPublic(path: string): boolean {
  return healthPaths.has(path) || path === "/version";
}

/** Answers requests; keeps the open watches. */
export class Router {
  readonly #parts: ServerParts;
  /** Made with the first request. */
  #resources: readonly ResourceNames[] | undefined;
  readonly #watches: WatchStreams;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.#watches = new WatchStreams(parts);
  }

  /** Ends what is open. */
  end(): void {
    this.#watches.endAll();
  }

  /** Answers; settles when the answer is complete. Throws ApiError where it has not begun. */
  async answer(exchange: Exchange): Promise<void> {
    const route = routeOf(exchange.path, this.#served());
    if (route.kind === "other") return this.#answerOther(exchange, route.path);
    const { target } = route;
    if (target.names.resource === "endpoints") exchange.warn(endpointsWarning);
    if (isOldIngress(target.names)) exchange.warn(oldIngressWarning(target.names));
    if (target.subresource !== undefined) return this.#answerPart(exchange, target, target.subresource);
    if (target.name === undefined) return this.#answerCollection(exchange, target);
    return this.#answerObject(exchange, target);
  }

  #served(): readonly ResourceNames[] {
    return (this.#resources ??= withOldIngresses(this.#parts.resources));
  }

  async #answerObject(exchange: Exchange, target: ResourceRoute): Promise<void> {
    switch (exchange.method) {
      case "GET":
        if (exchange.flag("watch")) return this.#watches.serve(exchange, target);
        return getObject(exchange, target, this.#parts);
      case "PUT":
        return replaceObject(exchange, target, this.#parts);
      case "PATCH":
        return patchObject(exchange, target, this.#parts);
      case "DELETE":
        return deleteObject(exchange, target, this.#parts);
      default:
        throw methodNotAllowed();
    }
  }

  async #answerCollection(exchange: Exchange, target: ResourceRoute): Promise<void> {
    switch (exchange.method) {
      case "GET":
        if (exchange.flag("watch")) return this.#watches.serve(exchange, target);
        return listObjects(exchange, target, this.#parts);
      case "POST":
        return createObject(exchange, target, this.#parts);
      case "DELETE":
        return deleteObjects(exchange, target, this.#parts);
      default:
        throw methodNotAllowed();
    }
  }

  async #answerPart(exchange: Exchange, target: ResourceRoute, part: string): Promise<void> {
    const { method } = exchange;
    const { resource, subresources } = target.names;
    if (resource === "pods" && part === "log") {
      if (method !== "GET") throw methodNotAllowed();
      return sendLog(exchange, target, this.#parts);
    }
    if (!subresources.some((known) => known === part)) throw notServedPart(resource, part);
    if (method !== "GET" && method !== "PUT" && method !== "PATCH") throw methodNotAllowed();
    if (part === "scale") {
      return method === "GET" ? getScale(exchange, target, this.#parts) : changeScale(exchange, target, this.#parts);
    }
    return this.#answerObject(exchange, target);
  }

  #answerOther(exchange: Exchange, path: string): void {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") throw methodNotAllowed();
    if (healthPaths.has(path)) return exchange.sendText(200, "ok", "text/plain; charset=utf-8");
    if (path === "/version") return exchange.send(200, serverVersion);
    if (path === "/openapi/v3") return exchange.send(200, this.#parts.schemas.openapiIndex());
    if (path === "/openapi/v2") return sendBareSwagger(exchange);
    const document = path.startsWith(openapiRoot)
      ? this.#parts.schemas.openapiDocument(path.slice(openapiRoot.length))
      : undefined;
    if (document) return exchange.send(200, document);
    const discovery = discover(path, exchange.request.headers.accept, this.#served());
    if (!discovery) throw notServed();
    exchange.sendText(200, JSON.stringify(discovery.body), discovery.contentType);
  }
}

const openapiRoot = "/openapi/v3/";

const endpointsWarning = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";

/**
 * An OpenAPI v2 document that describes nothing. kubectl asks for it to validate a `kind: List`, which version 3 does not
 * describe; finding no schema, it leaves validation to the server, which checks every item.
 */
function sendBareSwagger(exchange: Exchange): void {
  const wantsProtobuf = exchange.request.headers.accept?.includes("proto-openapi") === true;
  // As protobuf: field 1 (swagger), length 3.
  if (wantsProtobuf)
    exchange.sendText(200, "\u000A\u00032.0", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  else
    exchange.send(200, { swagger: "2.0", info: { title: "Kubernetes", version: serverVersion.gitVersion }, paths: {} });
}

function notServedPart(resource: string, part: string): ApiError {
  return new ApiError(404, "NotFound", `the dev cluster does not serve ${resource}/${part}`, {});
}
