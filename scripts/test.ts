/**
 * `npm test`: every suite that this machine can run, one level after the other (the levels share cores and loopback addresses),
 * and at the end what was skipped and why. Arguments go to vitest: `npm test -- packages/bus`, `npm test -- -t "half-close"`.
 * `--project unit` (repeatable) chooses levels.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const levels = ["unit", "integration", "e2e"] as const;

const chosen: string[] = [];
const rest: string[] = [];
const args = process.argv.slice(2);
while (args.length > 0) {
  const arg = args.shift() ?? "";
  if (arg === "--project") chosen.push(args.shift() ?? "");
  else rest.push(arg);
}
const unknown = chosen.filter((name) => !(levels as readonly string[]).includes(name));
if (unknown.length > 0) {
  process.stderr.write(`--project: must be one of ${levels.join(", ")}, not ${unknown.join(", ")}\n`);
  process.exit(2);
}

const scratch = mkdtempSync(join(tmpdir(), "fairlead-test-"));
const skips = join(scratch, "skips");
let failed = 0;
try {
  for (const level of chosen.length > 0 ? chosen : levels) {
    process.stdout.write(`\n== ${level} ==\n`);
    const { status } = spawnSync("vitest", ["run", "--project", level, "--passWithNoTests", ...rest], {
      stdio: "inherit",
      env: { ...process.env, FAIRLEAD_SKIPS: skips },
    });
    if (status !== 0) failed += 1;
  }
  const skipped = existsSync(skips) ? [...new Set(readFileSync(skips, "utf8").trim().split("\n"))] : [];
  process.stdout.write(skipped.length === 0 ? "\nNothing was skipped.\n" : "\nSkipped:\n");
  for (const line of skipped) {
    const { suite, reason } = JSON.parse(line) as { suite: string; reason: string };
    process.stdout.write(`  ${suite}: ${reason}\n`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);
