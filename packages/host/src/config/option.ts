/** The kinds of option. Each says how a value is read, whatever source it comes from. */
import { resolve } from "node:path";
import { cidr, InvalidInputError, ipAddress, type Cidr, type IpAddress } from "@fairlead/types";
import { parseDuration } from "./duration.ts";
import { splitHostPort } from "./host-port.ts";

/** One option of a service: made by {@link option}, read by `defineOptions`. */
export interface Option<T> {
  /** What a value looks like, for the help. */
  readonly kind: string;
  readonly describe: string;
  /** What holds when no source has a value; undefined means there is none. */
  readonly default: T | undefined;
  /** The default as it would be written, for the help. */
  readonly defaultText: string | undefined;
  /** May be left out though it has no default: the value is then undefined. */
  readonly optional: boolean;
  /** Its value is never shown: not in the help, not in an error. */
  readonly secret: boolean;
  /** A flag that stands alone (`--flag`, `--no-flag`). */
  readonly flagOnly: boolean;
  /** A value may hold several items, and the flag may be repeated. */
  readonly many: boolean;
  /** Reads text (flags, environment) or a YAML value (file). Throws `InvalidInputError`, whose reason is shown. */
  parse(raw: unknown): T;
}

/** What every option says of itself. `D` is how its default is written. */
export interface OptionSettings<D> {
  readonly describe: string;
  readonly default?: D;
  readonly secret?: boolean;
}

/** What an option that may be left out says of itself. */
export interface OptionalSettings {
  readonly describe: string;
  readonly secret?: boolean;
  readonly optional: true;
}

/** Makes options of one kind: without a default the value is required, with `optional: true` it may be undefined. */
export interface OptionMaker<T, D = T, Extra = unknown> {
  (settings: OptionalSettings & Extra): Option<T | undefined>;
  (settings: OptionSettings<D> & Extra): Option<T>;
}

type Reader<T, Extra> = (raw: unknown, extra: Extra) => T;

function kind<T, D, Extra>(
  name: string | ((extra: Extra) => string),
  read: Reader<T, Extra>,
  shape: { flagOnly?: boolean; many?: boolean } = {},
): OptionMaker<T, D, Extra> {
  const make = (settings: OptionSettings<D> & { readonly optional?: true } & Extra): Option<T> => ({
    kind: typeof name === "string" ? name : name(settings),
    describe: settings.describe,
    default: settings.default === undefined ? undefined : read(settings.default, settings),
    defaultText: settings.default === undefined ? undefined : String(settings.default),
    optional: settings.optional === true,
    secret: settings.secret === true,
    flagOnly: shape.flagOnly === true,
    many: shape.many === true,
    parse: (raw) => read(raw, settings),
  });
  return make;
}

interface IntegerRange {
  readonly min?: number;
  readonly max?: number;
}

interface ListOf<T> {
  /** Reads one item. */
  readonly item: (text: string) => T;
}

function choice<const V extends string>(
  settings: OptionalSettings & { readonly values: readonly V[] },
): Option<V | undefined>;
function choice<const V extends string>(settings: OptionSettings<V> & { readonly values: readonly V[] }): Option<V>;
function choice(
  settings: OptionSettings<string> & { readonly values: readonly string[]; readonly optional?: true },
): Option<string> {
  const make = kind<string, string, { readonly values: readonly string[] }>(
    ({ values }) => values.join("|"),
    (raw, { values }) => {
      const text = asText(raw);
      return values.includes(text) ? text : refuse(`must be one of ${values.join(", ")}, not ${show(text)}`);
    },
  );
  return make(settings);
}

interface OwnKind<T> {
  /** What a value looks like, for the help. */
  readonly kind: string;
  /** Reads a value; throws `InvalidInputError` with the reason. */
  readonly read: (text: string) => T;
}

function custom<T>(settings: OptionalSettings & OwnKind<T>): Option<T | undefined>;
function custom<T>(settings: OptionSettings<string> & OwnKind<T>): Option<T>;
function custom<T>(settings: OptionSettings<string> & OwnKind<T> & { readonly optional?: true }): Option<T> {
  const make = kind<T, string, OwnKind<T>>(
    ({ kind: name }) => name,
    (raw, { read }) => read(asText(raw)),
  );
  return make(settings);
}

// The ones with `item` come first: a later one would not give its parameter a type.
function list<T>(settings: OptionalSettings & ListOf<T>): Option<readonly T[] | undefined>;
function list<T>(settings: OptionSettings<readonly string[]> & ListOf<T>): Option<readonly T[]>;
function list(settings: OptionalSettings): Option<readonly string[] | undefined>;
function list(settings: OptionSettings<readonly string[]>): Option<readonly string[]>;
function list<T>(
  settings: OptionSettings<readonly string[]> & Partial<ListOf<T>> & { readonly optional?: true },
): Option<readonly (T | string)[]> {
  const make = kind<readonly (T | string)[], readonly string[], Partial<ListOf<T>>>(
    "item,item…",
    (raw, { item }) => {
      const texts = (Array.isArray(raw) ? raw.map(asText) : asText(raw).split(",")).map((text) => text.trim());
      return texts.filter((text) => text !== "").map((text) => (item ? item(text) : text));
    },
    { many: true },
  );
  return make(settings);
}

/**
 * The kinds of option. `address` is `host:port`, `ip` an IP address, `cidr` a range, `path` a file (made absolute, from the
 * working directory), `duration` a length of time in milliseconds written like `10s`, `port` a number from 0 (any free port)
 * to 65535, `list` comma separated (in a file: a list), `custom` a kind of the service's own.
 */
export const option = {
  string: kind<string, string, unknown>("text", asText),
  integer: kind<number, number, IntegerRange>("number", (raw, { min, max }) => asInteger(raw, min, max)),
  boolean: kind<boolean, boolean, unknown>("", asBoolean, { flagOnly: true }),
  port: kind<number, number, unknown>("port", (raw) => asInteger(raw, 0, 65_535)),
  address: kind<string, string, unknown>("host:port", (raw) => {
    const text = asText(raw);
    splitHostPort(text, "");
    return text;
  }),
  ip: kind<IpAddress, string, unknown>("address", (raw) => ipAddress(asText(raw))),
  cidr: kind<Cidr, string, unknown>("range", (raw) => cidr(asText(raw))),
  choice,
  path: kind<string, string, unknown>("path", (raw) => resolve(asText(raw))),
  duration: kind<number, string, unknown>("duration", (raw) => parseDuration(asText(raw), "")),
  list,
  custom,
};

function asText(raw: unknown): string {
  // YAML reads an unquoted 10 as a number where text is meant.
  if (typeof raw === "number" || typeof raw === "boolean") return String(raw);
  if (typeof raw !== "string") return refuse("must be text");
  return raw === "" ? refuse("must not be empty") : raw;
}

function asInteger(raw: unknown, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): number {
  const value = typeof raw === "string" && /^[+-]?\d+$/.test(raw) ? Number(raw) : raw;
  if (typeof value !== "number" || !Number.isInteger(value)) return refuse(`must be a whole number, not ${show(raw)}`);
  if (value < min || value > max) return refuse(`must be ${bounds(min, max)}, not ${value}`);
  return value;
}

function bounds(min: number, max: number): string {
  if (max === Number.MAX_SAFE_INTEGER) return `at least ${min}`;
  return min === Number.MIN_SAFE_INTEGER ? `at most ${max}` : `from ${min} to ${max}`;
}

function asBoolean(raw: unknown): boolean {
  if (raw === true || raw === "true" || raw === "1") return true;
  if (raw === false || raw === "false" || raw === "0") return false;
  return refuse(`must be true or false, not ${show(raw)}`);
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function refuse(reason: string): never {
  throw new InvalidInputError("", reason);
}
