import { cidr, ipAddress, IpFamily } from "@fairlead/types";
import { seededRandom } from "@fairlead/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AddressAllocator, firstAddressOwner } from "../src/allocation/address-allocator.ts";

const make = (range: string, seed = 1): AddressAllocator =>
  new AddressAllocator({ range: cidr(range), random: seededRandom(seed) });

const last = (address: string): number => Number(address.split(".").at(-1));
const code = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "no error";
};

describe("AddressAllocator", () => {
  it("keeps the static band for people until the rest is taken", () => {
    // A /24 has 254 addresses, of which the first 16 are the band (KEP-3070).
    const allocator = make("10.0.0.0/24");
    const upper = Array.from({ length: 238 }, (_, n) => last(allocator.allocateNext(`ns/${n}`)));
    expect(Math.min(...upper)).toBe(17);
    expect(new Set(upper).size).toBe(238);
    const lower = Array.from({ length: 15 }, (_, n) => last(allocator.allocateNext(`ns/lower-${n}`)));
    expect(lower.sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    expect(code(() => allocator.allocateNext("ns/late"))).toBe("ALLOCATION_RANGE_FULL");
  });

  it.for([
    ["127.96.0.0/16", "127.96.1.0", "127.96.1.1"],
    ["10.0.0.0/22", "10.0.0.64", "10.0.0.65"],
    ["10.0.0.0/24", "10.0.0.16", "10.0.0.17"],
  ])("begins the upper band of %s after %s", ([range, lastOfBand, firstOfUpper]) => {
    // A random source that always says 0 takes the first address of the upper band.
    const allocator = new AddressAllocator({ range: cidr(range ?? ""), random: () => 0 });
    expect(allocator.allocateNext("ns/a")).toBe(firstOfUpper);
    expect(allocator.ownerOf(ipAddress(lastOfBand ?? ""))).toBeUndefined();
  });

  it("never gives the network or broadcast address of an IPv4 range", () => {
    const allocator = make("10.0.0.0/29");
    const all = Array.from({ length: 5 }, (_, n) => last(allocator.allocateNext(`ns/${n}`)));
    expect(new Set(all)).toEqual(new Set([2, 3, 4, 5, 6]));
    for (const address of ["10.0.0.0", "10.0.0.7", "10.0.1.1", "fd00::1"]) {
      expect(code(() => allocator.allocate(ipAddress(address), "ns/x"))).toBe("ALLOCATION_NOT_IN_RANGE");
    }
  });

  it("keeps the first address for the API server's Service", () => {
    const allocator = make("10.0.0.0/24");
    const first = ipAddress("10.0.0.1");
    expect(code(() => allocator.allocate(first, "ns/a"))).toBe("ALLOCATION_TAKEN");
    allocator.allocate(first, firstAddressOwner);
    allocator.release(first, firstAddressOwner);
    expect(allocator.ownerOf(first)).toBe(firstAddressOwner);
  });

  it("gives addresses of a large IPv6 range", () => {
    const allocator = make("fd00::/64");
    const given = new Set(Array.from({ length: 100 }, (_, n) => allocator.allocateNext(`ns/${n}`)));
    expect(given.size).toBe(100);
    expect(allocator.family).toBe(IpFamily.v6);
  });

  it("never has two owners of one address, and gives what was released again", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("next" as const), owner: fc.nat(20) }),
      fc.record({ kind: fc.constant("take" as const), owner: fc.nat(20), host: fc.integer({ min: 1, max: 62 }) }),
      fc.record({ kind: fc.constant("release" as const), owner: fc.nat(20), host: fc.integer({ min: 1, max: 62 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer(), (steps, seed) => {
        const allocator = make("10.0.0.0/26", seed);
        const model = new Map<string, string>([["10.0.0.1", firstAddressOwner]]);
        for (const one of steps) {
          const owner = `ns/${one.owner}`;
          const address = one.kind === "next" ? undefined : ipAddress(`10.0.0.${one.host}`);
          const free = address === undefined ? model.size < 62 : !model.has(address);
          const refused = address === undefined ? "ALLOCATION_RANGE_FULL" : "ALLOCATION_TAKEN";
          let given = address;
          const outcome = code(() => {
            if (address === undefined) given = allocator.allocateNext(owner);
            else if (one.kind === "take") allocator.allocate(address, owner);
            else allocator.release(address, owner);
          });
          expect(outcome).toBe(free || one.kind === "release" ? "no error" : refused);
          expect(given !== undefined && one.kind === "next" && model.has(given)).toBe(false);
          if (given !== undefined && outcome === "no error") {
            if (one.kind !== "release") model.set(given, owner);
            else if (model.get(given) === owner) model.delete(given);
          }
          expect(given === undefined ? undefined : allocator.ownerOf(given)).toBe(given && model.get(given));
        }
      }),
      { numRuns: 100 },
    );
  });

  it("takes back what storage says, unless another holds it", () => {
    const allocator = make("10.0.0.0/24");
    const address = ipAddress("10.0.0.20");
    expect(allocator.restore(address, "ns/a")).toBe(true);
    expect(allocator.restore(address, "ns/a")).toBe(true);
    expect(allocator.restore(address, "ns/b")).toBe(false);
    expect(allocator.restore(ipAddress("10.9.0.1"), "ns/c")).toBe(false);
    expect(allocator.ownerOf(address)).toBe("ns/a");
  });
});
