import { cidr, IpFamily } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { FamilyLayout } from "../src/nftables/layout.ts";
import { podElements, sourceElements } from "../src/kernel/range-elements.ts";

const v4 = new FamilyLayout(IpFamily.v4);
const v6 = new FamilyLayout(IpFamily.v6);

function pods(layout: FamilyLayout, ...ranges: readonly string[]): string[] {
  return podElements(
    layout,
    ranges.map((range) => cidr(range)),
  ).map(({ key, isEnd }) => `${isEnd === true ? "to" : "from"} ${layout.address.read(key, 0)}`);
}

describe("ranges of pods", () => {
  it("are of the table's family, sorted, each with its end", () => {
    const ranges = ["10.245.0.0/16", "fd00::/64", "10.0.0.0/8", "192.168.0.0/24"];
    expect(pods(v4, ...ranges)).toEqual(["from 10.0.0.0", "to 11.0.0.0", "from 192.168.0.0", "to 192.168.1.0"]);
    expect(pods(v6, ...ranges)).toEqual(["from fd00::", "to fd00:0:0:1::"]);
  });

  it("that touch are one, and the last one has no end", () => {
    expect(pods(v4, "10.0.0.0/9", "10.128.0.0/9")).toEqual(["from 10.0.0.0", "to 11.0.0.0"]);
    expect(pods(v4, "0.0.0.0/0")).toEqual(["from 0.0.0.0"]);
    expect(pods(v4, "128.0.0.0/1")).toEqual(["from 128.0.0.0"]);
  });
});

describe("ranges of sources", () => {
  it("are those of the family that lie in no other, behind the Service's address", () => {
    const frontend = v4.frontendKey("10.200.0.1" as never, "TCP", 80 as never);
    const ranges = ["192.0.2.0/24", "192.0.2.7/32", "192.0.2.0/24", "2001:db8::/32", "198.51.100.9/32"];
    const elements = [
      ...sourceElements(
        v4,
        frontend,
        ranges.map((range) => cidr(range)),
      ),
    ];
    expect(
      elements.map(({ key, keyEnd }) => [
        v4.address.read(key, frontend.length),
        v4.address.read(keyEnd!, frontend.length),
      ]),
    ).toEqual([
      ["192.0.2.0", "192.0.2.255"],
      ["198.51.100.9", "198.51.100.9"],
    ]);
    expect(elements[0]?.key.subarray(0, frontend.length)).toEqual(frontend);
  });
});
