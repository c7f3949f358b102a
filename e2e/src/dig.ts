/** The real dig against one stack's name server. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Stack } from "./stack.ts";

const run = promisify(execFile);

/** One try of this many seconds. */
const patience = ["+tries=1", "+time=5"];

/** What dig printed of an answer, its records as lines with single blanks, in the order of the packet. */
export interface Reply {
  /** NOERROR, NXDOMAIN, SERVFAIL … */
  readonly status: string | undefined;
  /** `qr`, `aa`, `tc` … */
  readonly flags: readonly string[];
  readonly question: readonly string[];
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  /** What the server says of EDNS, such as `version: 0, flags:; udp: 1232`; undefined without. */
  readonly edns: string | undefined;
  /** `UDP` or `TCP`. */
  readonly transport: string | undefined;
  /** In bytes. */
  readonly size: number;
}

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
  return (await digReply(stack, ...question)).status;
}

/** All of the answer. Rejects where nobody answers. */
export async function digReply(stack: Stack, ...question: readonly string[]): Promise<Reply> {
  const text = await ask(stack, question);
  const section = (name: string): string[] =>
    (new RegExp(`^;; ${name} SECTION:\n((?:.+\n)+)`, "m").exec(text)?.[1] ?? "")
      .split("\n")
      .map((line) => line.replace(/^;/, "").replaceAll(/\s+/g, " ").trim())
      .filter((line) => line !== "");
  return {
    status: /status: (\w+)/.exec(text)?.[1],
    flags: /^;; flags: ([^;]*);/m.exec(text)?.[1]?.split(" ") ?? [],
    question: section("QUESTION"),
    answer: section("ANSWER"),
    authority: section("AUTHORITY"),
    additional: section("ADDITIONAL"),
    edns: /^; EDNS: (.+)$/m.exec(text)?.[1],
    transport: /^;; SERVER: .*\((UDP|TCP)\)$/m.exec(text)?.[1],
    size: Number(/^;; MSG SIZE {2}rcvd: (\d+)$/m.exec(text)?.[1]),
  };
}

async function ask({ dev }: Stack, question: readonly string[]): Promise<string> {
  const { address, port } = dev.dns;
  // -r: none of the options of whoever runs it.
  const { stdout } = await run("dig", ["-r", `@${address}`, "-p", String(port), ...patience, ...question]);
  return stdout;
}
