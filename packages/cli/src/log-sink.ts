/** Takes the JSON log lines of a service: all to its file, and what a person cares about to the reporter. */
import { Writable } from "node:stream";
import { LogFile } from "./log-file.ts";
import type { Reporter } from "./reporter.ts";

/** Longest line that is put together from pieces, in characters; more is cut into lines of this length. */
const maxLineLength = 256 * 1024;

/** What a record of `@fairlead/host`'s logger holds, as far as the launcher looks. */
interface LogRecord {
  readonly level?: string;
  readonly message?: string;
  readonly notice?: boolean;
  readonly error?: { readonly message?: string };
}

/** A stream to log into. */
export function logSink(service: string, path: string, reporter: Reporter): Writable {
  const file = new LogFile(path);
  let rest = "";
  const take = (line: string): void => {
    if (line === "") return;
    file.write(line);
    report(service, line, reporter);
  };
  return new Writable({
    decodeStrings: false,
    defaultEncoding: "utf8",
    write(chunk: string | Buffer, _encoding, done) {
      const lines = (rest + chunk.toString()).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) take(line);
      if (rest.length > maxLineLength) {
        take(rest);
        rest = "";
      }
      done();
    },
    final(done) {
      take(rest);
      file.close();
      done();
    },
  });
}

function report(service: string, line: string, reporter: Reporter): void {
  let record: LogRecord;
  try {
    record = JSON.parse(line) as LogRecord;
  } catch {
    // Not from our logger. nats-server marks its levels; anything else is a runtime's own words, which are about trouble.
    if (!/ \[(?:INF|DBG|TRC|WRN)\] /.test(line)) reporter.warning(service, line);
    return;
  }
  const { level, message = line, notice, error } = record;
  if (notice === true) reporter.event(service, message);
  else if (level === "warn" || level === "error") {
    reporter.warning(service, error?.message === undefined ? message : `${message}: ${error.message}`);
  }
}
