import type { Cidr } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { AddressPool, nodeSubnet } from "../src/node-agent/address-pool.ts";

describe("a node's subnet", () => {
  test("gives node-1 the second /24 where there is room, and never one twice", () => {
    const wide = [1, 2, 3].map((node) => nodeSubnet("127.244.0.0/16" as Cidr, node, 3));
    expect(wide).toEqual(["127.244.1.0/24", "127.244.2.0/24", "127.244.3.0/24"]);
    const tight = [1, 2, 3, 4].map((node) => nodeSubnet("127.244.8.0/22" as Cidr, node, 4));
    expect(new Set(tight).size).toBe(4);
  });

  test("is refused where the range is too small", () => {
    expect(() => nodeSubnet("127.244.8.0/23" as Cidr, 1, 3)).toThrow(expect.objectContaining({ field: "podCidr" }));
  });
});

describe("the address pool", () => {
  const subnet = "127.244.1.0/24" as Cidr;

  test("hands out every host but .0, .1 and .255, each once", () => {
    const pool = new AddressPool({ subnet });
    const given = Array.from({ length: 253 }, (_, nth) => pool.take(`pod-${nth}`));
    expect(new Set(given).size).toBe(253);
    expect(given[0]).toBe("127.244.1.2");
    expect(given.at(-1)).toBe("127.244.1.254");
    expect(pool.take("one-more")).toBeUndefined();
    pool.release("pod-7");
    expect(pool.take("one-more")).toBe(given[7]);
  });

  test("lets a returned address rest until all others had their turn", () => {
    const pool = new AddressPool({ subnet });
    const first = pool.take("a");
    pool.release("a");
    const others = Array.from({ length: 252 }, (_, nth) => pool.take(`b-${nth}`));
    expect(others).not.toContain(first);
    expect(pool.take("c")).toBe(first);
  });

  test("gives a pod of an earlier run its address again, and no other pod the same", () => {
    const pool = new AddressPool({ subnet });
    expect(pool.claim("127.244.1.9", "old")).toBe(true);
    expect(pool.claim("127.244.1.9", "old")).toBe(true);
    expect(pool.claim("127.244.1.9", "other")).toBe(false);
    expect(pool.claim("127.244.2.9", "old")).toBe(false);
    expect(pool.claim("127.244.1.255", "old")).toBe(false);
    pool.continueAfter("127.244.1.7");
    expect([pool.take("x"), pool.take("y")]).toEqual(["127.244.1.8", "127.244.1.10"]);
  });
});
