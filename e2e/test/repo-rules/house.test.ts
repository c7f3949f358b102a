import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { codeOf, files, read, root, sources, units } from "./tree.ts";

const headings = ["Name", "Description", "Configuration", "Examples", "Metrics", "Ready", "Failure modes", "Not for"];

describe("the house rules", () => {
  test.each(units.map((unit) => unit.folder))("%s has a README with the fixed headings", (folder) => {
    const readme = `${folder}/README.md`;
    expect(existsSync(join(root, readme)), `${readme} is missing`).toBe(true);
    const found = [
      ...read(readme)
        .replaceAll(/```[\s\S]*?```/g, "")
        .matchAll(/^## (.+)$/gm),
    ].map((match) => match[1]);
    expect(found).toEqual(headings);
  });

  test("files and folders are named in kebab-case", () => {
    const named = files.filter((file) => /\.(ts|mjs)$/.test(file));
    const wrong = named.filter(
      (file) => !file.split("/").every((part) => /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9-]+)*$/.test(part)),
    );
    expect(wrong).toEqual([]);
  });

  test("no file is called utils, helpers, common or misc", () => {
    expect(files.filter((file) => /\/(utils?|helpers?|common|misc)\.ts$/.test(file))).toEqual([]);
  });

  test("only the clock of packages/host asks the machine for time or randomness", () => {
    const wrong = sources.filter(
      (file) =>
        file !== "packages/host/src/clock.ts" &&
        /\bDate\.now\b|\bMath\.random\b|\bperformance\.now\b|new Date\(\)/.test(codeOf(file)),
    );
    expect(wrong).toEqual([]);
  });

  test("no test is switched off or narrowed", () => {
    const tests = files.filter((file) => file.endsWith(".test.ts") && !file.startsWith("e2e/test/repo-rules/"));
    const pattern = /\b(?:it|test|describe)(?:\.\w+)*\.(?:only|todo|skip)\b/;
    expect(tests.filter((file) => pattern.test(codeOf(file)))).toEqual([]);
  });

  test("no type check is silenced", () => {
    const code = files.filter((file) => file.endsWith(".ts") && !file.startsWith("e2e/test/repo-rules/"));
    expect(code.filter((file) => /@ts-(?:ignore|nocheck|expect-error)|\bas any\b/.test(read(file)))).toEqual([]);
  });

  test("nothing loads what type stripping cannot run", () => {
    const wrong = sources.filter((file) =>
      /^[ \t]*(?:export[ \t]+)?(?:const[ \t]+)?enum\s|^[ \t]*@\w+\(/m.test(codeOf(file)),
    );
    expect(wrong).toEqual([]);
  });

  test("every source file begins by saying what it is", () => {
    const wrong = sources.filter(
      (file) => !/^(?:#!.*\n)?\s*\/[/*]/.test(read(file)) && !/\/(?:index|main)\.ts$/.test(file),
    );
    expect(wrong).toEqual([]);
  });

  test("the lockfile names no host", () => {
    expect(read("pnpm-lock.yaml")).not.toMatch(/https?:\/\//);
  });
});
