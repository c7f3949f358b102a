import * as fc from "fast-check";
import { expect, test } from "vitest";
import { diffByKey } from "../src/index.ts";

const same = (a: unknown, b: unknown): boolean => a === b;

test("tells what was added, updated and removed, in the order of the maps", () => {
  const current = new Map([
    ["kept", 1],
    ["gone", 2],
    ["changed", 3],
  ]);
  const desired = new Map([
    ["new", 4],
    ["changed", 5],
    ["kept", 1],
  ]);
  expect(diffByKey(current, desired, same)).toEqual({
    added: [["new", 4]],
    updated: [["changed", 3, 5]],
    removed: [["gone", 2]],
  });
});

test("tells an absent key from one whose value is undefined", () => {
  const diff = diffByKey(
    new Map([["a", undefined]]),
    new Map([
      ["a", undefined],
      ["b", undefined],
    ]),
    same,
  );
  expect(diff).toEqual({ added: [["b", undefined]], updated: [], removed: [] });
});

test("leads from any state to any other, and is empty only between equal ones", () => {
  const state = fc.array(fc.tuple(fc.integer({ max: 9, min: 0 }), fc.integer({ max: 3, min: 0 })));
  fc.assert(
    fc.property(state, state, (from, to) => {
      const current = new Map(from);
      const desired = new Map(to);
      const { added, updated, removed } = diffByKey(current, desired, same);
      const result = new Map(current);
      for (const [key] of removed) expect(result.delete(key)).toBe(true);
      for (const [key, value] of added) {
        expect(result.has(key)).toBe(false);
        result.set(key, value);
      }
      for (const [key, before, after] of updated) {
        expect(result.get(key)).toBe(before);
        expect(after).not.toBe(before);
        result.set(key, after);
      }
      expect(result).toEqual(desired);
    }),
  );
});
