/** Reads the body of a request, within bounds, and makes a JSON value of it. */
import type { IncomingMessage } from "node:http";
import { parseDocument } from "yaml";
import { badRequest, requestTooLarge } from "../api/errors.ts";
import type { BodyEncoding } from "./media-types.ts";
import { decodeProtobuf } from "./protobuf/protobuf-body.ts";

/** Largest body, in bytes: a real API server's bound. */
export const maxBodyBytes = 3 * 1024 * 1024;

/** Deepest nesting of a body: far more than any Kubernetes object has, far less than the stack bears. */
export const maxBodyDepth = 128;

/** YAML aliases that are followed in one body, so that a small one cannot unfold into a huge one. */
export const maxYamlAliases = 100;

/** Bytes of a body that is too large are read and thrown away up to this; a client that sends more is cut off. */
export const maxDiscardedBytes = 64 * 1024 * 1024;

/**
 * The whole body; throws RequestEntityTooLarge. A body that is too large is read all the same: a client that is still sending when
 * the answer comes would see its connection break and not the answer.
 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const announced = Number(request.headers["content-length"] ?? 0);
  if (announced > maxDiscardedBytes) throw requestTooLarge(maxBodyBytes);
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxDiscardedBytes) throw requestTooLarge(maxBodyBytes);
    if (bytes <= maxBodyBytes) pieces.push(piece);
    else pieces = [];
  }
  if (bytes > maxBodyBytes) throw requestTooLarge(maxBodyBytes);
  return Buffer.concat(pieces);
}

/** Decodes a body; an empty one is `undefined`. Throws BadRequest saying where it cannot be read. */
export function decodeBody(body: Buffer, encoding: BodyEncoding): unknown {
  if (body.length === 0) return undefined;
  const value = parse(body, encoding);
  checkShape(value, 1);
  return value;
}

function parse(body: Buffer, encoding: BodyEncoding): unknown {
  if (encoding === "protobuf") return decodeProtobuf(body);
  return encoding === "json" ? parseJson(body.toString()) : parseYaml(body.toString());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body of the request is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseYaml(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true });
  const [fault] = document.errors;
  if (fault) throw badRequest(`the body of the request is not YAML: ${fault.message.split("\n")[0]}`);
  try {
    return document.toJS({ maxAliasCount: maxYamlAliases });
  } catch (error) {
    throw badRequest(`the body of the request is not YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}

// `__proto__` as a member would become the prototype of whatever is copied from it.
function checkShape(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > maxBodyDepth) throw badRequest(`the body of the request nests deeper than ${maxBodyDepth} levels`);
  if (Array.isArray(value)) {
    for (const item of value) checkShape(item, depth + 1);
    return;
  }
  for (const key of Object.keys(value)) {
    if (key === "__proto__") throw badRequest("the body of the request has a member called __proto__");
    checkShape((value as Record<string, unknown>)[key], depth + 1);
  }
}
