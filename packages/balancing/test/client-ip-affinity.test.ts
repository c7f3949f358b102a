import { InvalidInputError, schedulerNames } from "@fairlead/types";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ClientIpAffinity, withClientIpAffinity } from "../src/client-ip-affinity.ts";
import type { Candidate } from "../src/picker.ts";
import { createPicker } from "../src/registry.ts";
import { testCandidates, testContext, xorshift } from "../src/testing.ts";

class HandClock {
  time = 1000;
  monotonic(): number {
    return this.time;
  }
}

function affinity(options: { timeoutMs?: number; maxClients?: number } = {}): {
  sticky: ClientIpAffinity;
  clock: HandClock;
} {
  const clock = new HandClock();
  const picker = createPicker("rr", { random: xorshift(1) });
  return { clock, sticky: withClientIpAffinity(picker, { timeoutMs: 10_000, clock, ...options }) };
}

const list = testCandidates([1, 1, 1]);
const keyOf = (sticky: ClientIpAffinity, client: number, from: readonly Candidate[] = list): string =>
  sticky.pick(from, testContext(client))?.key ?? "none";

it.for(schedulerNames)("keeps a client at its candidate around %s", (name) => {
  const picker = createPicker(name, { random: xorshift(1) });
  const sticky = withClientIpAffinity(picker, { timeoutMs: 10_000, clock: new HandClock() });
  const first = sticky.pick(list, testContext(1));
  for (let n = 0; n < 20; n++) {
    sticky.pick(list, testContext(100 + n));
    expect(sticky.pick(list, testContext(1))).toBe(first);
  }
});

it("lets other clients go elsewhere", () => {
  const { sticky } = affinity();
  expect(new Set([1, 2, 3].map((client) => keyOf(sticky, client))).size).toBe(3);
  expect(sticky.size).toBe(3);
});

it("looks at the client's address, not at the one asked for", () => {
  const { sticky } = affinity();
  const context = testContext(1);
  expect(sticky.pick(list, context)).toBe(sticky.pick(list, { ...context, destination: "172.30.0.99" }));
});

it("counts the timeout from the last use", () => {
  const { sticky, clock } = affinity();
  const first = keyOf(sticky, 1);
  for (let n = 0; n < 5; n++) {
    clock.time += 9999;
    expect(keyOf(sticky, 1)).toBe(first);
  }
  clock.time += 10_000;
  expect(keyOf(sticky, 1)).not.toBe(first);
});

it("chooses anew when the candidate has left, and keeps the new choice when it returns", () => {
  const { sticky } = affinity();
  const first = keyOf(sticky, 1);
  const second = keyOf(
    sticky,
    1,
    list.filter(({ key }) => key !== first),
  );
  expect(second).not.toBe(first);
  expect(keyOf(sticky, 1)).toBe(second);
});

it("chooses anew when the candidate's weight has become 0", () => {
  const { sticky } = affinity();
  const first = keyOf(sticky, 1);
  const drained = list.map((candidate) => (candidate.key === first ? { ...candidate, weight: 0 } : candidate));
  expect(keyOf(sticky, 1, drained)).not.toBe(first);
});

it("returns the object of the list it is given, wherever the candidate stands in it", () => {
  const { sticky } = affinity();
  const first = keyOf(sticky, 1);
  const turned = list.map((candidate) => ({ ...candidate })).reverse();
  expect(sticky.pick(turned, testContext(1))).toBe(turned.find(({ key }) => key === first));
});

it("replaces an excluded candidate and remembers the replacement", () => {
  const { sticky } = affinity();
  const first = keyOf(sticky, 1);
  const second = sticky.pick(list, testContext(1, new Set([first])))?.key;
  expect(second).not.toBe(first);
  expect(keyOf(sticky, 1)).toBe(second);
});

it("forgets a client whom nobody may take", () => {
  const { sticky } = affinity();
  keyOf(sticky, 1);
  expect(sticky.pick([], testContext(1))).toBeUndefined();
  expect(sticky.pick(list, testContext(2, new Set(list.map(({ key }) => key))))).toBeUndefined();
  expect(sticky.size).toBe(0);
});

it("forgets the clients of one candidate and no others", () => {
  const { sticky } = affinity();
  const chosen = new Map([1, 2, 3, 4, 5, 6].map((client) => [client, keyOf(sticky, client)]));
  const gone = chosen.get(1) ?? "none";
  sticky.forget(gone);
  sticky.forget("10.9.9.9:1");
  expect(sticky.size).toBe(4);
  const others = [...chosen].filter(([, key]) => key !== gone);
  expect(others.map(([client]) => keyOf(sticky, client))).toEqual(others.map(([, key]) => key));
});

it("forgets the client least recently used when there are too many", () => {
  const { sticky, clock } = affinity({ maxClients: 3 });
  const chosen = [1, 2, 3].map((client) => keyOf(sticky, client));
  clock.time += 1;
  keyOf(sticky, 1);
  keyOf(sticky, 4);
  expect(sticky.size).toBe(3);
  expect(keyOf(sticky, 1)).toBe(chosen[0]);
  expect(keyOf(sticky, 3)).toBe(chosen[2]);
});

it("clears away the silent ones while others go on", () => {
  const { sticky, clock } = affinity();
  for (let client = 0; client < 100; client++) keyOf(sticky, client);
  clock.time += 10_000;
  for (let n = 0; n < 60; n++) keyOf(sticky, 500);
  expect(sticky.size).toBe(1);
});

describe("options", () => {
  it.for([{ timeoutMs: 0 }, { timeoutMs: Number.NaN }, { maxClients: 0 }, { maxClients: 1.5 }])(
    "refuses %o",
    (options) => {
      expect(() => affinity(options)).toThrow(InvalidInputError);
    },
  );
});

it("agrees with a plain map of clients, whatever happens", () => {
  const step = fc.record({
    client: fc.nat(6),
    wait: fc.nat(6000),
    open: fc.subarray([0, 1, 2, 3, 4]),
    forget: fc.option(fc.nat(4), { freq: 8 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { sticky, clock } = affinity({ maxClients: 4 });
      const all = testCandidates([1, 1, 1, 1, 1]);
      const model = new Map<number, { key: string; at: number }>();
      for (const { client, wait, open, forget } of steps) {
        clock.time += wait;
        if (forget !== null) {
          const key = all[forget]?.key ?? "";
          sticky.forget(key);
          for (const [known, entry] of model) if (entry.key === key) model.delete(known);
        }
        const from = open.flatMap((at) => all[at] ?? []);
        const picked = sticky.pick(from, testContext(client))?.key;
        const known = model.get(client);
        const kept = known !== undefined && clock.time - known.at < 10_000 && from.some(({ key }) => key === known.key);
        expect(kept ? picked : known?.key).toBe(known?.key);
        model.delete(client);
        if (picked !== undefined) model.set(client, { key: picked, at: clock.time });
        for (const [old] of [...model].slice(0, -4)) model.delete(old);
        expect(sticky.size).toBeLessThanOrEqual(4);
      }
    }),
  );
});
