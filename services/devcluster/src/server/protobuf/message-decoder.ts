/** From the bytes of a message to the object that the same request would hold as JSON. */
import type { MessageTable, TableField, WireScalar } from "./message-table.ts";
import { isEmptyScalar, scalarValue } from "./scalar-values.ts";
import { readFields, unreadable } from "./wire-reader.ts";

type Json = Record<string, unknown>;

/**
 * The message as JSON: what is empty and no pointer is left out. Throws BadRequest, naming the field, for what the table does not know: nothing
 * of a body is dropped in silence. Nests no deeper than the table does.
 */
export function decodeMessage(table: MessageTable, message: string, bytes: Uint8Array, path = message): Json {
  const fields = table.get(message);
  if (!fields) throw new Error(`no table of the message ${message}`);
  const object: Json = {};
  const seen = new Set<number>();
  for (const { number, value } of readFields(bytes, path)) {
    const field = fields.get(number);
    if (!field) throw unreadable(path, `field ${number} of ${message} is not known`);
    const there = field.name === "*" ? path : `${path}.${field.name}`;
    if (field.shape === "one" && seen.has(number)) throw unreadable(there, "it is there twice");
    seen.add(number);
    add(object, field, valueOf(table, field, value, there), there);
  }
  return object;
}

function add(object: Json, { name, shape, of, kept }: TableField, value: unknown, path: string): void {
  if (shape === "list") {
    const list = (object[name] ??= []) as unknown[];
    list.push(value);
  } else if (shape === "map") {
    const map = (object[name] ??= {}) as Json;
    const [key, held] = value as [string, unknown];
    // It would become the prototype of whatever is copied from the map.
    if (key === "__proto__") throw unreadable(path, "it has a member called __proto__");
    map[key] = held;
  } else if (name === "*") {
    Object.assign(object, value);
  } else if (kept || !isEmpty(of, value)) {
    object[name] = value;
  }
}

function isEmpty(of: string, value: unknown): boolean {
  if (isMessage(of)) return Object.keys(value as Json).length === 0;
  // A number or text that is 0 is shown: Go leaves out no struct.
  return of === "int-or-string" ? false : isEmptyScalar(value);
}

function valueOf(table: MessageTable, field: TableField, value: bigint | Uint8Array, path: string): unknown {
  if (field.shape !== "map") return single(table, field.of, value, path);
  if (typeof value === "bigint") throw unreadable(path, "it must not be a number");
  let key = "";
  let held: bigint | Uint8Array = new Uint8Array();
  for (const part of readFields(value, path)) {
    if (part.number === 1) key = scalarValue("string", part.value, path) as string;
    else if (part.number === 2) held = part.value;
    else throw unreadable(path, `field ${part.number} of an entry is not known`);
  }
  return [key, single(table, field.of, held, `${path}[${key}]`)];
}

function single(table: MessageTable, of: string, value: bigint | Uint8Array, path: string): unknown {
  if (!isMessage(of)) return scalarValue(of as WireScalar, value, path);
  if (typeof value === "bigint") throw unreadable(path, "it must not be a number");
  return decodeMessage(table, of, value, path);
}

function isMessage(of: string): boolean {
  return /^[A-Z]/.test(of);
}
