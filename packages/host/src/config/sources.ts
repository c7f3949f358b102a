/** Where values come from: flags, environment, file. Each is read into raw values by key; nothing is interpreted here. */
import { readFileSync, statSync } from "node:fs";
import { parse } from "yaml";
import type { ConfigIssue } from "./errors.ts";
import { nearest } from "./nearest.ts";
import type { Option } from "./option.ts";

/** Size of a configuration file, in bytes. */
const MAX_FILE_BYTES = 1_048_576;

/** The options of a service by key. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** A value as it was given, and where. */
export interface RawValue {
  readonly source: string;
  readonly raw: unknown;
  /** Its name there, if another program's file has it under one of its own. */
  readonly field?: string;
}

/** What one source holds: values by key, and what is wrong with the source itself. */
export interface SourceContent {
  readonly values: ReadonlyMap<string, RawValue>;
  readonly issues: readonly ConfigIssue[];
}

/** How a file that another program reads as well is understood, so that its users need not write it anew. */
export interface FileDialect {
  /** Whether a file of this content is such a file. */
  claims(content: Readonly<Record<string, unknown>>): boolean;
  /** Its values by key of the table. Unknown fields and wrong types are issues; `file` is its path. */
  read(content: Readonly<Record<string, unknown>>, file: string): SourceContent;
}

/** `apiPort` → `--api-port` */
export function flagOf(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `apiPort` → `FAIRLEAD_API_PORT` */
export function variableOf(key: string): string {
  return `FAIRLEAD_${flagOf(key).slice(2).replaceAll("-", "_").toUpperCase()}`;
}

/** Reads `--key value`, `--key=value`, `--flag` and `--no-flag`. The last one wins; lists add up. */
export function readFlags(table: OptionTable, argv: readonly string[]): SourceContent {
  const keys = new Map(Object.keys(table).map((key) => [flagOf(key), key]));
  const values = new Map<string, RawValue>();
  const issues: ConfigIssue[] = [];
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] ?? "";
    const [, flag = argument, inline] = /^(--[^=]*)=(.*)$/s.exec(argument) ?? [];
    const negated = flag.startsWith("--no-") ? keys.get(`--${flag.slice(5)}`) : undefined;
    const key = keys.get(flag) ?? negated;
    const found = key === undefined ? undefined : table[key];
    if (key === undefined || !found || (!keys.has(flag) && !found.flagOnly)) {
      const field = flag.slice(0, 60);
      const reason = flag.startsWith("-") ? `unknown flag${nearest(flag, keys.keys())}` : "unexpected argument";
      issues.push({ field, source: "the command line", reason });
      // What follows an unknown flag is most likely its value: one mistake, one error.
      if (flag.startsWith("-") && inline === undefined && argv[at + 1]?.startsWith("-") === false) at++;
      continue;
    }
    if (found.flagOnly) {
      if (!keys.has(flag) && inline !== undefined) issues.push({ field: key, source: flag, reason: "takes no value" });
      else values.set(key, { source: flag, raw: keys.has(flag) ? (inline ?? true) : false });
      continue;
    }
    const next = argv[at + 1];
    if (inline === undefined && (next === undefined || next.startsWith("--"))) {
      issues.push({ field: key, source: flag, reason: "a value must follow" });
      continue;
    }
    if (inline === undefined) at++;
    const text = inline ?? next ?? "";
    const before = found.many ? values.get(key)?.raw : undefined;
    values.set(key, { source: flag, raw: typeof before === "string" ? `${before},${text}` : text });
  }
  return { values, issues };
}

/** Reads `FAIRLEAD_KEY`. An empty variable counts as not set; variables of other services are none of its business. */
export function readEnvironment(table: OptionTable, env: Readonly<Record<string, string | undefined>>): SourceContent {
  const values = new Map<string, RawValue>();
  for (const key of Object.keys(table)) {
    const source = variableOf(key);
    const raw = env[source];
    if (raw !== undefined && raw !== "") values.set(key, { source, raw });
  }
  return { values, issues: [] };
}

/** Reads a YAML or JSON file: one mapping, by key, or as the dialect has it. */
export function readFile(table: OptionTable, file: string, dialect?: FileDialect): SourceContent {
  const values = new Map<string, RawValue>();
  const refuse = (field: string, reason: string): ConfigIssue => ({ field, source: file, reason });
  let content: unknown;
  try {
    if (statSync(file).size > MAX_FILE_BYTES) {
      return { values, issues: [refuse("config", `must not be larger than ${MAX_FILE_BYTES} bytes`)] };
    }
    content = parse(readFileSync(file, "utf8"));
  } catch (error) {
    // The first line says what and where; the rest would quote the file, which may hold secrets.
    const [reason = "cannot be read"] = (error instanceof Error ? error.message : String(error)).split("\n");
    return { values, issues: [refuse("config", reason)] };
  }
  if (content === null || content === undefined) return { values, issues: [] };
  if (typeof content !== "object" || Array.isArray(content)) {
    return { values, issues: [refuse("config", "must be a mapping of option to value")] };
  }
  const mapping: Readonly<Record<string, unknown>> = { ...content };
  if (dialect?.claims(mapping) === true) return dialect.read(mapping, file);
  const issues: ConfigIssue[] = [];
  for (const [key, raw] of Object.entries(mapping)) {
    if (!Object.hasOwn(table, key)) issues.push(refuse(key, `unknown option${nearest(key, Object.keys(table))}`));
    else if (raw !== null) values.set(key, { source: file, raw });
  }
  return { values, issues };
}
