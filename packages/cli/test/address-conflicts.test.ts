import { cidr } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { addressConflicts, AddressesTakenError } from "../src/network/address-conflicts.ts";
import { defaultRanges } from "../src/options/address-plan.ts";

const ranges = defaultRanges("nftables");
const taken = (range: string, by = "eth0"): { range: ReturnType<typeof cidr>; by: string } => ({
  range: cidr(range),
  by,
});

describe("the ranges of a stack on a machine with other networks", () => {
  test.each([
    ["the ways to everything else", ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1"]],
    ["networks elsewhere", ["192.168.0.0/16", "10.0.0.0/24", "127.0.0.0/8", "10.112.0.0/16"]],
    ["networks of IPv6", ["fe80::/64", "::/0"]],
  ])("go together with %s", (_case, others) => {
    expect(
      addressConflicts(
        ranges,
        others.map((other) => taken(other)),
      ),
    ).toEqual([]);
  });

  test.each([
    ["10.244.1.0/24", ["--pod-cidr 10.244.0.0/16 (10.244.1.0/24 by eth0)"]],
    ["10.64.0.7/32", ["--node-cidr 10.64.0.0/24 (10.64.0.7/32 by eth0)"]],
    ["10.200.0.0/16", ["--lb-pool 10.200.0.0/24 (10.200.0.0/16 by eth0)"]],
    [
      "10.0.0.0/8",
      [
        "--service-cidr 10.96.0.0/12 (10.0.0.0/8 by eth0)",
        "--pod-cidr 10.244.0.0/16 (10.0.0.0/8 by eth0)",
        "--node-cidr 10.64.0.0/24 (10.0.0.0/8 by eth0)",
        "--lb-pool 10.200.0.0/24 (10.0.0.0/8 by eth0)",
      ],
    ],
  ])("meet %s, and the options are named", (other, conflicts) => {
    expect(addressConflicts(ranges, [taken("0.0.0.0/0", "wlan0"), taken(other)])).toEqual(conflicts);
  });

  test("are refused in one line that says what to do", () => {
    expect(new AddressesTakenError(["--pod-cidr 10.244.0.0/16 (10.244.1.0/24 by cni0)"]).message).toBe(
      "this machine has such addresses already: --pod-cidr 10.244.0.0/16 (10.244.1.0/24 by cni0); choose other ranges",
    );
  });
});
