/** Removes from an object what its applier no longer wants and nobody else owns. */
import { fieldRule } from "../schema/list-rules.ts";
import type { FieldRule } from "../schema/list-rules.ts";
import { pathKey, withPrefixes } from "./field-set.ts";
import type { FieldSet } from "./field-set.ts";
import { isObject } from "./json-value.ts";
import type { JsonObject } from "./json-value.ts";
import { divisionOf, itemSegment } from "./owned-fields.ts";

/** Maps whose keys are data, not fields: entries that nobody owns, say a controller's annotation, outlive the others. */
const FREE_MAPS: ReadonlySet<string> = new Set(["annotations", "binaryData", "data", "labels", "stringData"]);

/**
 * A new object without the `gone` paths. An object or item of which nothing in `kept` remains goes with all it holds: what the server
 * filled in there (a probe's defaults, a port's number) has lost its reason.
 */
export function removeDisowned(
  object: JsonObject,
  model: string | undefined,
  gone: FieldSet,
  kept: FieldSet,
): JsonObject {
  const touched = withPrefixes(gone);
  const needed = withPrefixes(kept);
  /** The value without what is gone; undefined if nothing is left of it. */
  const visit = (value: unknown, rule: FieldRule | undefined, segments: readonly string[], name: string): unknown => {
    const path = pathKey(segments);
    if (!touched.has(path)) return value;
    const division = divisionOf(value, rule);
    const isList = division === "items" || division === "values";
    // Metadata and spec stay, however little of them is owned: they hold what the server wrote.
    const stays = isList || (division === "object" && (segments.length === 1 || FREE_MAPS.has(name)));
    if (!needed.has(path) && !stays) return undefined;
    if (division === "object") {
      const rest = fieldsOf(value as JsonObject, rule?.model, segments);
      return Object.keys(rest).length === 0 && !kept.has(path) ? undefined : rest;
    }
    if (!isList) return value;
    const rest = (value as unknown[]).flatMap((item) => {
      const left = visit(
        item,
        isObject(item) ? { model: rule?.model ?? "" } : undefined,
        [...segments, itemSegment(item, rule)],
        "",
      );
      return left === undefined ? [] : [left];
    });
    return rest.length === 0 && !kept.has(path) ? undefined : rest;
  };
  const fieldsOf = (value: JsonObject, of: string | undefined, segments: readonly string[]): JsonObject =>
    Object.fromEntries(
      Object.entries(value).flatMap(([key, child]) => {
        const left = visit(child, fieldRule(of, key), [...segments, `f:${key}`], key);
        return left === undefined ? [] : [[key, left]];
      }),
    );
  return fieldsOf(object, model, []);
}
