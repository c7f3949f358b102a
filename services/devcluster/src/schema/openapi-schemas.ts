/** Models as OpenAPI v3 schemas, with the extensions that kubectl reads. */
import { fieldRule, isWhole } from "./list-rules.ts";
import { SERVED_KINDS } from "./kinds.ts";
import type { GroupVersionKind } from "./kinds.ts";
import { META_ROOTS, packageOf } from "./schema-names.ts";
import { reachable } from "./structure.ts";
import type { Descriptions, FieldType, Structure } from "./structure.ts";

type Schema = Record<string, unknown>;

/** Types that the client library has no models for, by our scalar names. */
const NAMED_SCALARS: Readonly<Record<string, { readonly name: string; readonly schema: Schema }>> = {
  "int-or-string": {
    name: "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    schema: {
      description: "A number or a name. In JSON and YAML, write the one or the other.",
      format: "int-or-string",
      oneOf: [{ type: "integer" }, { type: "string" }],
      "x-kubernetes-int-or-string": true,
    },
  },
  quantity: {
    name: "io.k8s.apimachinery.pkg.api.resource.Quantity",
    schema: {
      description: "An amount, as a number with an optional suffix: 500m, 2, 1.5Gi, 10M.",
      oneOf: [{ type: "string" }, { type: "number" }],
    },
  },
  time: {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
    schema: { description: "A point in time in RFC 3339, to the second.", type: "string", format: "date-time" },
  },
  "micro-time": {
    name: "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
    schema: { description: "A point in time in RFC 3339, to the microsecond.", type: "string", format: "date-time" },
  },
};

const PATCH_SCHEMA = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

const PLAIN_SCALARS: Readonly<Record<string, Schema>> = {
  string: { type: "string" },
  boolean: { type: "boolean" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  number: { type: "number", format: "double" },
  bytes: { type: "string", format: "byte" },
  any: { type: "object" },
};

/** Reference to the schema of that name. */
export function reference(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

export const patchReference: Schema = reference(PATCH_SCHEMA);

/** Schema names of what a request or an answer about a kind holds. */
export function kindSchemaName(structure: Structure, model: string): string {
  return structure[model]?.schemaName ?? model;
}

export function listSchemaName({ group, version, kind }: GroupVersionKind): string {
  return `${packageOf(group, version)}.${kind}List`;
}

/** The schemas of a group version: its kinds, their lists, and everything those refer to. */
export function componentSchemas(
  structure: Structure,
  descriptions: Descriptions,
  group: string,
  version: string,
  extraModels: readonly string[],
): Record<string, Schema> {
  const kinds = SERVED_KINDS.filter((kind) => kind.group === group && kind.version === version);
  const schemas: Record<string, Schema> = {};
  const roots = [...kinds.map(({ model }) => model), ...extraModels, ...META_ROOTS];
  for (const model of reachable(structure, roots)) {
    schemas[kindSchemaName(structure, model)] = modelSchema(structure, descriptions, model);
  }
  for (const kind of kinds) schemas[listSchemaName(kind)] = listSchema(structure, kind);
  for (const { name, schema } of Object.values(NAMED_SCALARS)) schemas[name] = schema;
  schemas[PATCH_SCHEMA] = {
    description: "A change to an object, in the form that its content type says.",
    type: "object",
  };
  return Object.fromEntries(Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function modelSchema(structure: Structure, descriptions: Descriptions, model: string): Schema {
  const fields = Object.entries(structure[model]?.fields ?? {});
  const texts = descriptions[model] ?? {};
  const required = fields.flatMap(([name, { required: must }]) => (must ? [name] : []));
  const kinds = SERVED_KINDS.filter((kind) => kind.model === model);
  return {
    ...(texts[""] ? { description: texts[""] } : {}),
    type: "object",
    properties: Object.fromEntries(
      fields.map(([name, type]) => [name, fieldSchema(structure, model, name, type, texts[name])]),
    ),
    ...(required.length > 0 ? { required } : {}),
    ...(kinds.length > 0 ? { "x-kubernetes-group-version-kind": kinds.map((kind) => identity(kind)) } : {}),
    ...(model === "V1Status" || model === "V1DeleteOptions"
      ? { "x-kubernetes-group-version-kind": [metaKind(model)] }
      : {}),
    ...(isWhole(model) ? { "x-kubernetes-map-type": "atomic" } : {}),
  };
}

function fieldSchema(
  structure: Structure,
  model: string,
  name: string,
  type: FieldType,
  description: string | undefined,
): Schema {
  return {
    ...(description === undefined ? {} : { description }),
    ...shaped(structure, type),
    ...extensions(model, name, type),
  };
}

function shaped(structure: Structure, type: FieldType): Schema {
  const item = itemSchema(structure, type);
  if (type.shape === "list") return { type: "array", items: item };
  if (type.shape === "map") return { type: "object", additionalProperties: item };
  return item;
}

/** A reference stands under `allOf`, so that a description may stand beside it. */
function itemSchema(structure: Structure, type: FieldType): Schema {
  if (type.model) return { allOf: [reference(kindSchemaName(structure, type.of))], default: {} };
  const named = NAMED_SCALARS[type.of];
  return named ? { allOf: [reference(named.name)] } : { ...PLAIN_SCALARS[type.of] };
}

function extensions(model: string, name: string, type: FieldType): Schema {
  const rule = fieldRule(model, name);
  return {
    ...(type.shape === "list" ? { "x-kubernetes-list-type": rule?.listType ?? "atomic" } : {}),
    ...(rule?.listMapKeys ? { "x-kubernetes-list-map-keys": rule.listMapKeys } : {}),
    ...(rule?.mapType ? { "x-kubernetes-map-type": rule.mapType } : {}),
    ...(rule?.patchMergeKey ? { "x-kubernetes-patch-merge-key": rule.patchMergeKey } : {}),
    ...(rule?.patchStrategy ? { "x-kubernetes-patch-strategy": rule.patchStrategy } : {}),
  };
}

function listSchema(structure: Structure, kind: (typeof SERVED_KINDS)[number]): Schema {
  return {
    description: `A list of ${kind.resource}.`,
    type: "object",
    required: ["items"],
    properties: {
      apiVersion: { description: "Group and version of the list.", type: "string" },
      kind: { description: `Always ${kind.kind}List.`, type: "string" },
      metadata: {
        description: "What point in time the list shows, and where it goes on.",
        allOf: [reference(kindSchemaName(structure, "V1ListMeta"))],
        default: {},
      },
      items: {
        description: "The objects.",
        type: "array",
        items: { allOf: [reference(kindSchemaName(structure, kind.model))], default: {} },
      },
    },
    "x-kubernetes-group-version-kind": [{ ...identity(kind), kind: `${kind.kind}List` }],
  };
}

/** A kind as the extension names it. */
export function identity({ group, version, kind }: GroupVersionKind): GroupVersionKind {
  return { group, version, kind };
}

function metaKind(model: string): GroupVersionKind {
  return { group: "", version: "v1", kind: model.slice(2) };
}
