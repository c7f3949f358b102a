import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { files, read, root } from "./tree.ts";

const adrs = files.filter((file) => /^docs\/adr\/\d{4}-[a-z0-9-]+\.md$/.test(file)).sort();

describe("the documents", () => {
  test("relative links of every Markdown file lead to a file", () => {
    const broken = files
      .filter((file) => file.endsWith(".md"))
      .flatMap((file) =>
        [
          ...read(file)
            .replaceAll(/```[\s\S]*?```/g, "")
            .matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)/g),
        ]
          .map((match) => match[1] ?? "")
          .filter((target) => !existsSync(join(root, dirname(file), target)))
          .map((target) => `${file} -> ${target}`),
      );
    expect(broken).toEqual([]);
  });

  test("decisions are numbered without a gap and have the fixed parts", () => {
    expect(adrs.map((file) => Number(file.slice("docs/adr/".length, "docs/adr/".length + 4)))).toEqual(
      adrs.map((_, index) => index + 1),
    );
    for (const file of adrs) {
      const text = read(file);
      expect(text, file).toMatch(
        /^# \d+\. .+\n\n\| Date \| Status \| Tags \|\n\|---\|---\|---\|\n\| \d{4}-\d\d-\d\d \| (?:accepted|superseded by \d{4}) \| .+ \|\n/,
      );
      expect(
        [...text.matchAll(/^## (.+)$/gm)].map((match) => match[1]),
        file,
      ).toEqual(["Context", "Decision", "Consequences"]);
    }
  });

  test("the index of decisions lists each of them by its title", () => {
    const index = read("docs/adr/README.md");
    for (const file of adrs) {
      const title = /^# \d+\. (.+)$/m.exec(read(file))?.[1] ?? "";
      expect(index).toContain(`[${title}](${file.slice("docs/adr/".length)})`);
    }
  });

  test("the page of limits is what the source says", () => {
    const { stderr } = spawnSync(process.execPath, ["scripts/limits.ts", "--check"], { cwd: root, encoding: "utf8" });
    expect(stderr).toBe("");
  });

  test("no document names a place on somebody's machine", () => {
    const place = /\/work\/|\/root\/|registry\.npmjs|localhost:48/;
    expect(
      files
        .filter((file) => /\.(md|json|yaml|ts|mjs)$/.test(file) && !file.startsWith("e2e/test/repo-rules/"))
        .filter((file) => place.test(read(file))),
    ).toEqual([]);
  });
});
