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
  readonly service?: string;
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
    // Not from our logger: a runtime's own words, which are about trouble.
    reporter.warning(service, line);
    return;
  }
  const message = record.message ?? line;
  if (record.notice === true) reporter.event(service, message);
  else if (record.level === "warn" || record.level === "error" || record.level === "fatal")
    reporter.warning(service, message);
}
