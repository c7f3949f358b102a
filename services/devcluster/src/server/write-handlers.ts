/** POST, PUT, PATCH and DELETE of objects, and of their status. */
import type { KubeObject } from "@fairlead/kube/objects";
import type { DeleteOptions } from "../api/cluster-api.ts";
import { badRequest, methodNotAllowed } from "../api/errors.ts";
import type { WriteOptions } from "../api/request-api.ts";
import { applyObject, applyPatchType } from "./apply-handler.ts";
import type { Exchange } from "./exchange.ts";
import { ownersOf } from "./field-owners.ts";
import { bodyEncoding, mediaEntries } from "./media-types.ts";
import { decodeObject, fieldValidationOf } from "./object-decoder.ts";
import { isOldIngress, storedKind, toOldIngress } from "./old-ingress.ts";
import type { KindName, ServerParts } from "./parts.ts";
import { presentationOf } from "./presentation.ts";
import { selectionOf } from "./read-handlers.ts";
import { decodeBody, readBody } from "./request-body.ts";
import type { ResourceRoute } from "./route.ts";

/** Answers POST to a collection. */
export async function createObject(exchange: Exchange, route: ResourceRoute, parts: ServerParts): Promise<void> {
  const { names, namespace } = route;
  // Every rule about the request as a whole comes before its body is read.
  const presentation = presentationOf(exchange, names, parts);
  const options = writeOptions(exchange, route, parts);
  if (names.namespaced && namespace === undefined) throw methodNotAllowed();
  const object = placed(await readObject(exchange, names, parts), route);
  const created = parts.api.createWith(names.resource, object, options);
  exchange.send(201, presentation.one(created), presentation.encoding);
}

/** Answers PUT of an object or its status. */
export async function replaceObject(exchange: Exchange, route: ResourceRoute, parts: ServerParts): Promise<void> {
  const { names } = route;
  const presentation = presentationOf(exchange, names, parts);
  const options = writeOptions(exchange, route, parts);
  const object = placed(await readObject(exchange, names, parts), route);
  const replaced = parts.api.replaceWith(names.resource, object, options);
  exchange.send(200, presentation.one(replaced), presentation.encoding);
}

/** Answers PATCH of an object or its status. */
export async function patchObject(exchange: Exchange, route: ResourceRoute, parts: ServerParts): Promise<void> {
  const { names, namespace, name = "" } = route;
  if (patchTypeOf(exchange) === applyPatchType) return applyObject(exchange, route, parts);
  const presentation = presentationOf(exchange, names, parts);
  const options = writeOptions(exchange, route, parts);
  const change = await readPatch(exchange, names, parts);
  const patched = parts.api.patchWith(names.resource, namespace, name, change, options);
  exchange.send(200, presentation.one(patched), presentation.encoding);
}

/** Answers DELETE of an object: a Status once it is gone, the object while something holds it. */
export async function deleteObject(exchange: Exchange, route: ResourceRoute, parts: ServerParts): Promise<void> {
  const { names, namespace, name = "" } = route;
  const presentation = presentationOf(exchange, names, parts);
  const options = await readDeleteOptions(exchange);
  const { object, gone } = parts.api.deleteWith(names.resource, namespace, name, options);
  if (!gone) {
    exchange.send(200, presentation.one(object), presentation.encoding);
    return;
  }
  exchange.send(
    200,
    {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: { name, group: names.group, kind: names.resource, uid: object.metadata?.uid },
    },
    presentation.encoding,
  );
}

/** Answers DELETE of a collection with what was deleted. */
export async function deleteObjects(exchange: Exchange, route: ResourceRoute, parts: ServerParts): Promise<void> {
  const { names } = route;
  const presentation = presentationOf(exchange, names, parts);
  const options = await readDeleteOptions(exchange);
  const items = parts.api.deleteCollection(names.resource, selectionOf(exchange, route), options);
  const list = presentation.list({ items, resourceVersion: parts.api.revision });
  exchange.send(200, list, presentation.encoding);
}

/** Reads a body that has to be one object of the kind; warnings go to the exchange. */
export async function readObject(exchange: Exchange, kind: KindName, parts: ServerParts): Promise<KubeObject> {
  const encoding = bodyEncoding(exchange.request.headers["content-type"]);
  const validation = fieldValidationOf(exchange.query.get("fieldValidation"));
  const value = decodeBody(await readBody(exchange.request), encoding);
  const { object, warnings } = decodeObject(kind, value, parts.schemas, validation);
  for (const warning of warnings) exchange.warn(warning);
  return object;
}

/** Reads a patch; the function applies it and checks what comes out. */
export async function readPatch(
  exchange: Exchange,
  kind: KindName,
  parts: ServerParts,
): Promise<(current: KubeObject) => KubeObject> {
  const contentType = patchTypeOf(exchange);
  const validation = fieldValidationOf(exchange.query.get("fieldValidation"));
  const patch = decodeBody(await readBody(exchange.request), "json");
  return (current) => {
    // A patch speaks of the shape that its path has.
    const shown = isOldIngress(kind) ? toOldIngress(kind, { ...current }) : current;
    const changed = parts.applyPatch(storedKind(kind), contentType, patch, shown);
    const { object, warnings } = decodeObject(kind, changed, parts.schemas, validation);
    for (const warning of warnings) exchange.warn(warning);
    return object;
  };
}

/** Dry run, status, and who writes. */
export function writeOptions(exchange: Exchange, route: ResourceRoute, parts: ServerParts): WriteOptions {
  const status = route.subresource === "status";
  return { ...exchange.writeOptions(), status, owners: ownersOf(exchange, route, parts) };
}

function patchTypeOf(exchange: Exchange): string {
  return mediaEntries(exchange.request.headers["content-type"])[0]?.type ?? "";
}

/** Puts an object where the path says; throws BadRequest where it says otherwise itself. */
function placed(object: KubeObject, { names, namespace, name }: ResourceRoute): KubeObject {
  const metadata = { ...object.metadata };
  if (namespace !== undefined) {
    if (metadata.namespace && metadata.namespace !== namespace) {
      throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
    }
    metadata.namespace = namespace;
  } else if (!names.namespaced) {
    delete metadata.namespace;
  }
  if (name !== undefined) {
    if (metadata.name && metadata.name !== name) {
      throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
    }
    metadata.name = name;
  }
  return { ...object, metadata };
}

/** DeleteOptions of body and query; the query wins, as in Kubernetes. */
async function readDeleteOptions(exchange: Exchange): Promise<DeleteOptions & { readonly dryRun: boolean }> {
  const encoding = bodyEncoding(exchange.request.headers["content-type"]);
  const body = decodeBody(await readBody(exchange.request), encoding) ?? {};
  if (typeof body !== "object" || Array.isArray(body)) throw badRequest("the body must be DeleteOptions");
  const given = body as Record<string, unknown>;
  const grace = exchange.count("gracePeriodSeconds") ?? given["gracePeriodSeconds"];
  const policy = exchange.query.get("propagationPolicy") ?? given["propagationPolicy"];
  const dryRun = exchange.writeOptions().dryRun || (Array.isArray(given["dryRun"]) && given["dryRun"].includes("All"));
  return {
    dryRun,
    ...(grace === undefined || grace === null ? {} : { gracePeriodSeconds: graceSeconds(grace) }),
    ...(policy === undefined || policy === null || policy === "" ? {} : { propagationPolicy: propagation(policy) }),
    ...(given["preconditions"] ? { preconditions: preconditions(given["preconditions"]) } : {}),
  };
}

function graceSeconds(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw badRequest(`gracePeriodSeconds must be a whole number of at least 0, not ${JSON.stringify(value)}`);
}

function propagation(value: unknown): NonNullable<DeleteOptions["propagationPolicy"]> {
  if (value === "Background" || value === "Foreground" || value === "Orphan") return value;
  throw badRequest(`propagationPolicy must be Background, Foreground or Orphan, not ${JSON.stringify(value)}`);
}

function preconditions(value: unknown): NonNullable<DeleteOptions["preconditions"]> {
  const { uid, resourceVersion } = value as Record<string, unknown>;
  return {
    ...(typeof uid === "string" ? { uid } : {}),
    ...(typeof resourceVersion === "string" ? { resourceVersion } : {}),
  };
}
