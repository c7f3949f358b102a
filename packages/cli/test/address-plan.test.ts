import { cidr } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { dnsAddress, nodePlaces } from "../src/options/address-plan.ts";

describe("the nodes of a plan", () => {
  test("have the first addresses of their range", () => {
    expect(nodePlaces({ nodes: 2, nodeCidr: cidr("127.64.0.0/24") })).toEqual([
      { name: "node-1", address: "127.64.0.1" },
      { name: "node-2", address: "127.64.0.2" },
    ]);
  });

  test("also where the range does not begin at .0, or reaches over .255", () => {
    expect(nodePlaces({ nodes: 1, nodeCidr: cidr("127.64.0.128/28") })[0]?.address).toBe("127.64.0.129");
    expect(nodePlaces({ nodes: 256, nodeCidr: cidr("127.64.0.0/16") }).at(-1)?.address).toBe("127.64.1.0");
  });
});

describe("the name server of a plan", () => {
  test("has address 53 of the node range, also where that does not begin at .0", () => {
    expect(dnsAddress({ nodeCidr: cidr("127.64.0.0/24") })).toBe("127.64.0.53");
    expect(dnsAddress({ nodeCidr: cidr("127.64.0.128/26") })).toBe("127.64.0.181");
  });
});
