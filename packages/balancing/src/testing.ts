/** For tests: the suite that every algorithm passes, and what it is made of. Needs vitest. */
import type { Random } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import type { Candidate, PickContext, Picker } from "./picker.ts";

/** Makes the picker under test. */
export type MakePicker = (options: { readonly random: Random }) => Picker;

/** What an algorithm promises about its distribution. */
export interface Expectation {
  /** What a candidate's part is proportional to, and of what: of the picks over idle candidates, or of connections left open. */
  readonly share: "equal picks" | "picks by weight" | "equal connections" | "connections by weight";
  /** Largest difference from the expected part, relative to it. */
  readonly tolerance: number;
  /** Set for algorithms that place by a hash. */
  readonly hash?: {
    readonly of: "client" | "destination";
    /** Part of the clients of the others that may move when one candidate leaves. */
    readonly disruption: number;
  };
}

/** A candidate whose load a test moves. */
export interface TestCandidate extends Candidate {
  active: number;
}

/** Uniform numbers in [0, 1) from a seed: the xorshift of G. Marsaglia, Journal of Statistical Software 8(14), 2003. */
export function xorshift(seed: number): Random {
  let state = Math.imul(seed, 0x9e3779b1) || 0x9e3779b1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Idle candidates `10.0.x.y:8080` of these weights. */
export function testCandidates(weights: readonly number[]): TestCandidate[] {
  return weights.map((weight, at) => ({ key: `10.0.${at >> 8}.${at & 255}:8080`, weight, active: 0 }));
}

/** The n-th client, asking for the n-th address. */
export function testContext(n: number, exclude?: ReadonlySet<string>): PickContext {
  const tail = `${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
  const context = { client: `192.${tail}`, destination: `172.${tail}` };
  return exclude === undefined ? context : { ...context, exclude };
}

/** The suite of the {@link Picker} contract, and of the distribution that the algorithm promises. */
export function pickerCompliance(name: string, make: MakePicker, expectation: Expectation): void {
  const create = (seed = 1): Picker => make({ random: xorshift(seed) });

  describe(`${name}: what any picker does`, () => {
    it("finds nothing in an empty list", () => {
      expect(create().pick([], testContext(1))).toBeUndefined();
    });

    it("finds the only candidate, and returns the very object", () => {
      const list = testCandidates([1]);
      expect(create().pick(list, testContext(1))).toBe(list[0]);
    });

    it("finds nothing where every weight is 0", () => {
      expect(create().pick(testCandidates([0, 0, 0]), testContext(1))).toBeUndefined();
    });

    it("passes over weight 0 wherever it stands", () => {
      const picker = create();
      for (const weights of [
        [0, 1, 1],
        [1, 0, 1],
        [1, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
      ]) {
        const list = testCandidates(weights);
        for (let n = 0; n < 100; n++) expect(picker.pick(list, testContext(n))?.weight).toBe(1);
      }
    });

    it("finds nothing where all that have a weight are excluded, and picks again afterwards", () => {
      const picker = create();
      const list = testCandidates([1, 2, 0, 3]);
      const all = new Set(list.map(({ key }) => key));
      const open = new Set(list.filter(({ weight }) => weight > 0).map(({ key }) => key));
      for (let n = 0; n < 20; n++) {
        expect(picker.pick(list, testContext(n, all))).toBeUndefined();
        expect(picker.pick(list, testContext(n, open))).toBeUndefined();
        expect(list).toContain(picker.pick(list, testContext(n)));
      }
    });

    it("never picks an excluded candidate, and tries every other before it gives up", () => {
      const picker = create();
      const list = testCandidates([3, 1, 4, 1, 5, 9, 2, 6]);
      for (let n = 0; n < 50; n++) {
        const tried = new Set<string>();
        for (let picked = picker.pick(list, testContext(n, tried)); picked !== undefined;) {
          expect(tried.has(picked.key)).toBe(false);
          tried.add(picked.key);
          picked = picker.pick(list, testContext(n, tried));
        }
        expect(tried.size).toBe(list.length);
      }
    });

    it("takes an exclusion of foreign keys for none", () => {
      const list = testCandidates([1, 1]);
      const foreign = new Set(["10.9.9.9:1", "10.9.9.9:2", "10.9.9.9:3"]);
      expect(list).toContain(create().pick(list, testContext(1, foreign)));
    });

    it("makes the same picks from the same seed", () => {
      const run = (): (string | undefined)[] => {
        const picker = create(7);
        const list = testCandidates([3, 1, 4, 1, 5]);
        const rest = list.slice(1);
        return Array.from(
          { length: 200 },
          (_, n) => pickAndOpen(picker, n % 50 < 40 ? list : rest, testContext(n))?.key,
        );
      };
      expect(run()).toEqual(run());
    });
  });

  describe(`${name}: fairness`, () => {
    it.for([
      { rest: "of all", excluded: [] },
      { rest: "of the others where two are excluded", excluded: [1, 4] },
    ])(`gives ${expectation.share} $rest`, ({ excluded }) => {
      const weights = [1, 2, 3, 4, 10, 5];
      const list = testCandidates(weights);
      const exclude = new Set(excluded.map((at) => list[at]?.key ?? ""));
      const shares = expectation.share.includes("weight") ? weights : weights.map(() => 1);
      const open = expectation.share.includes("connections");
      const counts = countPicks(create(), 20_000, () => list, { open, exclude });
      const parts = shares.map((share, at) => (excluded.includes(at) ? 0 : share));
      expect(largestGap(counts, parts)).toBeLessThanOrEqual(expectation.tolerance);
    });

    it("spreads over equal candidates whose list is replaced at every pick", () => {
      const list = testCandidates([2, 2, 2, 2, 2]);
      const counts = countPicks(create(), 5_000, () => [...list]);
      expect(largestGap(counts, [1, 1, 1, 1, 1])).toBeLessThanOrEqual(0.1);
    });

    it("starts no burst while candidates come and go", () => {
      const picker = create();
      const random = xorshift(5);
      const all = testCandidates(Array.from({ length: 10 }, () => 1));
      let list = all;
      const due = new Map<string, number>(all.map(({ key }) => [key, 0]));
      const counts = countPicks(picker, 5_000, (n) => {
        if (n % 4 === 0) list = all.filter(() => random() < 0.7);
        if (list.length === 0) list = all;
        for (const { key } of list) due.set(key, (due.get(key) ?? 0) + 1 / list.length);
        return list;
      });
      expect(largestGap(counts, [...due.values()])).toBeLessThanOrEqual(0.15);
    });
  });

  const { hash } = expectation;
  if (hash === undefined) return;
  describe(`${name}: placement by ${hash.of}`, () => {
    hashingSuite(create, hash);
  });
}

function hashingSuite(create: () => Picker, hash: NonNullable<Expectation["hash"]>): void {
  const subjects = 5_000;
  const placement = (picker: Picker, list: readonly Candidate[]): (string | undefined)[] =>
    Array.from({ length: subjects }, (_, n) => picker.pick(list, testContext(n))?.key);

  it("is the same in every picker, at any load, and in any order of the list", () => {
    const list = testCandidates([1, 2, 3, 4, 5, 6, 7]);
    const busy = list.map((candidate, at) => ({ ...candidate, active: at * 10 })).reverse();
    expect(placement(create(), busy)).toEqual(placement(create(), list));
  });

  it(`looks at the ${hash.of} only`, () => {
    const list = testCandidates(Array.from({ length: 50 }, () => 1));
    const picker = create();
    const other = hash.of === "client" ? "destination" : "client";
    const pick = (part: Partial<PickContext>): string | undefined =>
      picker.pick(list, { ...testContext(1), ...part })?.key;
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    expect(new Set(numbers.map((n) => pick({ [other]: `10.1.1.${n}` }))).size).toBe(1);
    expect(new Set(numbers.map((n) => pick({ [hash.of]: `10.1.1.${n}` }))).size).toBeGreaterThan(20);
  });

  it.for([
    { count: 2, weighted: false },
    { count: 3, weighted: false },
    { count: 10, weighted: false },
    { count: 64, weighted: false },
    { count: 65, weighted: false },
    { count: 100, weighted: false },
    { count: 129, weighted: false },
    { count: 520, weighted: false },
    { count: 10, weighted: true },
    { count: 70, weighted: true },
  ])("moves few clients of the others when one of $count leaves (weighted: $weighted)", ({ count, weighted }) => {
    const list = testCandidates(Array.from({ length: count }, (_, at) => (weighted ? (at % 5) + 1 : 1)));
    const picker = create();
    const before = placement(picker, list);
    for (const at of new Set([0, count >> 1, count - 1])) {
      const gone = list[at]?.key;
      const after = placement(picker, list.toSpliced(at, 1));
      const others = before.filter((key) => key !== gone).length;
      const moved = before.filter((key, n) => key !== gone && key !== after[n]).length;
      expect(moved / others).toBeLessThanOrEqual(hash.disruption);
    }
  });

  it("brings every client back when the one that left returns", () => {
    const list = testCandidates(Array.from({ length: 12 }, () => 1));
    const picker = create();
    const before = placement(picker, list);
    placement(picker, list.slice(1));
    expect(placement(picker, [...list])).toEqual(before);
  });
}

function pickAndOpen(picker: Picker, list: readonly TestCandidate[], context: PickContext): TestCandidate | undefined {
  const picked = picker.pick(list, context);
  if (picked !== undefined) picked.active += 1;
  return picked;
}

function countPicks(
  picker: Picker,
  picks: number,
  listAt: (n: number) => readonly TestCandidate[],
  options: { readonly open?: boolean; readonly exclude?: ReadonlySet<string> } = {},
): Map<string, number> {
  const counts = new Map<string, number>();
  for (let n = 0; n < picks; n++) {
    const list = listAt(n);
    const context = testContext(n, options.exclude);
    const picked = options.open === true ? pickAndOpen(picker, list, context) : picker.pick(list, context);
    if (picked !== undefined) counts.set(picked.key, (counts.get(picked.key) ?? 0) + 1);
  }
  return counts;
}

/** How far the counts are from the parts at worst, relative to the part. */
function largestGap(counts: ReadonlyMap<string, number>, parts: readonly number[]): number {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const whole = parts.reduce((sum, part) => sum + part, 0);
  const gaps = testCandidates(parts).map(({ key, weight }) => {
    const expected = (weight / whole) * total;
    const gap = Math.abs((counts.get(key) ?? 0) - expected);
    return gap === 0 ? 0 : gap / expected;
  });
  return Math.max(...gaps);
}
