import { describe, expect, test } from "vitest";
import * as fc from "fast-check";
import { mayShare, plan, restore } from "../src/providers/pool/planner.ts";
import type { Decision } from "../src/providers/pool/planner.ts";
import type { Claim } from "../src/providers/pool/claim.ts";
import { addresses, claim, pools, sharing } from "./support/claims.ts";

const small = pools("name: small, addresses: [127.200.0.1-127.200.0.3]");

const given = (decision: Decision | undefined): readonly string[] =>
  decision === undefined || decision.kind === "refuse" ? [] : decision.holding.addresses;

const outcome = (claims: readonly Claim[], from = small): Record<string, string> =>
  Object.fromEntries(
    [...plan(claims, from)].map(([id, decision]) => [
      id,
      decision.kind === "refuse" ? decision.reason : decision.holding.addresses.join(","),
    ]),
  );

describe("one pool", () => {
  test("gives the lowest addresses in the order of age, whatever the order of the claims", () => {
    const claims = [claim("c", 3), claim("a", 1), claim("b", 2)];
    expect(outcome(claims)).toEqual({ a: "127.200.0.1", b: "127.200.0.2", c: "127.200.0.3" });
  });

  test("refuses whoever comes when it is empty, and says which pool", () => {
    const all = ["a", "b", "c", "d"].map((id, n) => claim(id, n));
    expect(outcome(all)["d"]).toBe("no address of the Service's families is free in pool small");
  });

  test("leaves an address with whom the status says", () => {
    const claims = [claim("a", 1), claim("b", 2, { held: addresses("127.200.0.1") })];
    expect(outcome(claims)).toEqual({ a: "127.200.0.2", b: "127.200.0.1" });
  });

  test("of two that have one address, the older keeps it, and the other gets another or loses it", () => {
    const held = addresses("127.200.0.2");
    expect(outcome([claim("young", 2, { held }), claim("old", 1, { held })])).toEqual({
      old: "127.200.0.2",
      young: "127.200.0.1",
    });
    const one = pools("name: one, addresses: [127.200.0.2]");
    const decisions = plan([claim("young", 2, { held }), claim("old", 1, { held })], one);
    expect(decisions.get("young")).toMatchObject({ kind: "refuse", withdrawn: true });
  });

  test("moves a Service whose address is in no pool any more", () => {
    const decisions = plan([claim("a", 1, { held: addresses("127.201.0.1") })], small);
    expect(decisions.get("a")).toMatchObject({ kind: "assign", reason: "no pool holds 127.201.0.1" });
  });

  test("leaves out .0 and .255 where it is told to", () => {
    const careful = pools("name: careful, addresses: [127.200.0.255-127.200.1.1], avoidBuggyIPs: true");
    expect(outcome([claim("a", 1)], careful)).toEqual({ a: "127.200.1.1" });
    const asks = claim("a", 1, { requested: addresses("127.200.0.255") });
    expect(outcome([asks], careful)).toEqual({ a: "no address pool holds 127.200.0.255" });
  });
});

describe("requests", () => {
  test.each([
    ["127.200.0.3", {}, "127.200.0.3"],
    ["127.201.0.3", {}, "no address pool holds 127.201.0.3"],
    ["127.200.0.1", {}, "127.200.0.1 is in use by default/first, and they may not share it"],
    ["127.200.0.3", { pool: "other" }, "there is no address pool named other"],
  ])("for %s with %o: %s", (address, more, expected) => {
    const first = claim("first", 1, { held: addresses("127.200.0.1") });
    expect(outcome([first, claim("asks", 2, { requested: addresses(address), ...more })])["asks"]).toBe(expected);
  });

  test("one that cannot be met leaves a Service what it has", () => {
    const claims = [
      claim("first", 1, { held: addresses("127.200.0.1") }),
      claim("asks", 2, { held: addresses("127.200.0.2"), requested: addresses("127.200.0.1") }),
    ];
    expect(plan(claims, small).get("asks")).toMatchObject({ kind: "refuse", withdrawn: false });
    expect(restore(claims, small).holding("asks")?.addresses).toEqual(["127.200.0.2"]);
  });

  test("one that cannot be read gives nothing and takes nothing", () => {
    const decisions = plan([claim("odd", 1, { fault: "two of one family", held: addresses("127.200.0.1") })], small);
    expect(decisions.get("odd")).toMatchObject({ kind: "refuse", reason: "two of one family", withdrawn: false });
  });
});

describe("several pools", () => {
  const several = pools(
    "name: open, addresses: [127.200.0.0/30]",
    "name: manual, addresses: [127.200.1.0/30], autoAssign: false",
    "name: team, addresses: [127.200.2.0/30], serviceAllocation: {priority: 2, namespaces: [team]}",
    "name: gold, addresses: [127.200.3.0/30], serviceAllocation: {priority: 1, serviceSelectors: [{matchLabels: {tier: gold}}]}",
    "name: late, addresses: [127.200.4.0/30], serviceAllocation: {namespaceSelectors: [{matchExpressions: [{key: env, operator: In, values: [test]}]}]}",
  );
  test.each([
    ["a Service that no rule names", {}, "127.200.0.0"],
    ["its namespace", { namespace: "team" }, "127.200.2.0"],
    ["its label, which has the better priority", { namespace: "team", labels: { tier: "gold" } }, "127.200.3.0"],
    ["a label of its namespace", { namespaceLabels: { env: "test" } }, "127.200.4.0"],
    ["a priority before none", { namespace: "team", namespaceLabels: { env: "test" } }, "127.200.2.0"],
    ["a pool by name, without autoAssign", { pool: "manual" }, "127.200.1.0"],
    ["a pool by name that does not admit it", { pool: "team" }, "the address pool team does not serve this Service"],
    ["an address of a pool without autoAssign", { requested: addresses("127.200.1.2") }, "127.200.1.2"],
    [
      "an address of a pool that does not admit it",
      { requested: addresses("127.200.2.2") },
      "the address pool team, which holds 127.200.2.2, does not serve this Service",
    ],
  ])("%s", (_, more, expected) => {
    expect(outcome([claim("a", 1, more)], several)["a"]).toBe(expected);
  });
});

describe("families", () => {
  const both = pools(
    "name: four, addresses: [127.200.0.0/30]",
    "name: zboth, addresses: [127.200.1.0/30, 'fd00::10-fd00::11']",
  );
  test("a Service that needs both gets both from one pool, in its own order", () => {
    const needs = claim("a", 1, { families: ["IPv6", "IPv4"], allFamilies: true });
    expect(outcome([needs], both)).toEqual({ a: "fd00::10,127.200.1.0" });
  });

  test("a Service that would like both takes what there is", () => {
    expect(outcome([claim("a", 1, { families: ["IPv4", "IPv6"] })], both)).toEqual({ a: "127.200.0.0" });
  });

  test("one address asked for is completed from the same pool", () => {
    const asks = { families: ["IPv4", "IPv6"], allFamilies: true, requested: addresses("fd00::11") } as const;
    expect(outcome([claim("a", 1, asks)], both)).toEqual({ a: "127.200.1.0,fd00::11" });
  });
});

describe("families that change", () => {
  const both = pools(
    "name: both, addresses: [127.200.0.1-127.200.0.9, 'fd00::1-fd00::9']",
    "name: four, addresses: [127.201.0.1]",
  );
  const held = (...texts: string[]) => ({ held: addresses(...texts) });
  test("a second one is added to the address that the Service has, from the same pool", () => {
    const [needs, likes] = [true, false].map((allFamilies) =>
      plan([claim("a", 1, { families: ["IPv4", "IPv6"], allFamilies, ...held("127.200.0.7") })], both).get("a"),
    );
    expect(needs).toMatchObject({ kind: "assign", holding: { addresses: ["127.200.0.7", "fd00::1"] } });
    expect(needs).not.toHaveProperty("reason");
    expect(likes).toEqual(needs);
  });

  test("one that goes takes only its own address along, and says so", () => {
    const decision = plan([claim("a", 1, held("fd00::7", "127.200.0.7"))], both).get("a");
    expect(decision).toMatchObject({ kind: "assign", holding: { addresses: ["127.200.0.7"] } });
    expect(decision).toHaveProperty("reason", "the Service no longer has that family");
  });

  test("one that only would be liked and is not to be had changes nothing", () => {
    const decisions = plan([claim("a", 1, { families: ["IPv4", "IPv6"], ...held("127.201.0.1") })], both);
    expect(decisions.get("a")).toMatchObject({ kind: "keep", holding: { addresses: ["127.201.0.1"] } });
  });

  test("one that is needed and that the pool lacks moves the Service to a pool that has both", () => {
    const needs = { families: ["IPv4", "IPv6"], allFamilies: true, ...held("127.201.0.1") } as const;
    expect(outcome([claim("a", 1, needs)], both)).toEqual({ a: "127.200.0.1,fd00::1" });
  });

  test("another one altogether gives another address", () => {
    expect(outcome([claim("a", 1, { families: ["IPv6"], ...held("127.200.0.7") })], both)).toEqual({ a: "fd00::1" });
  });
});

describe("sharing", () => {
  test.each([
    ["no key", sharing(""), sharing("", { ports: ["UDP/53"] }), false],
    ["another key", sharing("a"), sharing("b", { ports: ["UDP/53"] }), false],
    ["the same port", sharing("a"), sharing("a"), false],
    ["the same number of another protocol", sharing("a"), sharing("a", { ports: ["UDP/80"] }), true],
    [
      "Local on one side",
      sharing("a"),
      sharing("a", { ports: ["TCP/81"], clusterPolicy: false, backends: "x" }),
      false,
    ],
    [
      "Local on both sides with the same pods",
      sharing("a", { clusterPolicy: false, backends: "x" }),
      sharing("a", { ports: ["TCP/81"], clusterPolicy: false, backends: "x" }),
      true,
    ],
    [
      "Local without a selector",
      sharing("a", { clusterPolicy: false }),
      sharing("a", { ports: ["TCP/81"], clusterPolicy: false }),
      false,
    ],
  ])("%s", (_, a, b, expected) => {
    expect([mayShare(a, b), mayShare(b, a)]).toEqual([expected, expected]);
  });

  test("goes on with an address of its key before it takes another", () => {
    const claims = [
      claim("web", 1, { sharing: sharing("k") }),
      claim("other", 2),
      claim("dns", 3, { sharing: sharing("k", { ports: ["UDP/53"] }) }),
    ];
    expect(outcome(claims)).toEqual({ web: "127.200.0.1", other: "127.200.0.2", dns: "127.200.0.1" });
  });

  test("one whose ports collide now has to move", () => {
    const held = addresses("127.200.0.1");
    const claims = [claim("a", 1, { held, sharing: sharing("k") }), claim("b", 2, { held, sharing: sharing("k") })];
    expect(outcome(claims)).toEqual({ a: "127.200.0.1", b: "127.200.0.2" });
  });
});

describe("whatever the claims", () => {
  const wide = pools("name: wide, addresses: [127.200.0.1-127.200.0.6]", "name: extra, addresses: [127.200.1.1]");
  const anyClaims = fc
    .array(
      fc.record({
        age: fc.integer({ min: 0, max: 5 }),
        held: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
        asks: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined, freq: 4 }),
        key: fc.constantFrom("", "", "x", "y"),
        ports: fc.uniqueArray(fc.constantFrom("TCP/80", "TCP/81", "UDP/80"), { minLength: 1 }),
        clusterPolicy: fc.boolean(),
        backends: fc.constantFrom("", "p", "q"),
      }),
      { maxLength: 14 },
    )
    .map((specs) =>
      specs.map(({ age, held, asks, key, ...terms }, index) =>
        claim(`s${index}`, age, {
          held: held === undefined ? [] : addresses(`127.200.0.${held}`),
          requested: asks === undefined ? [] : addresses(`127.200.0.${asks}`),
          sharing: { key, ...terms },
        }),
      ),
    );
  const settled = (claims: readonly Claim[]): Claim[] => {
    const decisions = plan(claims, wide);
    return claims.map((one) => {
      const decision = decisions.get(one.id);
      const keeps = decision?.kind === "refuse" && !decision.withdrawn;
      return { ...one, held: keeps ? one.held : addresses(...given(decision)) };
    });
  };

  test("no address goes to two, unless they may share it", () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        const after = settled(claims).filter(({ held }) => held.length > 0);
        for (const a of after) {
          for (const b of after) {
            if (a.id >= b.id || a.held[0] !== b.held[0]) continue;
            expect(mayShare(a.sharing, b.sharing), `${a.id} and ${b.id} on ${a.held[0]}`).toBe(true);
          }
        }
      }),
    );
  });

  test("the order in which they are listed does not matter", () => {
    fc.assert(
      fc.property(
        anyClaims.chain((claims) =>
          fc.tuple(fc.constant(claims), fc.shuffledSubarray(claims, { minLength: claims.length })),
        ),
        ([claims, shuffled]) => {
          expect(outcome(shuffled, wide)).toEqual(outcome(claims, wide));
        },
      ),
    );
  });

  test("a plan that is carried out is not changed by making it again", () => {
    fc.assert(
      fc.property(anyClaims, (claims) => {
        const once = settled(claims);
        // Who had lost an address may have better luck once the others have moved; whoever has one keeps it.
        const twice = settled(once);
        expect(twice.length).toBe(once.length);
        for (const [index, { held }] of once.entries()) {
          const { id, requested, held: now } = twice[index] as Claim;
          if (held.length > 0 && (requested.length === 0 || requested[0] === held[0])) expect(now, id).toEqual(held);
        }
      }),
    );
  });

  test("what one gives back, one that waits can have", () => {
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 12 }), fc.integer({ min: 0, max: 6 }), (count, gone) => {
        const claims = Array.from({ length: count }, (_, n) => claim(`s${n}`, n));
        const after = settled(claims);
        expect(after.filter(({ held }) => held.length > 0).length).toBe(7);
        const freed = after[gone]?.held;
        const again = settled(after.filter((_, index) => index !== gone));
        expect(again.find(({ id }) => id === "s7")?.held).toEqual(freed);
      }),
    );
  });
});
