/** Million picks a second of every algorithm over 3, 100 and 1,000 endpoints, alone and with client affinity. Takes about 25 s. */
import { schedulerNames } from "@fairlead/types";
import type { Candidate, PickContext, Picker } from "../src/picker.ts";
import { createPicker } from "../src/registry.ts";
import { withClientIpAffinity } from "../src/client-ip-affinity.ts";

const endpointCounts = [3, 100, 1000] as const;
const rounds = 5;
const roundMs = 50;
const picksBetweenLooks = 512;
/** A power of two, so that the next client is a mask away. */
const clients = 4096;

let state = 42;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return (state >>> 0) / 2 ** 32;
}

// Fixed loads from 1 to 16: nobody is idle, so no scan ends early.
function candidates(count: number): Candidate[] {
  return Array.from({ length: count }, (_, at) => ({
    key: `10.244.${at >> 8}.${at & 255}:8080`,
    weight: 1 + (at % 4),
    active: 1 + Math.floor(random() * 16),
  }));
}

const contexts: readonly PickContext[] = Array.from({ length: clients }, (_, at) => ({
  client: `10.96.${at >> 8}.${at & 255}`,
  destination: `10.97.${at >> 8}.${at & 255}`,
}));

let sink = 0;

/** Picks for the given time; million picks a second. */
function run(picker: Picker, list: readonly Candidate[], ms: number): number {
  const begin = performance.now();
  let picks = 0;
  let elapsed = 0;
  while (elapsed < ms) {
    for (let n = 0; n < picksBetweenLooks; n++) {
      const picked = picker.pick(list, contexts[(picks + n) & (clients - 1)] as PickContext);
      if (picked !== undefined) sink += picked.weight;
    }
    picks += picksBetweenLooks;
    elapsed = performance.now() - begin;
  }
  return picks / elapsed / 1000;
}

function measure(picker: Picker, list: readonly Candidate[]): string {
  run(picker, list, roundMs);
  const results = Array.from({ length: rounds }, () => run(picker, list, roundMs)).sort((a, b) => a - b);
  return (results[rounds >> 1] ?? 0).toFixed(2);
}

const clock = { monotonic: () => performance.now() };
const header = ["algorithm", ...endpointCounts.map(String), ...endpointCounts.map((count) => `${count} + ClientIP`)];
const rows = schedulerNames.map((name) => {
  const plain: string[] = [];
  const sticky: string[] = [];
  for (const count of endpointCounts) {
    const list = candidates(count);
    plain.push(measure(createPicker(name, { random }), list));
    const affinity = withClientIpAffinity(createPicker(name, { random }), { timeoutMs: 10_800_000, clock });
    sticky.push(measure(affinity, list));
  }
  return [name, ...plain, ...sticky];
});

process.stdout.write(`million picks/s, median of ${rounds} rounds of ${roundMs} ms; columns: endpoints\n\n`);
const widths = header.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
for (const row of [header, ...rows]) {
  const [first = "", ...rest] = row.map((cell, at) =>
    at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0),
  );
  process.stdout.write(`${[first, ...rest].join("  ")}\n`);
}
if (sink === 0) process.exitCode = 1;
