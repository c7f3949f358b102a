/** Answers of our own, short and alike. */
import { STATUS_CODES } from "node:http";
import type { ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { isHttp2 } from "./message.ts";
import type { ProxyRequest, ProxyResponse } from "./message.ts";

/** Sends a status with a line of text; nothing where the head has gone out already. */
export function answer(
  request: ProxyRequest,
  response: ProxyResponse,
  status: number,
  headers: readonly string[] = [],
): void {
  if (response.headersSent || response.destroyed) return;
  const text = status === 204 ? "" : `${status} ${STATUS_CODES[status] ?? "Error"}\n`;
  const all = [...headers, "server", "fairlead"];
  if (text !== "")
    all.push("content-type", "text/plain; charset=utf-8", "content-length", String(Buffer.byteLength(text)));
  writeHead(request, response, status, all);
  response.end(text);
}

/** Writes a head from name, value, name, value, in the way that the client's version of HTTP wants it. */
export function writeHead(
  request: ProxyRequest,
  response: ProxyResponse,
  status: number,
  headers: readonly string[],
  message?: string,
): void {
  if (!isHttp2(request)) {
    const plain = response as ServerResponse;
    if (message === undefined || message === "") plain.writeHead(status, [...headers]);
    else plain.writeHead(status, message, [...headers]);
    return;
  }
  const fields: Record<string, string | string[]> = {};
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const name = (headers[at] ?? "").toLowerCase();
    const value = headers[at + 1] ?? "";
    // HTTP/2 has no fields of one connection.
    if (name === "connection") continue;
    const known = fields[name];
    if (known === undefined) fields[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else fields[name] = [known, value];
  }
  (response as Http2ServerResponse).writeHead(status, fields);
}
