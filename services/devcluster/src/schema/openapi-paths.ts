/** The paths of a group version. kubectl takes from them which kind a resource has, and what a PATCH accepts. */
import { PATCH_TYPES } from "../patch/index.ts";
import { SCALE_KIND } from "./kinds.ts";
import type { GroupVersionKind, ServedKind } from "./kinds.ts";
import { identity, kindSchemaName, listSchemaName, patchReference, reference } from "./openapi-schemas.ts";
import type { Structure } from "./structure.ts";

type Operation = Record<string, unknown>;

/** Written and read in JSON; a client that prefers another form gets JSON too. */
const JSON_TYPE = "application/json";

const parameter = (name: string, type: "string" | "boolean" | "integer", description: string): object => ({
  name,
  in: "query",
  description,
  schema: { type, uniqueItems: true },
});

const WRITE_PARAMETERS = [
  parameter("dryRun", "string", "All: check and answer as if, but store nothing."),
  parameter("fieldManager", "string", "Who makes the change."),
  parameter(
    "fieldValidation",
    "string",
    "What to do about unknown fields: Strict refuses, Warn warns, Ignore drops them silently.",
  ),
];
const PATCH_PARAMETERS = [
  ...WRITE_PARAMETERS,
  parameter("force", "boolean", "Server-side apply: take fields over from other managers."),
];
const LIST_PARAMETERS = [
  parameter("allowWatchBookmarks", "boolean", "With watch: send BOOKMARK events."),
  parameter("continue", "string", "Where the previous page ended."),
  parameter("fieldSelector", "string", "Which objects, by fields."),
  parameter("labelSelector", "string", "Which objects, by labels."),
  parameter("limit", "integer", "Largest number of objects in the answer."),
  parameter("resourceVersion", "string", "Point in time."),
  parameter("resourceVersionMatch", "string", "How the point in time is meant."),
  parameter("sendInitialEvents", "boolean", "With watch: start with what is there, then a BOOKMARK."),
  parameter("timeoutSeconds", "integer", "Longest time that a list or a watch takes."),
  parameter("watch", "boolean", "Stream changes instead of a list."),
];
const DELETE_PARAMETERS = [
  parameter("dryRun", "string", "All: answer as if, but delete nothing."),
  parameter("gracePeriodSeconds", "integer", "Time an object gets to end."),
  parameter("propagationPolicy", "string", "What becomes of dependent objects: Orphan, Background or Foreground."),
];

/** Every path of the kinds of one group version. */
export function kindPaths(structure: Structure, prefix: string, kinds: readonly ServedKind[]): Record<string, object> {
  const paths: Record<string, object> = {};
  for (const kind of kinds) {
    const scope = kind.namespaced ? `${prefix}/namespaces/{namespace}` : prefix;
    const collection = `${scope}/${kind.resource}`;
    const within = kind.namespaced ? [pathParameter("namespace")] : [];
    const named = [pathParameter("name"), ...within];
    paths[collection] = { parameters: within, ...collectionOperations(structure, kind) };
    paths[`${collection}/{name}`] = { parameters: named, ...objectOperations(structure, kind) };
    if (kind.namespaced) paths[`${prefix}/${kind.resource}`] = { get: listOperation(kind) };
    for (const subresource of kind.subresources) {
      const model = subresource === "scale" ? SCALE_KIND : kind;
      const { delete: _delete, ...operations } = objectOperations(structure, model);
      paths[`${collection}/{name}/${subresource}`] = { parameters: named, ...operations };
    }
  }
  return paths;
}

function collectionOperations(structure: Structure, kind: ServedKind): Record<string, Operation> {
  const body = reference(kindSchemaName(structure, kind.model));
  return {
    get: listOperation(kind),
    post: operation(kind, "post", { parameters: WRITE_PARAMETERS, request: body, answer: body, code: "201" }),
    delete: operation(kind, "deletecollection", {
      parameters: [...LIST_PARAMETERS, ...DELETE_PARAMETERS],
      request: reference(kindSchemaName(structure, "V1DeleteOptions")),
      answer: reference(kindSchemaName(structure, "V1Status")),
    }),
  };
}

function objectOperations(
  structure: Structure,
  kind: GroupVersionKind & { readonly model: string },
): Record<"get" | "put" | "patch" | "delete", Operation> {
  const body = reference(kindSchemaName(structure, kind.model));
  const patchContent = Object.fromEntries(PATCH_TYPES.map((type) => [type, { schema: patchReference }]));
  return {
    get: operation(kind, "get", { parameters: [], answer: body }),
    put: operation(kind, "put", { parameters: WRITE_PARAMETERS, request: body, answer: body }),
    patch: {
      ...operation(kind, "patch", { parameters: PATCH_PARAMETERS, answer: body }),
      requestBody: { required: true, content: patchContent },
    },
    delete: operation(kind, "delete", {
      parameters: DELETE_PARAMETERS,
      request: reference(kindSchemaName(structure, "V1DeleteOptions")),
      answer: reference(kindSchemaName(structure, "V1Status")),
    }),
  };
}

function listOperation(kind: ServedKind): Operation {
  return operation(kind, "list", { parameters: LIST_PARAMETERS, answer: reference(listSchemaName(kind)) });
}

function operation(
  kind: GroupVersionKind,
  action: string,
  parts: { parameters: readonly object[]; request?: object; answer: object; code?: string },
): Operation {
  return {
    description: `${action} ${kind.kind}`,
    parameters: parts.parameters,
    ...(parts.request ? { requestBody: { content: { [JSON_TYPE]: { schema: parts.request } } } } : {}),
    responses: { [parts.code ?? "200"]: { description: "Done.", content: { [JSON_TYPE]: { schema: parts.answer } } } },
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": identity(kind),
  };
}

function pathParameter(name: "name" | "namespace"): object {
  return {
    name,
    in: "path",
    required: true,
    description: `The object's ${name}.`,
    schema: { type: "string", uniqueItems: true },
  };
}
