import type { IpvsDestinationState } from "@fairlead/netlink";
import { ipAddress } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import type { HeldService } from "../src/ipvs/arrangement.ts";
import { Drain } from "../src/ipvs/drain.ts";
import { type Place, placeAt } from "../src/ipvs/place.ts";
import type { VirtualService } from "../src/ipvs/virtual-services.ts";

const place = placeAt("TCP", ipAddress("10.96.0.1"), 80 as never);
const pod = (last: number) => ({ address: ipAddress(`10.244.1.${last}`), port: 80 });
const key = (last: number): string => `10.244.1.${last}:80`;
const holding = (...pods: readonly number[]): HeldService => {
  return { scheduler: "rr", flags: 0, servers: new Map(pods.map((last) => [key(last), { ...pod(last), weight: 0 }])) };
};
const wanting = (servers: readonly number[], standby: readonly number[] = []): VirtualService => ({
  place,
  scheduler: "rr",
  servers: new Map(servers.map((last) => [key(last), { ...pod(last), weight: 1 }])),
  standby: new Set(standby.map(key)),
});
const listed = (last: number, active = 0, inactive = 0, weight = 0): IpvsDestinationState => ({
  ...pod(last),
  weight,
  forwarding: "masquerade",
  activeConnections: active,
  inactiveConnections: inactive,
  persistentConnections: 0,
});

describe("servers that leave", () => {
  it("go when they have no connection left, open or just closed", () => {
    const drain = new Drain({ timeoutMs: 1_000 });
    drain.note(place, wanting([1]), holding(1, 2, 3, 4), 0);
    expect(drain.due(place, [listed(2, 1), listed(3, 0, 1), listed(4)], 10)).toEqual([key(4)]);
  });

  it("go when their time is over, which begins once", () => {
    const drain = new Drain({ timeoutMs: 1_000 });
    drain.note(place, wanting([1]), holding(1, 2), 0);
    drain.note(place, wanting([1, 3]), holding(1, 2, 3), 900);
    expect(drain.due(place, [listed(2, 5)], 999)).toEqual([]);
    expect(drain.due(place, [listed(2, 5)], 1_000)).toEqual([key(2)]);
  });

  it("stay while their pods are there", () => {
    const drain = new Drain({ timeoutMs: 1_000 });
    drain.note(place, wanting([1], [2]), holding(1, 2), 0);
    expect(drain.size).toBe(0);
    drain.note(place, wanting([1]), holding(1, 2), 5_000);
    expect(drain.due(place, [listed(2, 1)], 5_999)).toEqual([]);
    expect(drain.due(place, [listed(2, 1)], 6_000)).toEqual([key(2)]);
  });

  it("are all of those of a Service that has gone", () => {
    const drain = new Drain({ timeoutMs: 1_000 });
    drain.note(place, undefined, holding(1, 2), 0);
    expect(drain.due(place, [listed(1), listed(2)], 0)).toEqual([key(1), key(2)]);
  });

  it("are not taken for idle where the kernel's list does not have them, or somebody gave them a weight", () => {
    const drain = new Drain({ timeoutMs: 1_000 });
    drain.note(place, undefined, holding(1, 2), 0);
    expect(drain.due(place, [listed(1, 0, 0, 1)], 0)).toEqual([]);
  });

  it("that are wanted again leave no more", () => {
    const drain = new Drain({ timeoutMs: 1_000 });
    drain.note(place, undefined, holding(1), 0);
    drain.note(place, wanting([1]), holding(1), 10);
    expect(drain.size).toBe(0);
  });

  it("of many places are looked at in turn", () => {
    const drain = new Drain({ timeoutMs: 1_000 });
    const places = [80, 81, 82].map((port) => placeAt("TCP", ipAddress("10.96.0.1"), port as never));
    for (const one of places) drain.note(one, undefined, holding(1), 0);
    const seen: Place[] = [...drain.next(2), ...drain.next(2)];
    expect(seen).toEqual([places[0], places[1], places[2], places[0]]);
  });
});
