import { expect, it } from "vitest";
import type { Candidate, Picker } from "../src/picker.ts";
import { createPicker } from "../src/registry.ts";
import { testCandidates, testContext, xorshift } from "../src/testing.ts";

function keysOf(picker: Picker, list: readonly Candidate[], picks: number): string[] {
  return Array.from({ length: picks }, (_, n) => picker.pick(list, testContext(n))?.key ?? "none");
}

it.for(["rr", "wrr", "lc", "wlc", "sed", "nq"] as const)("%s: idle equals take turns", (name) => {
  const list = testCandidates([1, 1, 1, 1]);
  const keys = keysOf(createPicker(name, { random: xorshift(3) }), list, 8);
  expect(new Set(keys.slice(0, 4)).size).toBe(4);
  expect(keys.slice(4)).toEqual(keys.slice(0, 4));
});

it.for(["rr", "wrr", "lc", "wlc", "sed", "nq"] as const)(
  "%s: many pickers do not all begin at one endpoint",
  (name) => {
    const list = testCandidates([1, 1, 1, 1]);
    const random = xorshift(9);
    const first = new Set(Array.from({ length: 60 }, () => keysOf(createPicker(name, { random }), list, 1)[0]));
    expect(first.size).toBe(4);
  },
);

it.for(["rr", "wrr"] as const)("%s: lists that take turns keep a place each", (name) => {
  const picker = createPicker(name, { random: xorshift(1) });
  const [local, cluster] = [testCandidates([1, 1]), testCandidates([1, 1, 1, 1])];
  const seen = { local: new Set<string>(), cluster: new Set<string>() };
  for (let n = 0; n < 4; n++) {
    for (const key of keysOf(picker, local, 1)) seen.local.add(key);
    for (const key of keysOf(picker, cluster, 1)) seen.cluster.add(key);
  }
  expect([seen.local.size, seen.cluster.size]).toEqual([2, 4]);
});

it("rr: one that joins gets its share and no more", () => {
  const picker = createPicker("rr", { random: xorshift(1) });
  const list = testCandidates([1, 1, 1, 1]);
  keysOf(picker, list.slice(1), 4);
  const keys = keysOf(picker, list, 8);
  for (const { key } of list) expect(keys.filter((picked) => picked === key)).toHaveLength(2);
});

it("wrr: replacing the list after every pick keeps the proportions", () => {
  const picker = createPicker("wrr", { random: xorshift(1) });
  const list = testCandidates([1, 2, 5]);
  const keys = Array.from({ length: 80 }, () => picker.pick([...list], testContext(1))?.key);
  expect(list.map(({ key }) => keys.filter((picked) => picked === key).length)).toEqual([10, 20, 50]);
});

it("wrr: a changed weight counts from the next pick, without paying for the past", () => {
  const picker = createPicker("wrr", { random: xorshift(1) });
  keysOf(picker, testCandidates([60_000, 1, 1]), 1000);
  const keys = keysOf(picker, testCandidates([1, 1, 1]), 30);
  for (const { key } of testCandidates([1, 1, 1])) {
    const picks = keys.filter((picked) => picked === key).length;
    expect(picks).toBeGreaterThanOrEqual(9);
    expect(picks).toBeLessThanOrEqual(11);
  }
});

it("wrr: candidates that are replaced as soon as they are picked keep their share, and no more", () => {
  const picker = createPicker("wrr", { random: xorshift(1) });
  const [first, second] = testCandidates([1, 1]) as [Candidate, Candidate];
  let passing = 0;
  let list: Candidate[] = [];
  for (let n = 0; n < 3000; n++) {
    if (list.length === 0) list = [first, { key: `passing ${passing}`, weight: 1, active: 0 }, second];
    if (picker.pick(list, testContext(n))?.key !== list[1]?.key) continue;
    passing += 1;
    list = [];
  }
  expect(passing).toBeGreaterThan(900);
  expect(passing).toBeLessThan(1100);
});

it("wrr: heavy candidates are not served in runs", () => {
  const keys = keysOf(createPicker("wrr", { random: xorshift(1) }), testCandidates([5, 1, 1]), 70);
  const runs = keys.join(" ").split(/10\.0\.0\.[12]:8080/);
  const longest = Math.max(...runs.map((run) => run.trim().split(" ").filter(Boolean).length));
  expect(longest).toBeLessThan(5);
});

it("mh: clients of an excluded candidate spread over all the others", () => {
  const list = testCandidates([1, 1, 1, 1, 1]);
  const picker = createPicker("mh", { random: xorshift(1) });
  const gone = list[2]?.key ?? "";
  const clients = Array.from({ length: 5000 }, (_, n) => n).filter(
    (n) => picker.pick(list, testContext(n)) === list[2],
  );
  const counts = new Map<string, number>();
  for (const n of clients) {
    const key = picker.pick(list, testContext(n, new Set([gone])))?.key ?? "none";
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  expect(counts.size).toBe(4);
  for (const part of counts.values()) expect(part).toBeGreaterThan(clients.length / 8);
});

it("mh: the lightest candidate gets clients beside heavy ones", () => {
  const list = testCandidates([1, 65_535, 65_535]);
  const picker = createPicker("mh", { random: xorshift(1) });
  const picked = new Set(Array.from({ length: 100_000 }, (_, n) => picker.pick(list, testContext(n))?.key));
  expect(picked.size).toBe(3);
});

it.for(["lc", "wlc", "sed", "p2c"] as const)("%s: picks the less loaded of two", (name) => {
  const list = testCandidates([1, 1]);
  (list[0] as { active: number }).active = 5;
  expect(new Set(keysOf(createPicker(name, { random: xorshift(1) }), list, 20))).toEqual(new Set([list[1]?.key]));
});

it("nq: an idle candidate comes before a heavy one that sed would take", () => {
  const list = testCandidates([1, 100]);
  (list[1] as { active: number }).active = 1;
  const random = xorshift(1);
  expect(createPicker("nq", { random }).pick(list, testContext(1))).toBe(list[0]);
  expect(createPicker("sed", { random }).pick(list, testContext(1))).toBe(list[1]);
});
