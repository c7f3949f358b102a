/** The API's schemas: what the server validates with, and what kubectl reads as OpenAPI. */
import { isObject } from "../patch/json-value.ts";
import { cacheDirectories, readCache, schemaKey, writeCache } from "./cache.ts";
import type { CachedSchemas } from "./cache.ts";
import { modelOf } from "./kinds.ts";
import type { GroupVersionKind } from "./kinds.ts";
import { openapiDocument, openapiIndex } from "./openapi.ts";
import type { OpenapiDocument, OpenapiIndex } from "./openapi.ts";
import { prune } from "./pruning.ts";
import { findFaults } from "./validation.ts";
import type { SchemaFaults } from "./validation.ts";

/** See the module. Kinds are those of schema/kinds.ts; for any other nothing is known, and nothing is refused. */
export interface Schemas {
  /** Body of `/openapi/v3`. */
  openapiIndex(): OpenapiIndex;
  /** Body of `/openapi/v3/<path>`, built anew each time; undefined for a path that is not in the index. */
  openapiDocument(path: string): OpenapiDocument | undefined;
  /** Unknown fields and wrong types. Never throws. */
  validate(gvk: GroupVersionKind, object: unknown): SchemaFaults;
  /** A copy without unknown fields and nulls, as a real server stores it whatever the fieldValidation. */
  prune<T extends object>(gvk: GroupVersionKind, object: T): T;
}

/** Where the schemas are looked for and kept; the defaults are right but in tests. */
export interface SchemaOptions {
  readonly cacheDirectories?: readonly string[];
}

/**
 * The schemas from the cache, or derived from the installed client library (about 0.2 s) and then cached. Rejects only if neither can
 * be read; a cache that cannot be written costs the next start that time again.
 */
export async function loadSchemas(options: SchemaOptions = {}): Promise<Schemas> {
  const directories = options.cacheDirectories ?? cacheDirectories();
  const cached = (await readCache(directories)) ?? (await derive(directories));
  return new DerivedSchemas(cached, schemaKey());
}

/** The generator is loaded only when needed: it imports the client library's models. */
async function derive(directories: readonly string[]): Promise<CachedSchemas> {
  const { generateSchemas } = await import("./generate.ts");
  const generated = await generateSchemas();
  try {
    await writeCache(generated, directories);
  } catch {
    return { structure: generated.structure, descriptions: () => generated.descriptions };
  }
  return (
    (await readCache(directories)) ?? { structure: generated.structure, descriptions: () => generated.descriptions }
  );
}

class DerivedSchemas implements Schemas {
  readonly #schemas: CachedSchemas;
  readonly #key: string;

  constructor(schemas: CachedSchemas, key: string) {
    this.#schemas = schemas;
    this.#key = key;
  }

  openapiIndex(): OpenapiIndex {
    return openapiIndex(this.#key);
  }

  openapiDocument(path: string): OpenapiDocument | undefined {
    return openapiDocument(this.#schemas.structure, this.#schemas.descriptions, path);
  }

  validate(gvk: GroupVersionKind, object: unknown): SchemaFaults {
    const model = modelOf(gvk);
    return model === undefined ? { unknown: [], typeErrors: [] } : findFaults(this.#schemas.structure, model, object);
  }

  prune<T extends object>(gvk: GroupVersionKind, object: T): T {
    const model = modelOf(gvk);
    // Only what the model's own type holds is kept, so the type stays what it was.
    return model === undefined || !isObject(object) ? object : (prune(this.#schemas.structure, model, object) as T);
  }
}
