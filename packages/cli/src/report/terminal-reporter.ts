/** For a terminal: one line at the bottom says what is starting, troubles stand out, events are quiet. */
import { oneLine, readyLine, seconds, self } from "./reporter.ts";
import type { Reporter, ReporterOptions } from "./reporter.ts";

/** What a terminal adds. */
export interface TerminalOptions extends ReporterOptions {
  /** Width at this moment, in characters. */
  readonly columns: () => number;
  readonly colour: boolean;
}

/** See the module. */
export function terminalReporter(options: TerminalOptions): Reporter {
  const { write, writeError, monotonic, now, columns, colour } = options;
  const paint = (code: number, text: string): string => (colour ? `\u001B[${code}m${text}\u001B[0m` : text);
  const dim = (text: string): string => paint(2, text);
  const starting: string[] = [];
  let drawn = false;
  // The last line of the screen says what is starting: it is wiped before a line is written, and drawn again below it.
  const wipe = (): void => {
    if (drawn) write("\u001B[1A\u001B[0J");
    drawn = false;
  };
  const draw = (): void => {
    if (starting.length === 0) return;
    // It must not reach the edge: one that wraps takes two lines, and only one would be wiped.
    write(`${dim(cut(`  · starting ${starting.join(", ")}`, columns() - 1))}\n`);
    drawn = true;
  };
  const line = (text: string): void => {
    wipe();
    write(`${text}\n`);
    draw();
  };
  const time = (): string => dim(new Date(now()).toTimeString().slice(0, 8));
  return {
    step(name) {
      const begun = monotonic();
      starting.push(name);
      wipe();
      draw();
      const end = (text?: string): void => {
        starting.splice(starting.indexOf(name), 1);
        wipe();
        if (text !== undefined) write(`${text}\n`);
        draw();
      };
      return {
        done: (where = "") =>
          end(
            `  ${paint(32, "✓")} ${name.padEnd(20)} ${oneLine(where).padEnd(27)} ${dim(seconds(monotonic() - begun))}`,
          ),
        failed: (reason) => end(`  ${paint(31, "✗")} ${name}: ${oneLine(reason)}`),
        abandoned: () => end(),
      };
    },
    event: (service, message) => line(`${time()} ${dim(service)} ${oneLine(message)}`),
    warning: (service, message) => line(`${time()} ${paint(33, "!")} ${dim(service)} ${oneLine(message)}`),
    summary(lines) {
      const width = Math.max(...lines.map(([label]) => label.length));
      line("");
      for (const [label, text] of lines) line(`  ${dim(label.padEnd(width))}  ${oneLine(text)}`);
      line("");
    },
    ready: () => line(paint(32, readyLine)),
    stopping: () => line(dim("stopping")),
    stopped: () => line(dim("stopped")),
    failed(message) {
      wipe();
      writeError(`${paint(31, `${self}:`)} ${message}\n`);
      draw();
    },
  };
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
