/** Takes the log of a service: all of it to its file, and what a person cares about to the reporter. */
import { Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { Clock } from "@fairlead/types";
import { LogFile } from "./log-file.ts";
import { toldBy } from "./log-record.ts";
import type { Reporter } from "./reporter.ts";

/** Longest line that is put together from pieces, in characters; more is cut into lines of this length. */
export const maxLineLength = 256 * 1024;

/** A warning in the same words is shown once in this time, in milliseconds: what is tried again and again fails again and again. */
export const repeatMs = 10_000;
/** Warnings whose words are remembered for that. */
const maxRemembered = 100;

/** What a sink is for. */
export interface LogSinkOptions {
  readonly service: string;
  /** Path of the log file. */
  readonly path: string;
  readonly reporter: Reporter;
  readonly clock: Clock;
}

/** A stream to log into. It never fails: a file that cannot be written costs the lines, said once, not the service. */
export class LogSink extends Writable {
  readonly path: string;
  readonly #service: string;
  readonly #reporter: Reporter;
  readonly #clock: Clock;
  readonly #file: LogFile;
  readonly #decoder = new StringDecoder("utf8");
  /** Warnings by their words, with the time when each was shown. */
  readonly #shown = new Map<string, number>();
  #rest = "";
  #lastWarning: string | undefined;
  #unwritable = false;
  #quiet = false;

  constructor({ service, path, reporter, clock }: LogSinkOptions) {
    super({ decodeStrings: false, defaultEncoding: "utf8" });
    this.path = path;
    this.#service = service;
    this.#reporter = reporter;
    this.#clock = clock;
    this.#file = new LogFile(path);
    // A line that comes after the end is lost; it must not bring the launcher down.
    this.on("error", () => {});
  }

  /** From now on the file alone hears what the service says: it is being ended, and what it says of that is no news. */
  quiet(): void {
    this.#quiet = true;
  }

  /** The latest trouble that the service told of. */
  get lastWarning(): string | undefined {
    return this.#lastWarning;
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    const text = typeof chunk === "string" ? chunk : this.#decoder.write(chunk);
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
    if (this.#rest.length > maxLineLength) {
      this.#take(this.#rest);
      this.#rest = "";
    }
    done();
  }

  override _final(done: () => void): void {
    this.#take(this.#rest);
    this.#rest = "";
    this.#file.close();
    done();
  }

  #take(line: string): void {
    if (line === "") return;
    try {
      this.#file.write(line);
      this.#unwritable = false;
    } catch (error) {
      if (!this.#unwritable) this.#reporter.warning(this.#service, `its log cannot be written: ${String(error)}`);
      this.#unwritable = true;
    }
    const told = toldBy(line);
    if (told === undefined || this.#quiet) return;
    if (told.kind === "warning") {
      this.#lastWarning = told.text;
      if (this.#isRepeated(told.text)) return;
    }
    this.#reporter[told.kind](this.#service, told.text);
  }

  #isRepeated(text: string): boolean {
    const now = this.#clock.monotonic();
    const before = this.#shown.get(text);
    if (before !== undefined && now - before < repeatMs) return true;
    this.#shown.delete(text);
    this.#shown.set(text, now);
    const [oldest] = this.#shown.keys();
    if (this.#shown.size > maxRemembered && oldest !== undefined) this.#shown.delete(oldest);
    return false;
  }
}

/** The log file of a service below a state folder. */
export function logPath(stateDir: string, service: string): string {
  return `${stateDir}/logs/${service.replaceAll(" ", "-")}.log`;
}
