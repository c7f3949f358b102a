/** GET of an object and of a list. */
import type { Selection } from "../api/cluster-api.ts";
import { badRequest, expired } from "../api/errors.ts";
import { readRevision } from "../api/object-reader.ts";
import type { Exchange } from "./exchange.ts";
import type { ServerParts } from "./parts.ts";
import { presentationOf } from "./presentation.ts";
import type { ResourceRoute } from "./route.ts";

/** Answers GET of one object. */
export function getObject(exchange: Exchange, route: ResourceRoute, parts: ServerParts): void {
  const presentation = presentationOf(exchange, route.names, parts);
  const object = parts.api.get(route.names.resource, route.namespace, route.name ?? "");
  exchange.send(200, presentation.one(object), presentation.encoding);
}

/** Answers GET of a collection: all of it, or a page. */
export function listObjects(exchange: Exchange, route: ResourceRoute, parts: ServerParts): void {
  const presentation = presentationOf(exchange, route.names, parts);
  const token = exchange.query.get("continue") ?? "";
  checkVersion(exchange, route, parts, token);
  const page = parts.api.page(route.names.resource, selectionOf(exchange, route), {
    limit: exchange.count("limit") ?? 0,
    ...(token === "" ? {} : { continue: token }),
  });
  exchange.send(200, presentation.list(page), presentation.encoding);
}

/** Selectors and namespace of a request. */
export function selectionOf({ query }: Exchange, { namespace, name }: ResourceRoute): Selection {
  const labelSelector = query.get("labelSelector") ?? "";
  const fields = query.get("fieldSelector") ?? "";
  const fieldSelector = name === undefined ? fields : [`metadata.name=${name}`, fields].filter(Boolean).join(",");
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(labelSelector === "" ? {} : { labelSelector }),
    ...(fieldSelector === "" ? {} : { fieldSelector }),
  };
}

/**
 * A list shows the present, which is "not older than" any version that has been. `Exact` can be served while nothing of the
 * resource has changed since.
 */
function checkVersion({ query }: Exchange, { names }: ResourceRoute, { api }: ServerParts, token: string): void {
  const version = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  if (!["", "Exact", "NotOlderThan"].includes(match)) {
    throw badRequest(`resourceVersionMatch must be Exact or NotOlderThan, not ${JSON.stringify(match)}`);
  }
  if (match !== "" && version === "")
    throw badRequest("resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (token !== "" && version !== "" && version !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  if (version === "" || version === "0") return;
  // An older version is served by what is there now; asking about one that is yet to come throws the Timeout for it.
  if (match !== "Exact" && readRevision(version) <= Number(api.revision)) return;
  if (api.changedSince(names.resource, version)) throw expired(`the resource version ${version} is no longer stored`);
}
