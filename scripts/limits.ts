/**
 * Writes `docs/limits.md`: every numeric constant of production code with the comment above it, so that the page cannot lag behind.
 * `node scripts/limits.ts` writes it, with `--check` it only says whether it is current (exit code 1 where not).
 */
import { globSync, readFileSync, writeFileSync } from "node:fs";

const page = "docs/limits.md";
// A constant whose value is made of numbers alone. Several in a row share the comment above the first.
const constant = /^(?:export )?const ([a-zA-Z]\w*)(?:: \w+)? = ([-\d_ *<+.()]+);/;
// Units of the wire and the host's interfaces are no bounds.
const isBound =
  /max|min|limit|most|ms$|seconds$|bytes$|length|depth|tries|retr|burst|timeout|concurrency|wait|size|count|items|sockets|connections|period|rounds|interval|grace|attempts/i;

interface Bound {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
  readonly file: string;
}

function boundsOf(file: string): Bound[] {
  const bounds: Bound[] = [];
  let comment: string[] = [];
  let begun = false;
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const found = constant.exec(line);
    if (found !== null) {
      const [, name = "", value = ""] = found;
      if (isBound.test(name) && comment.length > 0) {
        bounds.push({ name, value: value.trim(), meaning: sentence(comment.join("\n")), file });
      }
      begun = true;
    } else if (/^(?:\/\/|\/\*\*| \*)/.test(line)) {
      if (begun || line.startsWith("/**")) comment = [];
      begun = false;
      comment.push(line);
    } else {
      comment = [];
    }
  }
  return bounds;
}

/** The comment as one line, without its signs. */
function sentence(comment: string): string {
  return comment
    .replaceAll(/^\s*(?:\/\*\*|\*\/|\*|\/\/)\s?|\*\/\s*$/gm, "")
    .replaceAll(/\{@link (\w+)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ")
    .replaceAll("|", String.raw`\|`)
    .trim();
}

function text(): string {
  const files = globSync("{packages,services}/*/src/**/*.ts").filter(
    (file) => !file.startsWith("packages/testkit/") && !/\/testing[./]/.test(file),
  );
  const byUnit = Map.groupBy(files.toSorted((a, b) => (a < b ? -1 : 1)).flatMap(boundsOf), ({ file }) =>
    file.split("/").slice(0, 2).join("/"),
  );
  const tables = [...byUnit].map(([unit, bounds]) => {
    const rows = bounds.map(
      ({ name, value, meaning, file }) => `| [\`${name}\`](../${file}) | ${value.replaceAll("*", "×")} | ${meaning} |`,
    );
    return `## ${unit}\n\n| constant | value | what it bounds |\n|---|---|---|\n${rows.join("\n")}\n`;
  });
  return `# Limits\n\nEvery wait, queue, buffer and cache has a bound, and each is a named constant. Written by \`scripts/limits.ts\` from the source.\n\n${tables.join("\n")}`;
}

if (process.argv.includes("--check")) {
  if (readFileSync(page, "utf8") !== text()) {
    process.stderr.write(`${page} is not current: run node scripts/limits.ts\n`);
    process.exit(1);
  }
} else {
  writeFileSync(page, text());
}
