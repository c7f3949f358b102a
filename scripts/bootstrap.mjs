#!/usr/bin/env node
// The one way in: `npm run dev`, `npm test`, `npm run check`, `npm run bench`. Runs on any Node >= 20 with npm, installs the
// pinned pnpm, Node 26 and the dependencies if they are not there as the lockfile wants them, then hands over to Node 26.
// Plain JavaScript without dependencies: it has to run before anything is installed.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const node = join(bin, "node");
const stamp = join(root, "node_modules", ".fairlead-installed");
// Compiled code is kept between runs: a start takes two thirds of the time.
const compileCache = join(root, "node_modules", ".cache", "node-compile");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const commands = {
  dev: (args) => [node, [join(root, "packages/cli/src/main.ts"), "dev", ...args]],
  test: (args) => [node, [join(root, "scripts/test.ts"), ...args]],
  bench: (args) => [node, [join(root, "scripts/bench.ts"), ...args]],
  check: (args) => [
    join(bin, "turbo"),
    ["run", "check:format", "check:lint", "check:types", "--output-logs=new-only", ...args],
  ],
  format: (args) => [join(bin, "oxfmt"), args],
};

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !Object.hasOwn(commands, name)) {
  fail(`usage: node scripts/bootstrap.mjs ${Object.keys(commands).join("|")} [arguments]`);
}
if (Number(process.versions.node.split(".")[0]) < 20) fail(`Node 20 or newer is needed, this is ${process.version}`);

install();
// turbo looks for the package manager on PATH.
const path = [bin, join(toolsOf(pinnedVersion()), "node_modules", ".bin"), process.env.PATH ?? ""].join(":");
const [command, commandArgs] = commands[name](args);
const child = spawn(command, commandArgs, {
  // The user's own folder: paths on the command line are relative to it.
  cwd: name === "dev" ? (process.env.INIT_CWD ?? process.cwd()) : root,
  stdio: "inherit",
  env: {
    NODE_COMPILE_CACHE: compileCache,
    ...process.env,
    PATH: path,
    TURBO_TELEMETRY_DISABLED: "1",
    DO_NOT_TRACK: "1",
  },
});
// A terminal sends SIGINT to the whole group, so the child has it already; SIGTERM comes to this process alone.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("error", (error) => fail(`${command}: ${error.message}`));
child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));

/** Installs unless the last install was for exactly these manifests. */
function install() {
  const want = fingerprint();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === want && existsSync(node)) return;
  say("installing dependencies (once; about half a minute)");
  const pnpm = pinnedPnpm();
  run(process.execPath, [pnpm, "install", "--frozen-lockfile", "--reporter=append-only"], "pnpm install");
  if (!existsSync(node)) fail("Node 26 did not arrive with the dependencies: see the output above");
  // The API's schemas are derived from the client library once, so that no start has to wait for it.
  run(node, [join(root, "services/devcluster/src/schema/generate.ts")], "deriving the API's schemas");
  // The first start finds its code compiled, as every later one.
  run(node, [join(root, "scripts/warm.ts")], "compiling", { NODE_COMPILE_CACHE: compileCache });
  writeFileSync(stamp, want);
}

/** Path of pnpm's entry file, in the version that package.json names. */
function pinnedPnpm() {
  const version = pinnedVersion();
  const home = toolsOf(version);
  const entry = join(home, "node_modules", "pnpm", "bin", "pnpm.mjs");
  const older = entry.replace(/mjs$/, "cjs");
  if (!existsSync(entry) && !existsSync(older)) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, "package.json"), '{ "private": true }\n');
    run(
      "npm",
      ["install", "--prefix", home, "--no-audit", "--no-fund", "--loglevel=error", `pnpm@${version}`],
      "npm install pnpm",
    );
  }
  return existsSync(entry) ? entry : older;
}

function pinnedVersion() {
  return manifest.packageManager.split("@")[1];
}

/** Folder of the pnpm of this version. */
function toolsOf(version) {
  return join(root, ".tools", `pnpm-${version}`);
}

/** Digest of everything that an install depends on. */
function fingerprint() {
  const hash = createHash("sha256");
  const members = ["packages", "services"].flatMap((group) =>
    readdirSync(join(root, group))
      .toSorted((a, b) => (a < b ? -1 : 1))
      .map((unit) => join(group, unit, "package.json")),
  );
  const files = ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json", "e2e/package.json", ...members];
  for (const file of files) {
    const path = join(root, file);
    if (existsSync(path)) hash.update(file).update("\0").update(readFileSync(path)).update("\0");
  }
  return hash.digest("hex");
}

function run(command, args, what, env = {}) {
  rmSync(stamp, { force: true });
  // Progress belongs on stderr: stdout is the command's own.
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    env: { ...process.env, ...env },
  });
  if (error !== undefined) fail(`${what}: ${error.message}`);
  if (status !== 0) fail(`${what} failed with exit code ${status}`);
}

function say(message) {
  process.stderr.write(`fairlead: ${message}\n`);
}

function fail(message) {
  say(message);
  process.exit(1);
}
