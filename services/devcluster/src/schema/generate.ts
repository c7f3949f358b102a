/**
 * Derives the schemas from the installed client library: types from its models, descriptions and required fields from their
 * declaration files. Run by `loadSchemas` when the cache is missing, or by hand: `node services/devcluster/src/schema/generate.ts`.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { clientLibrary, writeCache } from "./cache.ts";
import { parseDeclaration } from "./declarations.ts";
import { fieldType } from "./field-types.ts";
import type { Attribute } from "./field-types.ts";
import { SCALE_KIND, SERVED_KINDS } from "./kinds.ts";
import { META_ROOTS, schemaNames } from "./schema-names.ts";
import { reachable } from "./structure.ts";
import type { Descriptions, FieldType, Structure } from "./structure.ts";

/** Everything there is to know about the models. */
export interface GeneratedSchemas {
  readonly structure: Structure;
  readonly descriptions: Descriptions;
}

interface ReadModel {
  readonly fields: Record<string, FieldType>;
  readonly descriptions: Record<string, string>;
}

/** What the library's own generator put at fields of these types, in place of the field's description. */
const DESCRIBES_ITS_TYPE = /^(?:IntOrString|MicroTime|Time) is /;

/** Reads the models that the served kinds lead to. Throws if the library is not installed or has a notation that is not known. */
export async function generateSchemas(): Promise<GeneratedSchemas> {
  const { modelsDirectory } = clientLibrary();
  const roots = [...SERVED_KINDS.map(({ model }) => model), SCALE_KIND.model, ...META_ROOTS];
  const models = new Map<string, ReadModel>();
  let wanted = roots;
  while (wanted.length > 0) {
    const read = await Promise.all(wanted.map(async (name) => [name, await readModel(modelsDirectory, name)] as const));
    for (const [name, model] of read) models.set(name, model);
    const referenced = read.flatMap(([, { fields }]) =>
      Object.values(fields).flatMap(({ model, of }) => (model ? of : [])),
    );
    wanted = [...new Set(referenced)].filter((name) => !models.has(name));
  }
  const unnamed: Structure = Object.fromEntries(
    [...models].map(([name, { fields }]) => [name, { schemaName: "", fields }]),
  );
  const names = schemaNames((root) => reachable(unnamed, [root]));
  return {
    structure: Object.fromEntries(
      [...models].map(([name, { fields }]) => [name, { schemaName: names.get(name) ?? name, fields }]),
    ),
    descriptions: Object.fromEntries([...models].map(([name, { descriptions }]) => [name, descriptions])),
  };
}

async function readModel(directory: string, name: string): Promise<ReadModel> {
  const [exports, source] = await Promise.all([
    import(pathToFileURL(join(directory, `${name}.js`)).href) as Promise<Record<string, unknown>>,
    readFile(join(directory, `${name}.d.ts`), "utf8"),
  ]);
  const declaration = parseDeclaration(source);
  const fields: Record<string, FieldType> = {};
  const descriptions: Record<string, string> = { "": declaration.description };
  for (const attribute of attributesOf(exports[name], name)) {
    const property = declaration.properties.get(attribute.name);
    fields[attribute.baseName] = fieldType(name, attribute, property?.required ?? false);
    const description = property?.description ?? "";
    if (description !== "" && !DESCRIBES_ITS_TYPE.test(description)) descriptions[attribute.baseName] = description;
  }
  return { fields, descriptions };
}

function attributesOf(model: unknown, name: string): readonly Attribute[] {
  const { attributeTypeMap } = (model ?? {}) as { attributeTypeMap?: readonly Attribute[] };
  if (!attributeTypeMap) throw new Error(`the client library's model ${name} has no attribute map`);
  return attributeTypeMap;
}

if (import.meta.main) {
  process.stdout.write(`${await writeCache(await generateSchemas())}\n`);
}
