import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPatch, PATCH_TYPES } from "../src/patch/index.ts";
import { isObject, MAX_NESTING, nestsWithin, sameJson } from "../src/patch/json-value.ts";

const SERVICE = { group: "", version: "v1", kind: "Service" };
const MERGE = "application/merge-patch+json";
const apply = (patch: unknown, current: object): object => applyPatch(SERVICE, MERGE, patch, current);

describe("a merge patch", () => {
  // The examples of RFC 7386, appendix A, as far as they are about objects.
  it.each<[current: object, patch: object, expected: object]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("of %j with %j gives %j", (current, patch, expected) => {
    const before = JSON.stringify(current);
    expect(apply(patch, current)).toEqual(expected);
    expect(JSON.stringify(current)).toBe(before);
  });

  it("shares nothing with its arguments", () => {
    const current = { a: { b: [1] } };
    const patch = { c: { d: [2] } };
    const result = apply(patch, current) as { a: { b: number[] }; c: { d: number[] } };
    result.a.b.push(9);
    result.c.d.push(9);
    expect([current, patch]).toEqual([{ a: { b: [1] } }, { c: { d: [2] } }]);
  });

  it("writes __proto__ as a member like any other", () => {
    const result = apply(JSON.parse('{"__proto__":{"polluted":1}}'), {});
    expect(Object.keys(result)).toEqual(["__proto__"]);
    expect((result as { polluted?: unknown }).polluted).toBeUndefined();
  });

  /** Documents without nulls: a merge patch cannot express one. */
  const leaf = fc.oneof(fc.integer(), fc.string({ maxLength: 2 }), fc.array(fc.integer()));
  const object = (value: fc.Arbitrary<unknown>): fc.Arbitrary<Record<string, unknown>> =>
    fc.dictionary(fc.string({ maxLength: 2 }), value, { maxKeys: 4 });
  const documents = object(fc.oneof(leaf, object(fc.oneof(leaf, object(leaf)))));

  function difference(from: Record<string, unknown>, to: Record<string, unknown>): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) {
      const before = Object.hasOwn(from, key) ? from[key] : undefined;
      const after = Object.hasOwn(to, key) ? to[key] : undefined;
      if (after === undefined) entries.push([key, null]);
      else if (isObject(before) && isObject(after)) entries.push([key, difference(before, after)]);
      else entries.push([key, after]);
    }
    return Object.fromEntries(entries);
  }

  it("made of the difference between two documents leads from the one to the other", () => {
    fc.assert(
      fc.property(documents, documents, (from, to) => {
        expect(sameJson(apply(difference(from, to), from), to)).toBe(true);
      }),
    );
  });

  it("applied twice does no more than once", () => {
    fc.assert(
      fc.property(documents, documents, (current, patch) => {
        const once = apply(patch, current);
        expect(sameJson(apply(patch, once), once)).toBe(true);
      }),
    );
  });
});

describe("choosing the kind of patch", () => {
  it("goes by the media type, its parameters and case aside", () => {
    expect(applyPatch(SERVICE, "Application/Merge-Patch+JSON; charset=utf-8", { a: null }, { a: 1 })).toEqual({});
  });

  it("refuses any other with 415 and says what there is", () => {
    expect(() => applyPatch(SERVICE, "application/json", {}, {})).toThrow(PATCH_TYPES.join(", "));
    expect(() => applyPatch(SERVICE, "", {}, {})).toThrow(expect.objectContaining({ code: "UnsupportedMediaType" }));
  });

  it.each(PATCH_TYPES)("bounds the nesting of %s", (type) => {
    const deep = JSON.parse(`${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`) as object;
    const patch = type.includes("json-patch") ? [{ op: "add", path: "/a", value: deep }] : deep;
    expect(() => applyPatch(SERVICE, type, patch, {})).toThrow(expect.objectContaining({ code: "BadRequest" }));
  });

  it.each([[[]], ["text"], [1], [null]])("refuses %j as an object's patch", (patch) => {
    expect(() => apply(patch, {})).toThrow(expect.objectContaining({ code: "BadRequest" }));
  });

  it("measures nesting without recursion", () => {
    const nested = (depth: number): unknown => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);
    expect(nestsWithin(nested(MAX_NESTING))).toBe(true);
    expect(nestsWithin(nested(MAX_NESTING + 2))).toBe(false);
  });
});
