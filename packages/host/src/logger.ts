/** Structured logs: JSON lines by pino. */
import { destination, pino, stdSerializers, stdTimeFunctions, type Logger as Pino } from "pino";

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
/** The least important messages that are written; `silent` writes none. */
export type LogLevel = (typeof logLevels)[number];

/**
 * Fields of a message. An `Error` under `error` is written with its type, message, code, stack and cause. `service` is written as
 * `subject`: a line has one `service`, the one that wrote it.
 */
export type LogFields = Record<string, unknown>;

/**
 * Where a part tells what it does. Messages are constant sentences; what varies goes into fields, so that logs can be searched.
 * Log an error once: where it is handled.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  /** An event that a person at the terminal cares about; the level is info, marked `notice: true`. Use sparingly. */
  notice(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to every message. */
  child(fields: LogFields): Logger;
}

/** What a logger says of its service, and where it writes. */
export interface LoggerOptions {
  /** Written with every message. */
  readonly service: string;
  /** `info` unless told. */
  readonly level?: LogLevel;
  /** Standard output unless told; there each line is written before the call returns, so that a crash loses none. */
  readonly destination?: NodeJS.WritableStream;
}

/** A logger that writes one JSON object a line: `level`, `time` (ISO 8601), `service`, the fields, `message`. */
export function createLogger(options: LoggerOptions): Logger {
  const root = pino(
    {
      level: options.level ?? "info",
      base: { service: options.service },
      messageKey: "message",
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: (error: unknown) => (error instanceof Error ? stdSerializers.errWithCause(error) : error) },
    },
    options.destination ?? destination({ fd: 1, sync: true }),
  );
  return wrap(root);
}

function wrap(target: Pino): Logger {
  return {
    debug: (message, fields = {}) => target.debug(named(fields), message),
    info: (message, fields = {}) => target.info(named(fields), message),
    notice: (message, fields = {}) => target.info({ ...named(fields), notice: true }, message),
    warn: (message, fields = {}) => target.warn(named(fields), message),
    error: (message, fields = {}) => target.error(named(fields), message),
    child: (fields) => wrap(target.child(named(fields))),
  };
}

/** Pino writes a key twice rather than compare, and readers of JSON take one of the two. */
function named(fields: LogFields): LogFields {
  if (!("service" in fields)) return fields;
  const { service, ...rest } = fields;
  return { ...rest, subject: service };
}

/** A logger that says nothing. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  notice: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};
