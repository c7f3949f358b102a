import { cidr, cidrContains, ipAddress, type Cidr } from "@fairlead/types";
import { expect, test } from "vitest";
import { addressPlan } from "../src/index.ts";

const ranges = {
  pods: addressPlan.pods,
  services: addressPlan.services,
  nodes: addressPlan.nodes,
  loadBalancers: addressPlan.loadBalancers,
  outsiders: addressPlan.outsiders,
};

test("holds canonical ranges that do not overlap", () => {
  for (const range of Object.values<Cidr>(ranges)) {
    expect(cidr(range)).toBe(range);
    const first = ipAddress(range.split("/")[0] ?? "");
    expect(Object.values<Cidr>(ranges).filter((other) => cidrContains(other, first))).toEqual([range]);
  }
});

test("gives addresses within their ranges and refuses others", () => {
  expect(cidrContains(addressPlan.pods, addressPlan.pod(1))).toBe(true);
  expect(cidrContains(addressPlan.services, addressPlan.service(254))).toBe(true);
  expect(cidrContains(addressPlan.nodes, addressPlan.node(2))).toBe(true);
  expect(cidrContains(addressPlan.loadBalancers, addressPlan.loadBalancer(3))).toBe(true);
  expect(cidrContains(addressPlan.outsiders, addressPlan.outsider(4))).toBe(true);
  expect(() => addressPlan.pod(255)).toThrow(RangeError);
  expect(() => addressPlan.pod(0)).toThrow(RangeError);
});
