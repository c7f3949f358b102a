import type { IpvsChange } from "@fairlead/netlink";
import { ipAddress } from "@fairlead/types";
import { assert, constantFrom, dictionary, integer, property } from "fast-check";
import { describe, expect, it } from "vitest";
import {
  arrange,
  type Arrangement,
  changed,
  changesBetween,
  handingOn,
  type HeldService,
} from "../src/ipvs/arrangement.ts";
import { placeAt } from "../src/ipvs/place.ts";
import { chooseScheduler } from "../src/ipvs/schedulers.ts";
import type { Server, VirtualService } from "../src/ipvs/virtual-services.ts";

const address = ipAddress("10.96.0.1");
const tcp = placeAt("TCP", address, 80 as never);
const udp = placeAt("UDP", address, 53 as never);

const server = (name: string, weight: number): Server => {
  return { address: ipAddress(`10.244.1.${name.charCodeAt(0)}`), port: 80, weight };
};
const keyOf = (name: string): string => `10.244.1.${name.charCodeAt(0)}:80`;
const serversOf = (weights: Readonly<Record<string, number>>): Map<string, Server> =>
  new Map(Object.entries(weights).map(([name, weight]) => [keyOf(name), server(name, weight)]));
const want = (
  weights: Readonly<Record<string, number>>,
  more: Partial<Pick<VirtualService, "scheduler" | "persistenceSeconds">> = {},
  place = tcp,
): VirtualService => ({ place, scheduler: "rr", servers: serversOf(weights), standby: new Set(), ...more });
const held = (weights: Readonly<Record<string, number>>, more: Partial<Arrangement> = {}): HeldService => {
  return { scheduler: "rr", flags: 0, ...more, servers: serversOf(weights) };
};
const schedulerOf = ({ scheduler }: VirtualService) => chooseScheduler(scheduler, new Set()).scheduler;
const weightsOf = (arrangement: Arrangement | undefined): Record<string, number> =>
  Object.fromEntries([...(arrangement?.servers ?? [])].map(([key, { weight }]) => [key, weight]));
const apply = (state: HeldService | undefined, changes: readonly IpvsChange[]): HeldService | undefined => {
  let now = state === undefined ? undefined : { ...state, servers: new Map(state.servers) };
  for (const change of changes) now = changed(now, change);
  return now;
};
const kindsOf = (changes: readonly IpvsChange[]): readonly string[] => changes.map(({ kind }) => kind);

describe("a virtual service, given what the kernel holds", () => {
  it("keeps servers that are wanted no more, without weight", () => {
    const arrangement = arrange(tcp, want({ b: 2 }), held({ a: 5, b: 1 }), schedulerOf);
    expect(weightsOf(arrangement)).toEqual({ [keyOf("a")]: 0, [keyOf("b")]: 2 });
  });

  it("keeps none of UDP", () => {
    const arrangement = arrange(udp, want({ b: 1 }, {}, udp), held({ a: 1, b: 1 }), schedulerOf);
    expect(weightsOf(arrangement)).toEqual({ [keyOf("b")]: 1 });
    expect(arrange(udp, undefined, held({ a: 1 }), schedulerOf)).toBeUndefined();
  });

  it("goes on without weights when its Service has gone, and goes when nobody is left", () => {
    const arrangement = arrange(tcp, undefined, held({ a: 3 }, { scheduler: "lc" }), schedulerOf);
    expect(arrangement).toMatchObject({ scheduler: "lc" });
    expect(weightsOf(arrangement)).toEqual({ [keyOf("a")]: 0 });
    expect(arrange(tcp, undefined, held({}), schedulerOf)).toBeUndefined();
    expect(arrange(tcp, undefined, undefined, schedulerOf)).toBeUndefined();
  });

  it("takes one that was being drained back as it is", () => {
    const before = held({ a: 0 });
    const target = arrange(tcp, want({ a: 1 }), before, schedulerOf);
    expect(changesBetween(tcp, target, before)).toMatchObject([
      { kind: "set-destination", destination: { weight: 1 } },
    ]);
  });

  it("chooses for dh while a server has no weight, as the kernel's would refuse its addresses", () => {
    const arrangement = arrange(
      tcp,
      want({ b: 1, c: 1 }, { scheduler: "dh" }),
      held({ a: 1 }, { scheduler: "dh" }),
      schedulerOf,
    );
    expect(arrangement?.scheduler).toBe("rr");
    expect(Object.values(weightsOf(arrangement)).filter((weight) => weight > 0)).toEqual([1]);
    expect(arrange(tcp, want({ b: 1, c: 1 }, { scheduler: "dh" }), held({ b: 1 }), schedulerOf)?.scheduler).toBe("dh");
    expect(arrange(tcp, want({ b: 0 }, { scheduler: "dh" }), undefined, schedulerOf)?.scheduler).toBe("dh");
  });

  it("hands what is new on to this machine's own listener, once another plane has taken over", () => {
    const drained = arrange(tcp, undefined, held({ a: 1 }), schedulerOf) as Arrangement;
    const retired = handingOn(tcp, drained);
    expect([...retired.servers.values()]).toMatchObject([
      { weight: 0 },
      { address, port: 80, weight: 1, forwarding: "local" },
    ]);
    // It is no server that anybody waits for.
    const later = apply(held({ a: 1 }), changesBetween(tcp, retired, held({ a: 1 })));
    later?.servers.delete(keyOf("a"));
    expect(arrange(tcp, undefined, later, schedulerOf)).toBeUndefined();
  });
});

describe("the changes from what is held to what should be", () => {
  it("are none where it is so already", () => {
    expect(changesBetween(tcp, arrange(tcp, want({ a: 1 }), held({ a: 1 }), schedulerOf), held({ a: 1 }))).toEqual([]);
  });

  it("change scheduler and persistence of the service that is there", () => {
    const target = arrange(
      tcp,
      want({ a: 1 }, { scheduler: "sh", persistenceSeconds: 60 }),
      held({ a: 1 }),
      schedulerOf,
    );
    expect(changesBetween(tcp, target, held({ a: 1 }))).toEqual([
      {
        kind: "set-service",
        service: { protocol: 6, address, port: 80, scheduler: "sh", flags: 8, persistence: { seconds: 60 } },
      },
    ]);
  });

  it("bring new servers before they take weights, and take weights before they delete", () => {
    const changes = changesBetween(
      udp,
      arrange(udp, want({ a: 1, b: 9, c: 1 }, {}, udp), held({ a: 2, b: 1, d: 1 }), schedulerOf),
      held({ a: 2, b: 1, d: 1 }),
    );
    expect(kindsOf(changes)).toEqual(["add-destination", "set-destination", "set-destination", "delete-destination"]);
    expect(changes[1]).toMatchObject({ destination: { weight: 9 } });
  });

  it("leave dh first and come to it last", () => {
    const one = held({ a: 1, b: 1 }, { scheduler: "dh" });
    const away = changesBetween(tcp, arrange(tcp, want({ b: 1 }, { scheduler: "dh" }), one, schedulerOf), one);
    expect(kindsOf(away)[0]).toBe("set-service");
    const two = held({ b: 1, c: 0 });
    const back = changesBetween(tcp, arrange(tcp, want({ b: 1, c: 1 }, { scheduler: "dh" }), two, schedulerOf), two);
    expect(kindsOf(back).at(-1)).toBe("set-service");
  });

  it("lead there from anywhere, and at no moment is there no server where there was one before and is one after", () => {
    const weights = dictionary(constantFrom("a", "b", "c", "d"), integer({ min: 0, max: 3 }));
    const scheduler = constantFrom("rr", "sh", "dh", "wlc");
    assert(
      property(weights, weights, scheduler, scheduler, (from, to, old, next) => {
        const before = held(from, { scheduler: old });
        const target = arrange(tcp, want(to, { scheduler: next as "rr" }), before, schedulerOf) as Arrangement;
        const changes = changesBetween(tcp, target, before);
        const serves = (state: HeldService | undefined): boolean => {
          const all = [...(state?.servers.values() ?? [])];
          // The kernel's dh has an address's server whatever its weight.
          return (
            all.some(({ weight }) => weight > 0) && (state?.scheduler !== "dh" || all.every(({ weight }) => weight > 0))
          );
        };
        const end = apply(before, changes);
        expect(weightsOf(end)).toEqual(weightsOf(target));
        expect(end?.scheduler).toBe(target.scheduler);
        if (!serves(before) || !serves(end)) return;
        for (let count = 0; count <= changes.length; count++)
          expect(serves(apply(before, changes.slice(0, count)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
