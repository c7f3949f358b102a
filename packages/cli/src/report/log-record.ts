/** From a service's log line to the words that a person at the terminal reads, if any. */

/** What of a line is shown, and how. */
export interface Told {
  readonly kind: "event" | "warning";
  readonly text: string;
}

/** Fields whose value goes behind the noun in the sentence: "pod is ready" with a pod becomes "pod default/x is ready". */
const nouns = ["pod", "container", "service", "node"] as const;
/** Fields that are put behind the sentence. */
const details = ["address", "port", "path", "resource", "key", "part", "signal", "attempt", "pids"] as const;

/** Characters shown of one value. */
const maxValueLength = 200;

type LogRecord = Readonly<Record<string, unknown>>;

/** Reads one line; undefined where it is for the log file only. */
export function toldBy(line: string): Told | undefined {
  const record = parse(line);
  if (record === undefined) return ownWords(line);
  const { level, notice } = record;
  if (notice === true) return { kind: "event", text: sentence(record, line) };
  if (level === "warn" || level === "error") return { kind: "warning", text: sentence(record, line) };
  return undefined;
}

function parse(line: string): LogRecord | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as LogRecord;
  } catch {
    return undefined;
  }
}

/**
 * A line that is not from our logger. nats-server marks its levels, and warns of what we know; anything else is a runtime's
 * own words, which are about trouble: the first line of a stack is enough, the rest is indented. Where a service refuses its options,
 * its hint at their list would hide the reason before it.
 */
function ownWords(line: string): Told | undefined {
  if (/ \[(?:INF|DBG|TRC|WRN)\] /.test(line) || /^(?:\s|\^|Node\.js v)| --help lists the options$/.test(line))
    return undefined;
  return { kind: "warning", text: line };
}

function sentence(record: LogRecord, line: string): string {
  let text = typeof record["message"] === "string" ? record["message"] : line;
  const behind: string[] = [];
  for (const noun of nouns) {
    const value = shown(record[noun]);
    // `service` is the one that logs, unless it is a Kubernetes Service: those have a namespace.
    if (value === undefined || text.includes(value) || (noun === "service" && !value.includes("/"))) continue;
    const place = new RegExp(`\\b${noun}\\b(?! \\S+/)`);
    if (place.test(text)) text = text.replace(place, () => `${noun} ${value}`);
    else behind.push(`${noun} ${value}`);
  }
  for (const detail of details) {
    const value = shown(record[detail]);
    if (value !== undefined && !text.includes(value)) behind.push(`${detail} ${value}`);
  }
  if (behind.length > 0) text += ` (${behind.join(", ")})`;
  for (const cause of [shown(record["reason"]), messageOf(record["error"])]) {
    if (cause !== undefined && !text.includes(cause)) text += `: ${cause}`;
  }
  return text;
}

function messageOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null) return shown(error);
  return shown((error as { readonly message?: unknown }).message);
}

function shown(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.length === 0 ? undefined : shown(value.map(String).join(" "));
  if (typeof value === "number") return String(value);
  if (typeof value !== "string" || value === "") return undefined;
  return value.length <= maxValueLength ? value : `${value.slice(0, maxValueLength)}…`;
}
