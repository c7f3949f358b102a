/** Takes the log of a service: all of it to its file, and what a person cares about to the reporter. */
import { Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { LogFile } from "./log-file.ts";
import { toldBy } from "./log-record.ts";
import type { Reporter } from "./reporter.ts";

/** Longest line that is put together from pieces, in characters; more is cut into lines of this length. */
export const maxLineLength = 256 * 1024;

/** What a sink is for. */
export interface LogSinkOptions {
  readonly service: string;
  /** Path of the log file. */
  readonly path: string;
  readonly reporter: Reporter;
}

/** A stream to log into. It never fails: a file that cannot be written costs the lines, said once, not the service. */
export class LogSink extends Writable {
  readonly path: string;
  readonly #service: string;
  readonly #reporter: Reporter;
  readonly #file: LogFile;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";
  #lastWarning: string | undefined;
  #unwritable = false;

  constructor({ service, path, reporter }: LogSinkOptions) {
    super({ decodeStrings: false, defaultEncoding: "utf8" });
    this.path = path;
    this.#service = service;
    this.#reporter = reporter;
    this.#file = new LogFile(path);
    // A line that comes after the end is lost; it must not bring the launcher down.
    this.on("error", () => {});
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
    if (told === undefined) return;
    if (told.kind === "warning") this.#lastWarning = told.text;
    this.#reporter[told.kind](this.#service, told.text);
  }
}

/** The log file of a service below a state folder. */
export function logPath(stateDir: string, service: string): string {
  return `${stateDir}/logs/${service.replaceAll(" ", "-")}.log`;
}
