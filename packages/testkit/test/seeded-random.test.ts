import { expect, test } from "vitest";
import { seededRandom } from "../src/index.ts";

const draw = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, random);
};

test("repeats for a seed and differs between seeds", () => {
  expect(draw(1, 50)).toEqual(draw(1, 50));
  expect(draw(1, 50)).not.toEqual(draw(2, 50));
});

test("stays in [0, 1) and fills it evenly", () => {
  const buckets = Array.from({ length: 10 }, () => 0);
  for (const value of draw(7, 10_000)) {
    expect(value >= 0 && value < 1).toBe(true);
    buckets[Math.floor(value * 10)]! += 1;
  }
  // 1,000 expected in each; six standard deviations are 180.
  for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(180);
});
