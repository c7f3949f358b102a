/** Where the derived schemas are kept between runs, so that only the first one reads the client library's models. */
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GeneratedSchemas } from "./generate.ts";
import type { Descriptions, Structure } from "./structure.ts";

/** The modules that decide what is in the cache: a change of one makes a new cache. */
const GENERATOR_INPUTS = [
  "declarations.ts",
  "field-types.ts",
  "generate.ts",
  "kinds.ts",
  "schema-names.ts",
  "structure.ts",
];

/** The schemas as they were found. */
export interface CachedSchemas {
  readonly structure: Structure;
  /** Reads the descriptions; empty if they are gone by then, as an OpenAPI document holds without them. */
  readonly descriptions: () => Descriptions;
}

/** The installed client library: nothing of it is loaded. Throws if it is not installed. */
export function clientLibrary(): { version: string; modelsDirectory: string } {
  const dist = dirname(fileURLToPath(import.meta.resolve("@kubernetes/client-node")));
  const manifest = JSON.parse(readFileSync(join(dist, "..", "package.json"), "utf8")) as { version: string };
  return { version: manifest.version, modelsDirectory: join(dist, "gen", "models") };
}

/** Changes whenever the schemas may. */
export function schemaKey(): string {
  const hash = createHash("sha256");
  for (const name of GENERATOR_INPUTS) hash.update(readFileSync(join(import.meta.dirname, name)));
  return `${clientLibrary().version}-${hash.digest("hex").slice(0, 16)}`;
}

/** The cached schemas, or undefined if there are none yet. */
export async function readCache(
  directories: readonly string[] = cacheDirectories(),
): Promise<CachedSchemas | undefined> {
  const key = schemaKey();
  for (const directory of directories) {
    try {
      // In a directory that anyone may write to, only what this user put there is believed.
      if ((await stat(directory)).uid !== userInfo().uid && directory !== ownDirectory()) continue;
      const structure = JSON.parse(await readFile(structureFile(directory, key), "utf8")) as Structure;
      return { structure, descriptions: () => readDescriptions(descriptionsFile(directory, key)) };
    } catch {
      // Missing or unreadable here: the next place, or a new one.
    }
  }
  return undefined;
}

/** Writes both files into the first directory that takes them and returns the structure's path. Throws if none does. */
export async function writeCache(
  { structure, descriptions }: GeneratedSchemas,
  directories: readonly string[] = cacheDirectories(),
): Promise<string> {
  const key = schemaKey();
  let failure: unknown;
  for (const directory of directories) {
    try {
      await mkdir(directory, { recursive: true, mode: 0o755 });
      await writeWhole(descriptionsFile(directory, key), descriptions);
      await writeWhole(structureFile(directory, key), structure);
      return structureFile(directory, key);
    } catch (error) {
      failure = error;
    }
  }
  throw new Error("the schemas could not be cached anywhere", { cause: failure });
}

/** The checkout's own cache, then one of this user's in the system's directory for temporary files. */
export function cacheDirectories(): string[] {
  return [ownDirectory(), join(tmpdir(), `fairlead-${userInfo().uid}`)];
}

function ownDirectory(): string {
  return join(import.meta.dirname, "..", "..", ".cache");
}

function structureFile(directory: string, key: string): string {
  return join(directory, `schemas-${key}.json`);
}

function descriptionsFile(directory: string, key: string): string {
  return join(directory, `schema-descriptions-${key}.json`);
}

function readDescriptions(file: string): Descriptions {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Descriptions;
  } catch {
    return {};
  }
}

/** Another process sees the old file or the whole new one. */
async function writeWhole(file: string, value: unknown): Promise<void> {
  const draft = `${file}.${randomUUID()}`;
  try {
    await writeFile(draft, JSON.stringify(value));
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}
