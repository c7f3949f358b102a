/** A logger that remembers. */

export type RecordedLevel = "debug" | "info" | "notice" | "warn" | "error";

/** One message, with the fields of the logger it was given to. */
export interface LogRecord {
  readonly level: RecordedLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Fields = Record<string, unknown>;

/** Has the shape of `Logger` in `@fairlead/host`; children write into their parent's `records`. */
export class RecordingLogger {
  readonly records: LogRecord[];
  readonly #fields: Fields;

  constructor(options: { records?: LogRecord[]; fields?: Fields } = {}) {
    this.records = options.records ?? [];
    this.#fields = options.fields ?? {};
  }

  debug(message: string, fields?: Fields): void {
    this.#record("debug", message, fields);
  }

  info(message: string, fields?: Fields): void {
    this.#record("info", message, fields);
  }

  notice(message: string, fields?: Fields): void {
    this.#record("notice", message, fields);
  }

  warn(message: string, fields?: Fields): void {
    this.#record("warn", message, fields);
  }

  error(message: string, fields?: Fields): void {
    this.#record("error", message, fields);
  }

  child(fields: Fields): RecordingLogger {
    return new RecordingLogger({ records: this.records, fields: { ...this.#fields, ...fields } });
  }

  /** The messages of one level, in order. */
  messages(level: RecordedLevel): string[] {
    return this.records.filter((record) => record.level === level).map((record) => record.message);
  }

  #record(level: RecordedLevel, message: string, fields?: Fields): void {
    this.records.push({ level, message, fields: { ...this.#fields, ...fields } });
  }
}
