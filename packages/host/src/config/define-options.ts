/** A service's options: one table, from which reading, errors and help follow. */
import { InvalidInputError } from "@fairlead/types";
import { logLevels, type LogLevel } from "../logger.ts";
import { ConfigError, HelpRequested, type ConfigIssue } from "./errors.ts";
import { option, type Option } from "./option.ts";
import {
  flagOf,
  readEnvironment,
  readFile,
  readFlags,
  variableOf,
  type FileDialect,
  type RawValue,
} from "./sources.ts";

/** What a process was started with. */
export interface ConfigSources {
  /** The arguments after the script's name. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The values that a table of options gives. */
export type OptionValues<Table> = { readonly [K in keyof Table]: Table[K] extends Option<infer T> ? T : never };

/** Where each value that was given came from, by key; what is left to its default is not in it. */
export type GivenValues = ReadonlyMap<string, RawValue>;

/** What a service has to say about its options beyond their kinds. */
export interface ReadSettings<Table> {
  /** Another program's file that `--config` may name. */
  readonly dialect?: FileDialect;
  /** What does not go together, asked once every value by itself is right. */
  readonly check?: (values: OptionValues<Table>, given: GivenValues) => readonly ConfigIssue[];
}

/** The options of one service. */
export interface OptionSet<Table> {
  /**
   * Reads every option. The key `apiPort` is the flag `--api-port`, the variable FAIRLEAD_API_PORT and the file's key `apiPort`; a
   * flag comes before a variable, before the file that `--config` (FAIRLEAD_CONFIG) names, before the default. Throws
   * {@link ConfigError} with everything that is wrong, or {@link HelpRequested} if the flags hold `--help`.
   */
  read(sources: ConfigSources, settings?: ReadSettings<Table>): OptionValues<Table>;
  /** Every option with its flag, variable, default and meaning. */
  help(): string;
}

const ownOptions = {
  config: option.path({ describe: "File with options, YAML or JSON", optional: true }),
};

/** The options that every service has; spread them into its table. */
export function commonOptions(defaults: { readonly healthAddress: string }): {
  readonly logLevel: Option<LogLevel>;
  readonly healthAddress: Option<string>;
} {
  return {
    logLevel: option.choice({ values: logLevels, default: "info", describe: "Least important messages to log" }),
    healthAddress: option.address({
      default: defaults.healthAddress,
      describe: "Where /healthz, /readyz, /livez and /metrics answer; port 0 takes a free one",
    }),
  };
}

/** Makes the options of a service from a table of camelCase keys. */
export function defineOptions<const Table extends Readonly<Record<string, Option<unknown>>>>(
  service: string,
  table: Table,
): OptionSet<Table> {
  const help = (): string => helpText(service, { ...table, ...ownOptions });
  return {
    help,
    read(sources, { dialect, check } = {}) {
      if (sources.argv.includes("--help")) throw new HelpRequested(help());
      const all = { ...table, ...ownOptions };
      const flags = readFlags(all, sources.argv);
      const environment = readEnvironment(all, sources.env);
      const file = (flags.values.get("config") ?? environment.values.get("config"))?.raw;
      const content = typeof file === "string" && file !== "" ? readFile(table, file, dialect) : undefined;
      const issues = [...flags.issues, ...(content?.issues ?? [])];
      const values: Record<string, unknown> = {};
      const given = new Map<string, RawValue>();
      for (const [key, wanted] of Object.entries<Option<unknown>>(table)) {
        const value = flags.values.get(key) ?? environment.values.get(key) ?? content?.values.get(key);
        if (value !== undefined) given.set(key, value);
        values[key] = valueOf(key, wanted, value, issues);
      }
      const read = values as OptionValues<Table>;
      if (issues.length === 0) issues.push(...(check?.(read, given) ?? []));
      if (issues.length > 0) throw new ConfigError(service, issues);
      return read;
    },
  };
}

function valueOf(key: string, wanted: Option<unknown>, given: RawValue | undefined, issues: ConfigIssue[]): unknown {
  if (!given) {
    if (wanted.default !== undefined || wanted.optional) return wanted.default;
    // A flag that could not be read has been reported already.
    if (issues.some(({ field }) => field === key)) return undefined;
    issues.push({ field: key, source: "nowhere", reason: `is required: give ${flagOf(key)} or ${variableOf(key)}` });
    return undefined;
  }
  try {
    return wanted.parse(given.raw);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    const reason = wanted.secret ? `must be ${wanted.kind} (the value is a secret and not shown)` : error.reason;
    issues.push({ field: given.field ?? key, source: given.source, reason });
    return undefined;
  }
}

function helpText(service: string, table: Readonly<Record<string, Option<unknown>>>): string {
  const entries = Object.entries(table).map(([key, wanted]) => {
    const { kind, describe, defaultText, optional, secret } = wanted;
    const absent = optional ? "" : " (required)";
    const standard = defaultText === undefined ? absent : ` (default: ${secret ? "***" : defaultText || "none"})`;
    return `  ${`${flagOf(key)} ${kind}`.trim()}\n      ${describe}${standard}\n      ${variableOf(key)}`;
  });
  return [`${service} [options]`, "", ...entries, "  --help", "      Print this"].join("\n");
}
