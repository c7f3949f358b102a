/** What the launcher shows: to a person at a terminal, as plain lines, or as JSON for a machine. */

/** One thing that is started. */
export interface Step {
  /** It is ready; `where` is an address to reach it at. */
  done(where?: string): void;
  failed(reason: string): void;
}

/** See the module. Lines go to standard output, troubles too: they belong between the events that they explain. */
export interface Reporter {
  step(name: string): Step;
  /** A quiet line about an event that a person cares about. */
  event(service: string, message: string): void;
  warning(service: string, message: string): void;
  /** Facts worth keeping in sight, before {@link ready}. */
  summary(lines: readonly (readonly [label: string, text: string])[]): void;
  ready(): void;
  stopping(): void;
  stopped(): void;
}

/** The line that says that all of the stack answers. */
export const readyLine = "fairlead is ready";

/** Where a reporter writes, and what time it is. */
export interface ReporterOptions {
  readonly write: (text: string) => void;
  readonly monotonic: () => number;
  readonly now: () => number;
}

/** Plain lines, one an event. */
export function plainReporter({ write, monotonic }: ReporterOptions): Reporter {
  const line = (text: string): void => write(`${text}\n`);
  return {
    step(name) {
      const begun = monotonic();
      line(`starting ${name}`);
      return {
        done: (where) =>
          line(`${name} is ready after ${seconds(monotonic() - begun)}${where === undefined ? "" : `: ${where}`}`),
        failed: (reason) => line(`${name} failed: ${reason}`),
      };
    },
    event: (service, message) => line(`${service}: ${message}`),
    warning: (service, message) => line(`${service}: warning: ${message}`),
    summary: (lines) => {
      const width = Math.max(...lines.map(([label]) => label.length));
      for (const [label, text] of lines) line(`  ${label.padEnd(width)}  ${text}`);
    },
    ready: () => line(readyLine),
    stopping: () => line("stopping"),
    stopped: () => line("stopped"),
  };
}

/** For a terminal: a step's line turns from "starting" into "ready" in place, troubles stand out, events are quiet. */
export function terminalReporter({ write, monotonic, now }: ReporterOptions, colour: boolean): Reporter {
  const paint = (code: number, text: string): string => (colour ? `\u001B[${code}m${text}\u001B[0m` : text);
  const dim = (text: string): string => paint(2, text);
  const running: string[] = [];
  let drawn = 0;
  // The unfinished steps are the last lines on the screen: they are wiped before a line is written and drawn again below it.
  const wipe = (): void => {
    if (drawn > 0) write(`\u001B[${drawn}A\u001B[0J`);
    drawn = 0;
  };
  const draw = (): void => {
    for (const name of running) write(`  ${dim("·")} ${name} ${dim("starting")}\n`);
    drawn = running.length;
  };
  const line = (text: string): void => {
    wipe();
    write(`${text}\n`);
    draw();
  };
  const clock = (): string => dim(new Date(now()).toTimeString().slice(0, 8));
  return {
    step(name) {
      const begun = monotonic();
      running.push(name);
      wipe();
      draw();
      const end = (text: string): void => {
        running.splice(running.indexOf(name), 1);
        line(text);
      };
      return {
        done: (where = "") =>
          end(`  ${paint(32, "✓")} ${name.padEnd(20)} ${where.padEnd(32)} ${dim(seconds(monotonic() - begun))}`),
        failed: (reason) => end(`  ${paint(31, "✗")} ${name}: ${reason}`),
      };
    },
    event: (service, message) => line(`${clock()} ${dim(service)} ${message}`),
    warning: (service, message) => line(`${clock()} ${paint(33, "!")} ${dim(service)} ${message}`),
    summary: (lines) => {
      const width = Math.max(...lines.map(([label]) => label.length));
      line("");
      for (const [label, text] of lines) line(`  ${dim(label.padEnd(width))}  ${text}`);
      line("");
    },
    ready: () => line(paint(32, readyLine)),
    stopping: () => line(dim("stopping")),
    stopped: () => line(dim("stopped")),
  };
}

/** One JSON object a line: `time`, `type`, and what belongs to it. */
export function jsonReporter({ write, monotonic, now }: ReporterOptions): Reporter {
  const line = (type: string, fields: object): void =>
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), type, ...fields })}\n`);
  return {
    step(name) {
      const begun = monotonic();
      line("starting", { service: name });
      return {
        done: (where) => line("started", { service: name, where, ms: Math.round(monotonic() - begun) }),
        failed: (reason) => line("failed", { service: name, reason }),
      };
    },
    event: (service, message) => line("event", { service, message }),
    warning: (service, message) => line("warning", { service, message }),
    summary: (lines) => line("summary", Object.fromEntries(lines)),
    ready: () => line("ready", { message: readyLine }),
    stopping: () => line("stopping", {}),
    stopped: () => line("stopped", {}),
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
