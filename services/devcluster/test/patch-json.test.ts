import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPatch } from "../src/patch/index.ts";
import { MAX_COPIED_BYTES, MAX_PATCH_OPERATIONS } from "../src/patch/json-patch.ts";
import { MAX_NESTING, sameJson } from "../src/patch/json-value.ts";

const CONFIG_MAP = { group: "", version: "v1", kind: "ConfigMap" };
const apply = (patch: unknown, current: object): object =>
  applyPatch(CONFIG_MAP, "application/json-patch+json", patch, current);
const code = (patch: unknown, current: object): unknown => {
  try {
    apply(patch, current);
    return undefined;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
};

describe("a JSON patch", () => {
  it.each<[what: string, current: object, patch: object[], expected: object]>([
    ["adds a member", { a: 1 }, [{ op: "add", path: "/b", value: [2] }], { a: 1, b: [2] }],
    ["adds over a member that is there", { a: 1 }, [{ op: "add", path: "/a", value: null }], { a: null }],
    ["inserts into a list", { l: [1, 3] }, [{ op: "add", path: "/l/1", value: 2 }], { l: [1, 2, 3] }],
    ["appends at a list's length", { l: [1] }, [{ op: "add", path: "/l/1", value: 2 }], { l: [1, 2] }],
    ["appends at -", { l: [1] }, [{ op: "add", path: "/l/-", value: [2] }], { l: [1, [2]] }],
    ["replaces the document", { a: 1 }, [{ op: "add", path: "", value: { b: 2 } }], { b: 2 }],
    ["removes a member", { a: 1, b: 2 }, [{ op: "remove", path: "/a" }], { b: 2 }],
    ["removes from a list", { l: [1, 2, 3] }, [{ op: "remove", path: "/l/1" }], { l: [1, 3] }],
    ["replaces a member", { a: { b: 1 } }, [{ op: "replace", path: "/a/b", value: 2 }], { a: { b: 2 } }],
    ["replaces in a list", { l: [1, 2] }, [{ op: "replace", path: "/l/0", value: 3 }], { l: [3, 2] }],
    ["moves a member", { a: 1 }, [{ op: "move", from: "/a", path: "/b" }], { b: 1 }],
    ["moves within a list", { l: [1, 2, 3] }, [{ op: "move", from: "/l/0", path: "/l/2" }], { l: [2, 3, 1] }],
    ["moves a value to where it is", { a: 1 }, [{ op: "move", from: "/a", path: "/a" }], { a: 1 }],
    ["copies", { a: { b: 1 } }, [{ op: "copy", from: "/a", path: "/c" }], { a: { b: 1 }, c: { b: 1 } }],
    ["undoes escapes in order", { "~1": 1, "/": 2 }, [{ op: "remove", path: "/~01" }], { "/": 2 }],
    ["finds a key with a slash", { "a/b": 1 }, [{ op: "replace", path: "/a~1b", value: 2 }], { "a/b": 2 }],
    ["finds the empty key", { "": { "": 1 } }, [{ op: "remove", path: "//" }], { "": {} }],
    ["takes - for a name in an object", {}, [{ op: "add", path: "/-", value: 1 }], { "-": 1 }],
    [
      "goes on when a test holds, whatever the order of keys",
      { a: { x: 1, y: [{}] } },
      [
        { op: "test", path: "/a", value: { y: [{}], x: 1 } },
        { op: "add", path: "/ok", value: true },
      ],
      { a: { x: 1, y: [{}] }, ok: true },
    ],
  ])("%s", (_what, current, patch, expected) => {
    const before = JSON.stringify(current);
    expect(apply(patch, current)).toEqual(expected);
    expect(JSON.stringify(current)).toBe(before);
  });

  it.each<[what: string, current: object, operation: unknown]>([
    ["a test that does not hold", { a: 1 }, { op: "test", path: "/a", value: "1" }],
    ["a test of null where there is nothing", {}, { op: "test", path: "/a", value: null }],
    ["removing what is not there", {}, { op: "remove", path: "/a" }],
    ["replacing what is not there", {}, { op: "replace", path: "/a", value: 1 }],
    ["adding below what is not there", {}, { op: "add", path: "/a/b", value: 1 }],
    ["adding below a number", { a: 1 }, { op: "add", path: "/a/b", value: 1 }],
    ["an index beyond the end", { l: [1] }, { op: "add", path: "/l/2", value: 1 }],
    ["replacing at the length", { l: [1] }, { op: "replace", path: "/l/1", value: 1 }],
    ["removing at -", { l: [1] }, { op: "remove", path: "/l/-" }],
    ["an index with a leading zero", { l: [1, 2] }, { op: "remove", path: "/l/01" }],
    ["a negative index", { l: [1, 2] }, { op: "remove", path: "/l/-1" }],
    ["moving a value into itself", { a: { b: 1 } }, { op: "move", from: "/a", path: "/a/b" }],
    ["copying from nowhere", {}, { op: "copy", from: "/a", path: "/b" }],
    ["an inherited member", {}, { op: "copy", from: "/constructor", path: "/b" }],
  ])("refuses %s as not fitting the object", (_what, current, operation) => {
    expect(code([operation], current)).toBe("Invalid");
  });

  it.each<[what: string, patch: unknown]>([
    ["that is an object", {}],
    ["with an operation that is none", [1]],
    ["with an unknown operation", [{ op: "increment", path: "/a" }]],
    ["without a path", [{ op: "remove" }]],
    ["with a path that is no pointer", [{ op: "remove", path: "a" }]],
    ["with a bad escape", [{ op: "remove", path: "/~2" }]],
    ["without a value", [{ op: "add", path: "/a" }]],
    ["that leaves no object", [{ op: "replace", path: "", value: [] }]],
  ])("refuses a patch %s as malformed", (_what, patch) => {
    expect(code(patch, { a: 1 })).toBe("BadRequest");
  });

  it("applies all operations or none, and says which one failed", () => {
    const patch = [
      { op: "add", path: "/b", value: 1 },
      { op: "test", path: "/b", value: 2 },
    ];
    expect(() => apply(patch, {})).toThrow("operation 1 of the JSON patch (test)");
  });

  it("bounds the number of operations, what they copy, and how deep they nest", () => {
    const holds = { op: "test", path: "/a", value: 1 };
    expect(
      code(
        Array.from({ length: MAX_PATCH_OPERATIONS }, () => holds),
        { a: 1 },
      ),
    ).toBeUndefined();
    expect(
      code(
        Array.from({ length: MAX_PATCH_OPERATIONS + 1 }, () => holds),
        { a: 1 },
      ),
    ).toBe("RequestEntityTooLarge");
    const doubling = Array.from({ length: 30 }, (_, index) => ({ op: "copy", from: "", path: `/${index}` }));
    expect(code(doubling, { a: "x".repeat(MAX_COPIED_BYTES / 1000) })).toBe("Invalid");
    const digging = Array.from({ length: MAX_NESTING + 1 }, () => [
      { op: "move", from: "/a", path: "/b" },
      { op: "add", path: "/a", value: {} },
      { op: "move", from: "/b", path: "/a/c" },
    ]).flat();
    expect(code(digging, { a: 1 })).toBe("BadRequest");
  });

  it("writes __proto__ as a member like any other", () => {
    const result = apply(JSON.parse('[{"op":"add","path":"/__proto__","value":{"polluted":1}}]'), {});
    expect(Object.keys(result)).toEqual(["__proto__"]);
    expect((result as { polluted?: unknown }).polluted).toBeUndefined();
  });

  const documents = fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });

  it("made of the difference between two documents leads from the one to the other", () => {
    const token = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");
    fc.assert(
      fc.property(documents, documents, (from, to) => {
        const removals = Object.keys(from)
          .filter((key) => !Object.hasOwn(to, key))
          .map((key) => ({ op: "remove", path: `/${token(key)}` }));
        const additions = Object.entries(to).map(([key, value]) => ({ op: "add", path: `/${token(key)}`, value }));
        const tests = Object.entries(to).map(([key, value]) => ({ op: "test", path: `/${token(key)}`, value }));
        expect(sameJson(apply([...removals, ...additions, ...tests], from), to)).toBe(true);
      }),
    );
  });

  it("that adds and removes the same element changes nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue({ maxDepth: 2 })),
        fc.jsonValue({ maxDepth: 2 }),
        fc.nat(),
        (list, value, at) => {
          const path = `/l/${at % (list.length + 1)}`;
          const patch = [
            { op: "add", path, value },
            { op: "remove", path },
          ];
          expect(sameJson(apply(patch, { l: list }), { l: list })).toBe(true);
        },
      ),
    );
  });
});
