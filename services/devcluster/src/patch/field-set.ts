/**
 * Sets of field paths, and their form in `managedFields` (FieldsV1): nested objects whose keys are `f:<field>`, `k:<keys of a list
 * item>` or `v:<value in a set>`, with `.` for an inner node that is a member itself.
 */
import { isObject, put } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";

/** A path as one string, so that it can be a member of a set. */
export type PathKey = string;
export type FieldSet = ReadonlySet<PathKey>;

/** The key of a path. */
export function pathKey(segments: readonly string[]): PathKey {
  return JSON.stringify(segments);
}

export function segmentsOf(path: PathKey): readonly string[] {
  return JSON.parse(path) as string[];
}

/** The paths themselves and everything above them. */
export function withPrefixes(paths: Iterable<PathKey>): Set<PathKey> {
  const all = new Set<PathKey>();
  for (const path of paths) {
    const segments = segmentsOf(path);
    for (let length = segments.length; length > 0; length -= 1) {
      const prefix = pathKey(segments.slice(0, length));
      if (all.has(prefix)) break;
      all.add(prefix);
    }
  }
  return all;
}

export function toFieldsV1(set: FieldSet): JsonObject {
  const root: JsonObject = {};
  const inner = new Set([...set].flatMap((path) => [...withPrefixes([pathKey(segmentsOf(path).slice(0, -1))])]));
  for (const path of set) {
    let node = root;
    for (const segment of segmentsOf(path)) {
      if (!isObject(node[segment]) || !Object.hasOwn(node, segment)) put(node, segment, {});
      node = node[segment] as JsonObject;
    }
    if (inner.has(path)) node["."] = {};
  }
  return root;
}

/** The set of a FieldsV1 value. What is no such value adds nothing: it comes from clients. Nesting must have been checked. */
export function fromFieldsV1(fields: unknown): Set<PathKey> {
  const set = new Set<PathKey>();
  const visit = (node: unknown, segments: readonly string[]): void => {
    if (!isObject(node)) return;
    const keys = Object.keys(node);
    if (segments.length > 0 && (keys.length === 0 || keys.includes("."))) set.add(pathKey(segments));
    for (const key of keys) if (/^[fkv]:/.test(key)) visit(node[key], [...segments, key]);
  };
  visit(fields, []);
  return set;
}

/** A path for people: `.spec.ports[port=80,protocol="TCP"].nodePort`. */
export function pathText(path: PathKey): string {
  return segmentsOf(path)
    .map((segment) => {
      const text = segment.slice(2);
      if (segment.startsWith("f:")) return `.${text}`;
      if (segment.startsWith("v:")) return `[=${text}]`;
      const keys = Object.entries(JSON.parse(text) as JsonObject);
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(",")}]`;
    })
    .join("");
}
