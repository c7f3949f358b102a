/** What an image name stands for on a machine without containers: a command, by a table in YAML. */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { IMAGE_TABLE_MAX_BYTES } from "./limits.ts";
import { ContainerPlanError } from "./plan-error.ts";

/** One entry: the image's entry point, its default arguments and its variables. */
export interface ImageEntry {
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * The names under which an image may stand in the table, the most particular first: as written, without digest, without
 * registry (`docker.io/`, `library/`), and each of these without its tag.
 */
export function imageNames(image: string): string[] {
  const plain = image.replace(/@sha256:[0-9a-f]{64}$/, "");
  const slash = plain.indexOf("/");
  const head = plain.slice(0, Math.max(slash, 0));
  // A registry is told from a user by a dot, a port or "localhost", as Docker does.
  const local = /[.:]|^localhost$/.test(head) ? plain.slice(slash + 1) : plain;
  const full = [image, plain, local, local.replace(/^library\//, "")];
  return [...new Set([...full, ...full.map((name) => name.replace(/:[^:/]*$/, ""))])];
}

/** The table in a file; it is read again when the file changes, so that a new entry needs no restart. */
export class ImageTable {
  readonly path: string;
  #entries: ReadonlyMap<string, ImageEntry> = new Map();
  #version = "";

  constructor(options: { path: string }) {
    this.path = resolve(options.path);
  }

  /** The entry for an image, or `undefined`. Throws {@link ContainerPlanError} `ErrImagePull` if the file is unusable. */
  find(image: string): ImageEntry | undefined {
    this.#refresh();
    for (const name of imageNames(image)) {
      const entry = this.#entries.get(name);
      if (entry) return entry;
    }
    return undefined;
  }

  #refresh(): void {
    try {
      const { mtimeMs, size } = statSync(this.path);
      const version = `${mtimeMs} ${size}`;
      if (version === this.#version) return;
      if (size > IMAGE_TABLE_MAX_BYTES) throw new Error(`larger than ${IMAGE_TABLE_MAX_BYTES} bytes`);
      this.#entries = readTable(readFileSync(this.path, "utf8"), dirname(this.path));
      this.#version = version;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ContainerPlanError("ErrImagePull", `the image table ${this.path} cannot be used: ${reason}`, {
        cause: error,
      });
    }
  }
}

/**
 * Reads a table: image name → `{command, args?, env?}`. An element that begins with `./` or `../` is a path from
 * `directory`; a command that begins with `node` runs this very Node. Throws an Error that names the entry at fault.
 */
export function readTable(text: string, directory: string): ReadonlyMap<string, ImageEntry> {
  const table: unknown = parse(text, { merge: true }) ?? {};
  if (!isRecord(table)) throw new Error("must be a mapping from image names to entries");
  return new Map(Object.entries(table).map(([image, entry]) => [image, readEntry(image, entry, directory)]));
}

function readEntry(image: string, entry: unknown, directory: string): ImageEntry {
  if (!isRecord(entry)) throw new Error(`${image}: must be a mapping with a command`);
  const unknown = Object.keys(entry).find((key) => !["command", "args", "env"].includes(key));
  if (unknown !== undefined) throw new Error(`${image}: unknown field ${unknown}`);
  const words = (field: string): string[] => {
    const value = entry[field] ?? [];
    if (!Array.isArray(value)) throw new Error(`${image}.${field}: must be a list of strings`);
    return value
      .map(scalar(`${image}.${field}`))
      .map((word) => (/^\.\.?\//.test(word) ? resolve(directory, word) : word));
  };
  const [program, ...rest] = words("command");
  if (program === undefined) throw new Error(`${image}.command: must not be empty`);
  const variables = entry["env"] ?? {};
  if (!isRecord(variables)) throw new Error(`${image}.env: must be a mapping`);
  const env = Object.entries(variables).map(([key, value]) => [key, scalar(`${image}.env.${key}`)(value)]);
  return {
    command: [program === "node" ? process.execPath : program, ...rest],
    args: words("args"),
    env: Object.fromEntries(env) as Record<string, string>,
  };
}

function scalar(field: string): (value: unknown) => string {
  return (value) => {
    if (typeof value === "string") return value;
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    throw new Error(`${field}: must be text`);
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
