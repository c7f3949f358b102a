/** Server-side apply: PATCH with `application/apply-patch+yaml`. */
import type { KubeObject } from "@fairlead/kube/objects";
import { badRequest } from "../api/errors.ts";
import type { WriteOptions } from "../api/request-api.ts";
import type { Exchange } from "./exchange.ts";
import { managerOf } from "./field-owners.ts";
import { decodeObject, fieldValidationOf } from "./object-decoder.ts";
import { storedKind } from "./old-ingress.ts";
import type { ServerParts } from "./parts.ts";
import { presentationOf } from "./presentation.ts";
import { decodeBody, readBody } from "./request-body.ts";
import type { ResourceRoute } from "./route.ts";

/** The content type of an apply. */
export const applyPatchType = "application/apply-patch+yaml";

/** Owner of what was there before anybody applied, where nobody is on record. */
const firstOwner = "before-first-apply";

/** Answers an apply: 201 where it creates the object, 200 where it changes it or finds it as it should be. */
export async function applyObject(exchange: Exchange, route: ResourceRoute, parts: ServerParts): Promise<void> {
  const { names, namespace, name = "", subresource } = route;
  const presentation = presentationOf(exchange, names, parts);
  if (!exchange.query.get("fieldManager")) throw badRequest("fieldManager is required for apply patch");
  const request = {
    gvk: storedKind(names),
    resource: names.resource,
    manager: managerOf(exchange),
    force: exchange.flag("force"),
    ...(subresource === undefined ? {} : { subresource }),
    now: parts.clock.now(),
  };
  const validation = fieldValidationOf(exchange.query.get("fieldValidation"));
  const options: WriteOptions = {
    ...exchange.writeOptions(),
    status: subresource === "status",
    // The managedFields come out of the apply itself.
    owners: (_before, after) => after,
  };
  const body = decodeBody(await readBody(exchange.request), "yaml");
  const { object: applied, warnings } = decodeObject(names, body, parts.schemas, validation);
  for (const warning of warnings) exchange.warn(warning);
  const { name: given = name, namespace: place = namespace } = applied.metadata ?? {};
  if (given !== name || place !== namespace)
    throw badRequest("the object's name and namespace must be those of the path");
  applied.metadata = { ...applied.metadata, name, ...(namespace === undefined ? {} : { namespace }) };
  const apply = (current: KubeObject | undefined): KubeObject =>
    parts.ownership.serverSideApply({ ...request, applied, current: current && owned(current) });
  const owned = (current: KubeObject): object =>
    current.metadata?.managedFields
      ? current
      : parts.ownership.trackWrite({ ...request, before: undefined, after: current, manager: firstOwner });
  const stored = parts.api.find(names.resource, namespace, name);
  if (stored || subresource !== undefined) {
    const written = parts.api.patchWith(names.resource, namespace, name, apply, options);
    exchange.send(200, presentation.one(written), presentation.encoding);
    return;
  }
  const created = parts.api.createWith(names.resource, apply(undefined), options);
  exchange.send(201, presentation.one(created), presentation.encoding);
}
