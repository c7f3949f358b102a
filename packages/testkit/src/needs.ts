/** Which suites this machine can run. */
import { accessSync, appendFileSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Searched after PATH: Debian puts servers there, and an ordinary user's PATH does not have them. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** What is no program, and how to tell whether it is there. */
const otherNeeds = new Map([
  ["root", { name: "root", isPresent: () => process.geteuid?.() === 0 }],
  // Of each network namespace, from when the module is loaded.
  ["ip_vs", { name: "a kernel with IPVS", isPresent: () => existsSync("/proc/net/ip_vs") }],
]);

/** The file that would run as `program`, or undefined if there is none. */
export function programPath(program: string): string | undefined {
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== ""),
    ...SYSTEM_FOLDERS,
  ];
  return folders.map((folder) => join(folder, program)).find(isExecutableFile);
}

/**
 * Why a suite must be skipped on this machine, or undefined when it has everything: names of programs, `"root"` for the
 * right to do what root does, and `"ip_vs"` for a kernel with IPVS. With FAIRLEAD_REQUIRE=all nothing may be skipped: it
 * throws instead. With FAIRLEAD_SKIPS=FILE it appends a JSON line `{suite, reason}` to that file, from which the test command prints what was skipped.
 */
export function needs(...programs: string[]): string | undefined {
  const missing = programs.filter((program) => !isPresent(program));
  if (missing.length === 0) return undefined;
  const reason = missing.map((name) => `needs ${otherNeeds.get(name)?.name ?? `${name} on PATH`}`).join(", ");
  if (process.env["FAIRLEAD_REQUIRE"] === "all") throw new Error(`${reason}, and FAIRLEAD_REQUIRE=all forbids a skip`);
  const list = process.env["FAIRLEAD_SKIPS"];
  if (list !== undefined && list !== "") appendFileSync(list, `${JSON.stringify({ suite: callingFile(), reason })}\n`);
  return reason;
}

function isPresent(program: string): boolean {
  return otherNeeds.get(program)?.isPresent() ?? programPath(program) !== undefined;
}

function isExecutableFile(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The file that asked, relative to the working directory: the first one in the stack that is not this one. */
function callingFile(): string {
  const own = fileURLToPath(import.meta.url);
  for (const line of (new Error("for its stack").stack ?? "").split("\n").slice(1)) {
    const file = /(?:file:\/\/)?(\/[^?:]+)[^:]*:\d+:\d+/.exec(line)?.[1];
    if (file !== undefined && file !== own) return file.replace(`${process.cwd()}/`, "");
  }
  return "an unknown file";
}
