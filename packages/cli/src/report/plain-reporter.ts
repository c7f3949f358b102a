/** Plain lines, one an event, without escape codes: for pipes and files. */
import { oneLine, readyLine, seconds, self } from "./reporter.ts";
import type { Reporter, ReporterOptions } from "./reporter.ts";

/** See the module. */
export function plainReporter({ write, writeError, monotonic }: ReporterOptions): Reporter {
  const line = (text: string): void => write(`${oneLine(text)}\n`);
  return {
    step(name) {
      const begun = monotonic();
      line(`starting ${name}`);
      return {
        done: (where) =>
          line(`${name} is ready after ${seconds(monotonic() - begun)}${where === undefined ? "" : `: ${where}`}`),
        failed: (reason) => line(`${name} failed: ${reason}`),
        abandoned: () => {},
      };
    },
    event: (service, message) => line(`${service}: ${message}`),
    warning: (service, message) => line(`${service}: warning: ${message}`),
    summary(lines) {
      const width = Math.max(...lines.map(([label]) => label.length));
      for (const [label, text] of lines) write(`  ${label.padEnd(width)}  ${oneLine(text)}\n`);
    },
    ready: () => line(readyLine),
    stopping: () => line("stopping"),
    stopped: () => line("stopped"),
    // As it is: an error about options has a line for each of them.
    failed: (message) => writeError(`${self}: ${message}\n`),
  };
}
