/** The real dig against one stack's name server. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Stack } from "./stack.ts";

const run = promisify(execFile);

/** One try of this many seconds. */
const patience = ["+tries=1", "+time=5"];

/** The answers' data, sorted: addresses, or names with what goes before them. Rejects where nobody answers. */
export async function dig(stack: Stack, ...question: readonly string[]): Promise<string[]> {
  const text = await ask(stack, [...question, "+short"]);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

/** The answer's status: NOERROR, NXDOMAIN, SERVFAIL … Rejects where nobody answers. */
export async function digStatus(stack: Stack, ...question: readonly string[]): Promise<string | undefined> {
  return /status: (\w+)/.exec(await ask(stack, question))?.[1];
}

async function ask({ dev }: Stack, question: readonly string[]): Promise<string> {
  const { address, port } = dev.dns;
  // -r: none of the options of whoever runs it.
  const { stdout } = await run("dig", ["-r", `@${address}`, "-p", String(port), ...patience, ...question]);
  return stdout;
}
