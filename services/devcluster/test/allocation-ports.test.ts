import { seededRandom } from "@fairlead/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PortAllocator } from "../src/allocation/port-allocator.ts";

const range = { first: 30_000, last: 32_767 };

describe("PortAllocator", () => {
  it("chooses from 30086 up while there is room, as KEP-3668 has it", () => {
    const allocator = new PortAllocator({ range, random: seededRandom(7) });
    const upper = Array.from({ length: 2768 - 86 }, (_, n) => allocator.allocateNext(`ns/${n}`));
    expect(Math.min(...upper)).toBe(30_086);
    expect(Math.max(...upper)).toBe(32_767);
    expect(new Set(upper).size).toBe(upper.length);
    const lower = Array.from({ length: 86 }, (_, n) => allocator.allocateNext(`ns/lower-${n}`));
    expect(Math.max(...lower)).toBe(30_085);
    expect(() => allocator.allocateNext("ns/late")).toThrow("range is full");
  });

  it("honours a number or says why not", () => {
    const allocator = new PortAllocator({ range, random: seededRandom(7) });
    allocator.allocate(30_123, "ns/a");
    expect(() => allocator.allocate(30_123, "ns/b")).toThrow("provided port is already allocated");
    expect(() => allocator.allocate(80, "ns/b")).toThrow(
      "provided port is not in the valid range. The range of valid ports is 30000-32767",
    );
    allocator.release(30_123, "ns/b");
    expect(allocator.ownerOf(30_123)).toBe("ns/a");
    allocator.release(30_123, "ns/a");
    allocator.allocate(30_123, "ns/b");
    expect(allocator.ownerOf(30_123)).toBe("ns/b");
  });

  it("fills every small range exactly, whatever was taken before", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 80 }), fc.array(fc.nat(79)), fc.integer(), (size, taken, seed) => {
        const small = { first: 1000, last: 999 + size };
        const allocator = new PortAllocator({ range: small, random: seededRandom(seed) });
        const ports = new Set<number>();
        for (const offset of taken) {
          const port = 1000 + (offset % size);
          if (!ports.has(port)) allocator.allocate(port, "ns/explicit");
          ports.add(port);
        }
        while (ports.size < size) {
          const port = allocator.allocateNext("ns/any");
          expect(ports.has(port)).toBe(false);
          ports.add(port);
        }
        expect(() => allocator.allocateNext("ns/any")).toThrow("range is full");
      }),
      { numRuns: 100 },
    );
  });
});
