/** Answers of our own, short and alike. */
import { STATUS_CODES } from "node:http";
import { Fields } from "../http1/fields.ts";
import { isFieldValue } from "../http1/grammar.ts";
import type { ClientStream } from "./client-stream.ts";

/** Sends a status with a line of text; nothing where the head has gone out already. `headers` are name, value, name, value. */
export function answer(
  stream: ClientStream,
  status: number,
  options: { readonly headers?: readonly string[]; readonly close?: boolean } = {},
): void {
  if (stream.headSent) return;
  const { headers = [], close = false } = options;
  const text = status === 204 ? "" : `${status} ${STATUS_CODES[status] ?? "Error"}\n`;
  const fields = new Fields();
  for (let at = 0; at + 1 < headers.length; at += 2) addOwn(fields, headers[at] ?? "", headers[at + 1] ?? "");
  fields.add("server", "fairlead");
  if (text !== "") {
    fields.add("content-type", "text/plain; charset=utf-8");
    fields.add("content-length", String(text.length));
  }
  const hasBody = text !== "" && stream.request.method !== "HEAD";
  stream.sendHead({ status, reason: "", fields, hasBody, close });
  if (hasBody) stream.sendBody(Buffer.from(text, "latin1"));
  stream.end();
}

/** Adds a field whose value comes from an annotation; one that a head may not hold is left out. */
export function addOwn(fields: Fields, name: string, value: string): void {
  if (isFieldValue(value)) fields.add(name, value);
}
