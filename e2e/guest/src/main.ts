/** `node e2e/guest/src/main.ts [options] -- COMMAND...`: runs a command in the kernel guest. */
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { GuestTimeLimitError } from "./errors.ts";
import { defaultTimeLimitMs, guestEnvironment, runInGuest } from "./guest.ts";

const usage = `usage: node e2e/guest/src/main.ts [options] -- COMMAND [ARGUMENT...]

Runs the command as root on Debian's kernel, in this folder, with the files of this machine, and ends with its exit code.

  --time-limit 300s     ends it with exit code 124 when that is over; s or m (default ${defaultTimeLimitMs / 1_000}s)
  --writable FOLDER     a folder that the command may write to; repeatable (else it reads only, but for /tmp and /run)
  --env NAME[=VALUE]    a variable of its environment; repeatable (PATH, HOME, LANG, CI and FAIRLEAD_* are there)
  --console             shows what the guest's kernel says, on stderr
`;

/** Exit codes when there is none of the command: as `timeout` and `env` have them. */
const timeLimitCode = 124;
const failureCode = 125;

function parse() {
  return parseArgs({
    allowPositionals: true,
    options: {
      "time-limit": { type: "string", default: `${defaultTimeLimitMs / 1_000}s` },
      writable: { type: "string", multiple: true, default: [] },
      env: { type: "string", multiple: true, default: [] },
      console: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
}

function refuse(message: string): never {
  process.stderr.write(`${message}\n\n${usage}`);
  process.exit(2);
}

function milliseconds(text: string): number {
  const [, number, unit] = /^(\d+)(s|m)$/.exec(text) ?? refuse(`--time-limit: ${text} is no time`);
  return Number(number) * (unit === "m" ? 60_000 : 1_000);
}

function environment(wanted: readonly string[]): Record<string, string> {
  const asked = wanted.map((entry): [string, string | undefined] => {
    const [, name = "", value] = /^([A-Za-z_]\w*)(?:=(.*))?$/s.exec(entry) ?? refuse(`--env: ${entry} is no variable`);
    return [name, value ?? process.env[name]];
  });
  const given = asked.filter((entry): entry is [string, string] => entry[1] !== undefined);
  return { ...guestEnvironment(), ...Object.fromEntries(given) };
}

let parsed: ReturnType<typeof parse>;
try {
  parsed = parse();
} catch (error) {
  refuse((error as Error).message);
}
const { values, positionals } = parsed;
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const [program, ...args] = positionals;
if (program === undefined) refuse("there is no command");

const interrupted = new AbortController();
let signalCode: number | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    signalCode ??= 128 + constants.signals[signal];
    interrupted.abort(new Error(`interrupted by ${signal}`));
  });
}

try {
  process.exitCode = await runInGuest({
    command: [program, ...args],
    cwd: process.cwd(),
    env: environment(values.env),
    writable: values.writable,
    timeLimitMs: milliseconds(values["time-limit"]),
    signal: interrupted.signal,
    onStdout: (bytes) => process.stdout.write(bytes),
    onStderr: (bytes) => process.stderr.write(bytes),
    onProgress: (message) => process.stderr.write(`guest: ${message}\n`),
    ...(values.console ? { onConsole: (text: string): void => void process.stderr.write(text) } : {}),
  });
} catch (error) {
  process.stderr.write(`guest: ${(error as Error).message}\n`);
  process.exitCode = signalCode ?? (error instanceof GuestTimeLimitError ? timeLimitCode : failureCode);
}
