/** Objects and lists in the form the client asked for: as they are, as table rows, or their metadata only. */
import type { KubeObject } from "@fairlead/kube/objects";
import { badRequest } from "../api/errors.ts";
import type { Page } from "../api/request-api.ts";
import type { ResourceNames } from "../api/strategy.ts";
import type { Exchange } from "./exchange.ts";
import type { Representation } from "./media-types.ts";
import { isOldIngress, toOldIngress } from "./old-ingress.ts";
import { apiVersionOf, type ServerParts } from "./parts.ts";

/** Makes the answer's body for one resource and one request. */
export interface Presentation {
  readonly encoding: Representation["encoding"];
  one(object: KubeObject): object;
  list(page: Page): object;
  /** One object of a watch; a bookmark has no row in a table. */
  watched(object: KubeObject, bookmark: boolean): object;
}

/** Reads the Accept header and `includeObject`. */
export function presentationOf(exchange: Exchange, names: ResourceNames, parts: ServerParts): Presentation {
  const { form, encoding } = exchange.representation();
  switch (form) {
    case "table":
      return { encoding, ...tables(names, parts, includeObjectOf(exchange)) };
    case "partial":
      return { encoding, ...partials() };
    case "object":
      return { encoding, ...objects(names) };
  }
}

type Forms = Omit<Presentation, "encoding">;

function objects(names: ResourceNames): Forms {
  const shown = (object: KubeObject): object => (isOldIngress(names) ? toOldIngress(names, { ...object }) : object);
  return {
    one: shown,
    list: (page) => ({
      kind: `${names.kind}List`,
      apiVersion: apiVersionOf(names),
      metadata: listMetadata(page),
      items: isOldIngress(names) ? page.items.map((object) => shown(object)) : page.items,
    }),
    watched: shown,
  };
}

function tables(names: ResourceNames, { toTable, clock }: ServerParts, includeObject: IncludeObject): Forms {
  const table = (items: readonly KubeObject[], resourceVersion: string | undefined): object =>
    toTable(names.resource, items, {
      now: clock.now(),
      includeObject,
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    });
  return {
    one: (object) => table([object], object.metadata?.resourceVersion),
    list: (page) => ({ ...table(page.items, page.resourceVersion), metadata: listMetadata(page) }),
    watched: (object, bookmark) => table(bookmark ? [] : [object], object.metadata?.resourceVersion),
  };
}

function partials(): Forms {
  const apiVersion = "meta.k8s.io/v1";
  const partial = ({ metadata }: KubeObject): object => ({ kind: "PartialObjectMetadata", apiVersion, metadata });
  return {
    one: partial,
    list: (page) => ({
      kind: "PartialObjectMetadataList",
      apiVersion,
      metadata: listMetadata(page),
      items: page.items.map((object) => partial(object)),
    }),
    watched: partial,
  };
}

type IncludeObject = "Metadata" | "Object" | "None";

function includeObjectOf(exchange: Exchange): IncludeObject {
  const value = exchange.query.get("includeObject") || "Metadata";
  if (value === "Metadata" || value === "Object" || value === "None") return value;
  throw badRequest(`includeObject must be Metadata, Object or None, not ${JSON.stringify(value)}`);
}

function listMetadata(page: Page): object {
  return {
    resourceVersion: page.resourceVersion,
    ...(page.continue === undefined ? {} : { continue: page.continue }),
    ...(page.remainingItemCount === undefined ? {} : { remainingItemCount: page.remainingItemCount }),
  };
}
