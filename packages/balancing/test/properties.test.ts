import { schedulerNames, type SchedulerName } from "@fairlead/types";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate, Picker } from "../src/picker.ts";
import { createPicker } from "../src/registry.ts";
import { testContext, xorshift } from "../src/testing.ts";

const candidates = fc.uniqueArray(
  fc.record({
    key: fc.ipV4().map((address) => `${address}:8080`),
    weight: fc.oneof(fc.nat(5), fc.nat(65_535)),
    active: fc.oneof(fc.nat(5), fc.nat(100_000)),
  }),
  { selector: ({ key }) => key, maxLength: 12 },
);

function make(name: SchedulerName, seed = 1): Picker {
  return createPicker(name, { random: xorshift(seed) });
}

describe.for(schedulerNames)("%s", (name) => {
  it("picks an object of the list that has a weight and is not excluded, or nothing only where there is none", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ list: candidates, excluded: fc.array(fc.nat(11)), client: fc.nat(1000) })),
        fc.nat(),
        (steps, seed) => {
          const picker = make(name, seed);
          for (const { list, excluded, client } of steps) {
            const exclude = new Set(excluded.flatMap((at) => list[at]?.key ?? []));
            const may = list.filter(({ key, weight }) => weight > 0 && !exclude.has(key));
            for (let n = 0; n < 5; n++) {
              const picked = picker.pick(list, testContext(client + n, exclude));
              expect(picked === undefined ? may.length === 0 : may.includes(picked)).toBe(true);
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("rr", () => {
  it("keeps the numbers of picks within one of each other while the list is the same", () => {
    fc.assert(
      fc.property(candidates, fc.nat(200), fc.nat(), (list, picks, seed) => {
        const counts = count(make("rr", seed), list, picks);
        const open = list.filter(({ weight }) => weight > 0).map(({ key }) => counts.get(key) ?? 0);
        expect(Math.max(0, ...open) - Math.min(picks, ...open)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it("goes on after the last pick when the list is replaced, whatever joins and leaves", () => {
    fc.assert(
      fc.property(
        fc.array(fc.subarray("abcdefgh".split(""), { minLength: 1 }), { minLength: 1 }),
        fc.nat(),
        (lists, seed) => {
          const picker = make("rr", seed);
          let last: string | undefined;
          for (const keys of lists) {
            const picked = picker.pick(
              keys.map((key) => ({ key, weight: 1, active: 0 })),
              testContext(1),
            )?.key;
            expect(picked !== last || keys.length === 1).toBe(true);
            last = picked;
          }
        },
      ),
    );
  });
});

describe("wrr", () => {
  const weighted = fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 8 })
    .filter((weights) => weights.some((weight) => weight > 0))
    .map((weights) => weights.map((weight, at): Candidate => ({ key: `10.0.0.${at}:80`, weight, active: 0 })));

  it("gives exactly the weights over every period", () => {
    fc.assert(
      fc.property(weighted, fc.nat(), (list, seed) => {
        const picker = make("wrr", seed);
        const period = list.reduce((sum, { weight }) => sum + weight, 0);
        for (let round = 0; round < 3; round++) {
          const counts = count(picker, list, period);
          for (const { key, weight } of list) expect(counts.get(key) ?? 0).toBe(weight);
        }
      }),
    );
  });

  it("never runs a whole pick ahead of a candidate's share", () => {
    fc.assert(
      fc.property(weighted, fc.nat(100), fc.nat(), (list, picks, seed) => {
        const counts = count(make("wrr", seed), list, picks);
        const total = list.reduce((sum, { weight }) => sum + weight, 0);
        for (const { key, weight } of list) {
          expect(counts.get(key) ?? 0).toBeLessThan((picks * weight) / total + 1);
        }
      }),
    );
  });
});

function count(picker: Picker, list: readonly Candidate[], picks: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let n = 0; n < picks; n++) {
    const key = picker.pick(list, testContext(n))?.key;
    if (key !== undefined) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
