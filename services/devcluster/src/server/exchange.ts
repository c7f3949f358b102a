/** One request and its answer, with what was read from the head of it. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { stringify } from "yaml";
import { type ApiError, badRequest } from "../api/errors.ts";
import type { WriteOptions } from "../api/request-api.ts";
import { negotiate, type Representation } from "./media-types.ts";

/** See the module. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  #warnings: string[] = [];

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.response = response;
    this.method = request.method ?? "GET";
    const [path, query = ""] = (request.url ?? "/").split("?", 2) as [string, string?];
    this.path = path;
    this.query = new URLSearchParams(query);
  }

  /** What the client wants to be shown; throws NotAcceptable. */
  representation(): Representation {
    return negotiate(this.request.headers.accept);
  }

  /** A parameter that is on or off. */
  flag(name: string): boolean {
    const value = this.query.get(name);
    return value !== null && value !== "false" && value !== "0";
  }

  /** A parameter that counts; undefined where it is absent. Throws BadRequest. */
  count(name: string): number | undefined {
    const value = this.query.get(name);
    if (value === null || value === "") return undefined;
    if (!/^\d{1,15}$/.test(value)) throw badRequest(`${name} must be a whole number, not ${JSON.stringify(value)}`);
    return Number(value);
  }

  /** Whether this is a dry run; throws BadRequest for anything but `All`. */
  writeOptions(): WriteOptions & { readonly dryRun: boolean } {
    const values = this.query.getAll("dryRun").filter((value) => value !== "");
    const wrong = values.find((value) => value !== "All");
    if (wrong !== undefined) throw badRequest(`dryRun must be "All", not ${JSON.stringify(wrong)}`);
    return { dryRun: values.length > 0 };
  }

  /** Adds a warning, which kubectl prints. */
  warn(text: string): void {
    this.#warnings.push(text);
  }

  /** Answers with a value in the encoding the client wants. */
  send(code: number, value: object, encoding: Representation["encoding"] = "json"): void {
    if (encoding === "yaml") this.sendText(code, stringify(value), "application/yaml");
    else this.sendText(code, JSON.stringify(value), "application/json");
  }

  /** Answers with a text. */
  sendText(code: number, text: string, contentType: string): void {
    const body = Buffer.from(text);
    this.head(code, contentType, { "content-length": body.length });
    this.response.end(this.method === "HEAD" ? undefined : body);
  }

  /** Writes the head of an answer whose body follows. */
  head(code: number, contentType: string, headers: Readonly<Record<string, string | number>> = {}): void {
    if (this.#warnings.length > 0) this.response.setHeader("warning", this.#warnings.map(warningValue));
    this.response.writeHead(code, { "content-type": contentType, "cache-control": "no-cache, private", ...headers });
  }

  /** Answers with the Status of an error, or cuts the connection where the answer has begun. */
  fail(error: ApiError): void {
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    const { status } = error;
    if (status.code === 429 || status.code === 503) this.response.setHeader("retry-after", "1");
    // A body that was not read to its end would be taken for the next request.
    if (!this.request.complete) this.response.setHeader("connection", "close");
    this.send(status.code, status);
  }
}

function warningValue(text: string): string {
  // A header takes printable ASCII only.
  const plain = text.replaceAll(/[^\x20-\x7e]/g, "?").replaceAll(/["\\]/g, String.raw`\$&`);
  return `299 - "${plain.slice(0, maxWarningLength)}"`;
}

/** Longest text of one warning, in characters; clients bound the size of headers. */
const maxWarningLength = 1024;
