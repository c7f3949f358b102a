/**
 * `npm test`: every suite that this machine can run, one level after the other (the levels share cores and loopback addresses),
 * and at the end what was skipped and why. Arguments go to vitest: `npm test -- packages/bus`, `npm test -- -t "half-close"`.
 * `--project unit` (repeatable) chooses levels. The level vm runs in the kernel guest where this machine's kernel has no IPVS.
 */
import { spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { GuestUnavailableError } from "../e2e/guest/src/errors.ts";
import { guestEnvironment, runInGuest } from "../e2e/guest/src/guest.ts";
import { systemClock } from "../packages/host/src/clock.ts";
import { Conversation, NetlinkFamily, openIpvs, openKernelTransport } from "../packages/netlink/src/index.ts";

const levels = ["unit", "integration", "kernel", "vm", "e2e"] as const;
type Level = (typeof levels)[number];

/** Time for the whole level vm in the guest, in ms: what computes is 15 times slower there. */
const guestTimeLimitMs = 1_800_000;

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
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => interrupted.abort(signal));
}

/** Arguments of vitest for a level. */
function vitest(level: Level): string[] {
  return ["run", "--project", level, "--passWithNoTests", ...rest];
}

/** Runs a program with the terminal as its own; its exit code. */
function run(command: string, commandArgs: readonly string[], quiet = false): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, commandArgs, {
      stdio: quiet ? "ignore" : "inherit",
      env: { ...process.env, FAIRLEAD_SKIPS: skips },
    });
    const stop = (): void => void child.kill(interrupted.signal.reason as NodeJS.Signals);
    interrupted.signal.addEventListener("abort", stop);
    const settle = (code: number): void => {
      interrupted.signal.removeEventListener("abort", stop);
      resolve(code);
    };
    child.once("error", () => settle(127));
    child.once("exit", (code, signal) => settle(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** Whether this machine's kernel has IPVS, after asking it to load the module, and this process may use it. */
async function hasIpvs(): Promise<boolean> {
  if (process.geteuid?.() !== 0) return false;
  await run("modprobe", ["--quiet", "ip_vs"], true);
  try {
    const transport = openKernelTransport({ family: NetlinkFamily.GENERIC });
    const conversation = new Conversation({ transport, clock: systemClock });
    try {
      return (await openIpvs(conversation)) !== undefined;
    } finally {
      conversation.close();
    }
  } catch {
    // No sockets of this kind: then no test can use them either.
    return false;
  }
}

/** Whether the arguments leave any suite of a level: booting for nothing takes ten seconds. What cannot be told has to be tried. */
async function hasSuites(level: Level): Promise<boolean> {
  const files = join(scratch, "files");
  const code = await run("vitest", ["list", "--filesOnly", `--json=${files}`, ...vitest(level).slice(1)], true);
  return code !== 0 || !existsSync(files) || (JSON.parse(readFileSync(files, "utf8")) as unknown[]).length > 0;
}

/** Runs the level's suites in the guest; their exit code. Where there can be no guest, that is a skip of the whole level. */
async function runVitestInGuest(level: Level): Promise<number> {
  try {
    return await runInGuest({
      // Nothing below the repository can be written, so the configuration is loaded as it is.
      command: ["vitest", ...vitest(level), "--configLoader=native"],
      cwd: process.cwd(),
      env: { ...guestEnvironment(), FAIRLEAD_SKIPS: skips },
      writable: [scratch],
      timeLimitMs: guestTimeLimitMs,
      signal: interrupted.signal,
      onStdout: (bytes) => process.stdout.write(bytes),
      onStderr: (bytes) => process.stderr.write(bytes),
      onProgress: (message) => process.stdout.write(`${message}\n`),
    });
  } catch (error) {
    if (interrupted.signal.aborted) return 1;
    const reason = (error as Error).message;
    if (!(error instanceof GuestUnavailableError) || process.env["FAIRLEAD_REQUIRE"] === "all") {
      process.stderr.write(`${reason}\n`);
      return 1;
    }
    appendFileSync(skips, `${JSON.stringify({ suite: `level ${level}`, reason })}\n`);
    return 0;
  }
}

let failed = 0;
try {
  for (const level of chosen.length > 0 ? (chosen as Level[]) : levels) {
    if (interrupted.signal.aborted) break;
    process.stdout.write(`\n== ${level} ==\n`);
    const inGuest = level === "vm" && (await hasSuites(level)) && !(await hasIpvs());
    const code = inGuest ? await runVitestInGuest(level) : await run("vitest", vitest(level));
    if (code !== 0) failed += 1;
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
if (interrupted.signal.aborted) process.exit(128 + constants.signals[interrupted.signal.reason as NodeJS.Signals]);
process.exit(failed === 0 ? 0 : 1);
