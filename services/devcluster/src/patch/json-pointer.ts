/** JSON pointers (RFC 6901) into a document held by `{ document }`; a fault comes back as a sentence, never as an exception. */
import { isObject, put } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";

/** Where a document hangs, so that the pointer "" can replace it too. */
export interface Holder {
  document: unknown;
}

/** The unescaped tokens of a pointer; undefined if it is none. */
export function parsePointer(text: string): readonly string[] | undefined {
  if (text === "") return [];
  if (!text.startsWith("/") || /~(?![01])/.test(text)) return undefined;
  return text
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

export function read(holder: Holder, path: readonly string[]): { value: unknown } | { fault: string } {
  let value = holder.document;
  for (const [depth, token] of path.entries()) {
    if (Array.isArray(value)) {
      const index = indexIn(value, token, value.length - 1);
      if (typeof index === "string") return { fault: index };
      value = value[index];
    } else if (isObject(value) && Object.hasOwn(value, token)) value = value[token];
    else return { fault: `nothing at ${shown(path.slice(0, depth + 1))}` };
  }
  return { value };
}

/**
 * Writes a value. `insert` makes room in a list (`-` or its length appends) and adds or replaces a member of an object;
 * `replace` needs something to be there.
 */
export function write(
  holder: Holder,
  path: readonly string[],
  value: unknown,
  mode: "insert" | "replace",
): string | undefined {
  const place = parentOf(holder, path);
  if (typeof place === "string") return place;
  const { parent, token } = place;
  if (Array.isArray(parent)) {
    if (mode === "insert" && token === "-") {
      parent.push(value);
      return undefined;
    }
    const index = indexIn(parent, token, mode === "insert" ? parent.length : parent.length - 1);
    if (typeof index === "string") return index;
    parent.splice(index, mode === "insert" ? 0 : 1, value);
    return undefined;
  }
  if (mode === "replace" && !Object.hasOwn(parent, token)) return `nothing at ${shown(path)}`;
  put(parent, token, value);
  return undefined;
}

export function remove(holder: Holder, path: readonly string[]): string | undefined {
  const place = parentOf(holder, path);
  if (typeof place === "string") return place;
  const { parent, token } = place;
  if (Array.isArray(parent)) {
    const index = indexIn(parent, token, parent.length - 1);
    if (typeof index === "string") return index;
    parent.splice(index, 1);
    return undefined;
  }
  if (!Object.hasOwn(parent, token)) return `nothing at ${shown(path)}`;
  delete parent[token];
  return undefined;
}

function parentOf(holder: Holder, path: readonly string[]): { parent: JsonObject | unknown[]; token: string } | string {
  const token = path.at(-1);
  if (token === undefined) return { parent: holder as unknown as JsonObject, token: "document" };
  const found = read(holder, path.slice(0, -1));
  if ("fault" in found) return found.fault;
  if (!Array.isArray(found.value) && !isObject(found.value)) return `${shown(path.slice(0, -1))} has no members`;
  return { parent: found.value, token };
}

/** A list index in its only spelling: digits without a leading zero. */
function indexIn(list: readonly unknown[], token: string, last: number): number | string {
  if (!/^(?:0|[1-9][0-9]{0,9})$/.test(token)) return `${JSON.stringify(token)} is not an index of a list`;
  const index = Number(token);
  return index <= last ? index : `index ${index} is beyond the end of a list of ${list.length}`;
}

function shown(path: readonly string[]): string {
  return JSON.stringify(path.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""));
}
