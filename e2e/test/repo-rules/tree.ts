/** The repository as the house rules see it: units, their manifests, and the source files with their imports. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../../..");

/** A package or a service. */
export interface Unit {
  /** Folder below the root, for example `packages/bus`. */
  readonly folder: string;
  readonly group: "packages" | "services";
  readonly manifest: {
    readonly name: string;
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly devDependencies?: Readonly<Record<string, string>>;
  };
}

/** Every file that git tracks or would track. */
export const files: readonly string[] = execFileSync(
  "git",
  ["ls-files", "--cached", "--others", "--exclude-standard"],
  {
    cwd: root,
    encoding: "utf8",
  },
)
  .split("\n")
  .filter((file) => file !== "" && existsSync(join(root, file)));

export const units: readonly Unit[] = files
  .filter((file) => /^(packages|services)\/[^/]+\/package\.json$/.test(file))
  .map((file) => ({
    folder: file.slice(0, -"/package.json".length),
    group: file.startsWith("packages/") ? "packages" : "services",
    manifest: JSON.parse(read(file)) as Unit["manifest"],
  }));

/** Source files that run in production: `src`, without what is exported for tests only. */
export const sources: readonly string[] = files.filter(
  (file) =>
    /^(packages|services)\/[^/]+\/src\/.*\.ts$/.test(file) &&
    !/\/testing(\.ts$|\/)/.test(file) &&
    !file.startsWith("packages/testkit/"),
);

/** Text of a file. */
export function read(file: string): string {
  return readFileSync(join(root, file), "utf8");
}

/** Module names that a file imports, also those of `import type` and `import()`. */
export function importsOf(file: string): readonly string[] {
  const pattern = /(?:^|\n)\s*(?:import|export)\s(?:[^;"']*?\sfrom\s)?["']([^"']+)["']|import\(["']([^"']+)["']\)/g;
  return [...read(file).matchAll(pattern)].map((match) => match[1] ?? match[2] ?? "");
}

/** The text without comments, so that a rule about code does not trip over prose. */
export function codeOf(file: string): string {
  return read(file)
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, " "))
    .replaceAll(/(^|[^:"'`])\/\/[^\n]*/g, "$1");
}
