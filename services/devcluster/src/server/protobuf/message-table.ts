/**
 * Tables of fields by number. A line is `Message: 1 name, 2 replicas? int32, …`: number, name in JSON, type (`string` where none is
 * given); `[type]` is a list, `{type}` a map from strings; an indented line goes on. Go writes what is not a pointer also where it is
 * empty, and leaves it out of JSON: `?` marks what JSON keeps all the same, a pointer or a field that is always shown. `*` as the name
 * marks a message whose fields lie in the one around it, in JSON. Numbers and types are those of Kubernetes 1.32's public API.
 */

/** Type of a value. `fields` is managedFields' JSON in bytes; every other scalar is one of the schema's. */
export type WireScalar =
  | "string"
  | "boolean"
  | "int32"
  | "int64"
  | "bytes"
  | "int-or-string"
  | "quantity"
  | "time"
  | "micro-time"
  | "fields";

/** What a field number stands for. */
export interface TableField {
  /** Name in JSON; `*` for a message whose fields lie in the one around it. */
  readonly name: string;
  readonly shape: "one" | "list" | "map";
  /** A {@link WireScalar}, or the name of a message, which begins with a capital. */
  readonly of: string;
  /** Whether JSON has it also where it is empty. */
  readonly kept: boolean;
}

/** Fields by number. */
export type MessageFields = ReadonlyMap<number, TableField>;

/** Messages by name. */
export type MessageTable = ReadonlyMap<string, MessageFields>;

const notation = /^(\d+) (\*|\w+)(\?)?(?: (?:\[([\w-]+)\]|\{([\w-]+)\}|([\w-]+)))?$/;

/** Reads tables; throws for what is not in the notation, for a name or number that comes twice, and for a message that is not there. */
export function messageTable(...texts: readonly string[]): MessageTable {
  const messages = new Map<string, MessageFields>();
  for (const line of texts.join("\n").replaceAll(/\n +/g, " ").split("\n")) {
    if (line.trim() === "") continue;
    const [name = "", rest = ""] = line.split(": ", 2);
    if (messages.has(name)) throw new Error(`the message ${name} is there twice`);
    messages.set(name, fieldsOf(name, rest));
  }
  for (const [name, fields] of messages) {
    for (const { of } of fields.values()) {
      if (/^[A-Z]/.test(of) && !messages.has(of)) throw new Error(`${name} has a field of the unknown message ${of}`);
    }
  }
  return messages;
}

function fieldsOf(message: string, text: string): MessageFields {
  const fields = new Map<number, TableField>();
  for (const entry of text.split(", ")) {
    const match = notation.exec(entry.trim());
    if (!match) throw new Error(`${message}: ${JSON.stringify(entry)} is no field`);
    const [, number, name = "", kept, list, map, one] = match;
    if (fields.has(Number(number))) throw new Error(`${message}: the number ${number} is there twice`);
    const shape = list ? "list" : map ? "map" : "one";
    fields.set(Number(number), { name, shape, of: list ?? map ?? one ?? "string", kept: kept !== undefined });
  }
  return fields;
}
