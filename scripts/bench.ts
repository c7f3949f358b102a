/** `npm run bench -- <name>`: runs one benchmark; without a name it lists them. A benchmark is a `bench/<name>.bench.ts` of a package or service. */
import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { basename } from "node:path";

const files = new Map(
  globSync("{packages,services}/*/bench/*.bench.ts").map((file) => [basename(file, ".bench.ts"), file] as const),
);
const [name, ...args] = process.argv.slice(2);
const file = files.get(name ?? "");
if (file === undefined) {
  process.stderr.write(`usage: npm run bench -- ${[...files.keys()].sort().join("|")}\n`);
  process.exit(2);
}
const { status } = spawnSync(process.execPath, ["--expose-gc", file, ...args], { stdio: "inherit" });
process.exit(status ?? 1);
