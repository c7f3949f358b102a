/** What the launcher shows: to a person at a terminal, as plain lines, or as JSON for a machine. */

/** One thing that is being started. Exactly one of its ends is called, once. */
export interface Step {
  /** It is ready; `where` is an address to reach it at. */
  done(where?: string): void;
  failed(reason: string): void;
  /** It was asked to stop before it was ready. */
  abandoned(): void;
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
  /** Why the launcher does not begin, or ends though nobody asked it to. Text goes to standard error, JSON to standard output. */
  failed(message: string): void;
}

/** The line that says that all of the stack answers. */
export const readyLine = "fairlead is ready";

/** The launcher's own name where others show a service's. */
export const self = "fairlead";

/** Where a reporter writes, and what time it is. */
export interface ReporterOptions {
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  readonly monotonic: () => number;
  readonly now: () => number;
}

/** A duration as people read it. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Text on one line, without control characters: what services say may quote anything, escape codes too. */
export function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are the point
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]+/g, " ").trim();
}
