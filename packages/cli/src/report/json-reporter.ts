/** One JSON object a line, everything on standard output: `time`, `type`, and what belongs to it. */
import { readyLine } from "./reporter.ts";
import type { Reporter, ReporterOptions } from "./reporter.ts";

/** See the module. */
export function jsonReporter({ write, monotonic, now }: Omit<ReporterOptions, "writeError">): Reporter {
  const line = (type: string, fields: object): void =>
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), type, ...fields })}\n`);
  return {
    step(service) {
      const begun = monotonic();
      line("starting", { service });
      return {
        done: (where) => line("started", { service, where, ms: Math.round(monotonic() - begun) }),
        failed: (reason) => line("failed", { service, reason }),
        abandoned: () => line("abandoned", { service }),
      };
    },
    event: (service, message) => line("event", { service, message }),
    warning: (service, message) => line("warning", { service, message }),
    summary: (lines) => line("summary", Object.fromEntries(lines)),
    ready: () => line("ready", { message: readyLine }),
    stopping: () => line("stopping", {}),
    stopped: () => line("stopped", {}),
    failed: (message) => line("error", { message }),
  };
}
