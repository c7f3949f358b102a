import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addressBits,
  addressToBigInt,
  bigIntToAddress,
  cidr,
  cidrContains,
  cidrMatcher,
  cidrParts,
  familyOf,
  ipAddress,
  IpFamily,
  isLoopback,
  port,
  protocol,
  protocols,
} from "../src/net.ts";

const refusal = (field: string): unknown => expect.objectContaining({ code: "INVALID_INPUT", field });

const family = fc.constantFrom(IpFamily.v4, IpFamily.v6);
// Small and sparse values bring out runs of zeros, which is where IPv6 notation is hard.
const groups = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(0xffff)), {
  minLength: 8,
  maxLength: 8,
});
const v4Value = fc.nat(0xffff_ffff).map(BigInt);
const v6Value = groups.map((all) => all.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n));
const located = family.chain((name) =>
  (name === IpFamily.v4 ? v4Value : v6Value).map((value) => ({ family: name, value })),
);
const prefixed = located.chain((place) =>
  fc.nat(addressBits(place.family)).map((prefix) => {
    const host = BigInt(addressBits(place.family) - prefix);
    return { ...place, prefix, first: (place.value >> host) << host };
  }),
);

describe("addresses", () => {
  it("are numbers and back again, whatever the family", () => {
    fc.assert(
      fc.property(located, ({ family, value }) => {
        const address = bigIntToAddress(value, family);
        expect(addressToBigInt(address)).toBe(value);
        expect(familyOf(address)).toBe(family);
        expect(ipAddress(address)).toBe(address);
      }),
    );
  });

  it("have one spelling, however an IPv6 address was written", () => {
    fc.assert(
      fc.property(groups, fc.boolean(), fc.boolean(), (all, upper, padded) => {
        const digits = all.map((group) => group.toString(16).padStart(padded ? 4 : 1, "0")).join(":");
        const value = all.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
        expect(ipAddress(upper ? digits.toUpperCase() : digits)).toBe(bigIntToAddress(value, IpFamily.v6));
      }),
    );
  });

  it.for([
    ["10.244.0.7", "10.244.0.7"],
    ["::", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8::00A", "2001:db8::a"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:1.2.3.4", "::ffff:1.2.3.4"],
    ["::ffff:102:304", "::ffff:1.2.3.4"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
  ] as const)("reads %s as %s", ([text, canonical]) => {
    expect(ipAddress(text)).toBe(canonical);
    expect(bigIntToAddress(addressToBigInt(ipAddress(text)), familyOf(ipAddress(text)))).toBe(canonical);
  });

  it.for([
    "",
    " ",
    "10.0.0",
    "10.0.0.256",
    "010.0.0.1",
    "10.0.0.1 ",
    "10.0.0.0/8",
    "1:2:3:4:5:6:7",
    "1::2::3",
    "12345::",
    ":::",
    "[::1]",
    "fe80::1%eth0",
    "fe80::1%1",
    "example.org",
    "1".repeat(1000),
  ])("refuses %j", (text) => {
    expect(() => ipAddress(text, "spec.clusterIP")).toThrow(refusal("spec.clusterIP"));
  });

  it("refuses what is not a text", () => {
    for (const value of [null, undefined, 10, {}, ["::1"]]) {
      expect(() => ipAddress(value as string)).toThrow(refusal("address"));
    }
  });

  it("keeps a refusal short, whatever was given", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 5000 }), (text) => {
        let message = "";
        try {
          ipAddress(`!${text}`);
        } catch (error) {
          ({ message } = error as Error);
        }
        expect(message).toMatch(/^address: must be an IPv4 or IPv6 address/);
        expect(message.length).toBeLessThan(200);
      }),
    );
  });

  it("are loopback in 127.0.0.0/8 and at ::1 only", () => {
    const loopback = (text: string): boolean => isLoopback(ipAddress(text));
    expect(["127.0.0.1", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1"].every(loopback)).toBe(true);
    expect(["128.0.0.1", "12.7.0.1", "::", "::127.0.0.1", "fe80::1"].some(loopback)).toBe(false);
  });
});

describe("ranges", () => {
  it("are canonical: the network address and the prefix length", () => {
    fc.assert(
      fc.property(prefixed, ({ family, first, prefix }) => {
        const network = bigIntToAddress(first, family);
        const range = cidr(`${network}/${prefix}`);
        expect(range).toBe(`${network}/${prefix}`);
        expect(cidr(range)).toBe(range);
        const size = 1n << BigInt(addressBits(family) - prefix);
        expect(cidrParts(range)).toEqual({ family, prefix, first, size });
      }),
    );
    expect(cidr("2001:DB8:0::/32")).toBe("2001:db8::/32");
  });

  it("have no host bits, and the refusal names the range that was meant", () => {
    fc.assert(
      fc.property(
        prefixed.filter(({ value, first }) => value !== first),
        ({ family, value, first, prefix }) => {
          const text = `${bigIntToAddress(value, family)}/${prefix}`;
          const meant = `${bigIntToAddress(first, family)}/${prefix}`;
          const reason = expect.stringContaining(meant) as unknown;
          expect(() => cidr(text)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field: "cidr", reason }));
        },
      ),
    );
  });

  it.for([
    "10.0.0.0",
    "10.0.0.0/",
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0.0/8.0",
    "10.0.0.0/0x8",
    "10.0.0.0/ 8",
    "::/129",
    "/8",
    "fe80::%1/64",
    "",
  ])("refuses %j", (text) => {
    expect(() => cidr(text, "podCIDR")).toThrow(refusal("podCIDR"));
  });

  it("hold their first and last address, and neither neighbour", () => {
    fc.assert(
      fc.property(prefixed, ({ family, first, prefix }) => {
        const range = cidr(`${bigIntToAddress(first, family)}/${prefix}`);
        const end = 1n << BigInt(addressBits(family));
        const last = first + cidrParts(range).size - 1n;
        const held = (value: bigint): boolean => cidrContains(range, bigIntToAddress(value, family));
        expect([held(first), held(last)]).toEqual([true, true]);
        expect(first > 0n && held(first - 1n)).toBe(false);
        expect(last + 1n < end && held(last + 1n)).toBe(false);
      }),
    );
  });

  it("hold no address of the other family", () => {
    expect(cidrContains(cidr("0.0.0.0/0"), ipAddress("::1"))).toBe(false);
    expect(cidrContains(cidr("::/0"), ipAddress("10.0.0.1"))).toBe(false);
  });

  it("match as a set what one of them holds", () => {
    // Mapped addresses have a rule of their own, below.
    const plain = located.filter(({ value, family }) => family === IpFamily.v4 || value >> 32n !== 0xffffn);
    fc.assert(
      fc.property(fc.array(prefixed, { maxLength: 5 }), fc.array(plain, { minLength: 1 }), (ranges, addresses) => {
        const all = ranges.map(({ family, first, prefix }) => cidr(`${bigIntToAddress(first, family)}/${prefix}`));
        const matches = cidrMatcher(all);
        const inside = ranges
          .map(({ family, value }) => bigIntToAddress(value, family))
          .filter((each) => !each.startsWith("::ffff:"));
        for (const address of [...addresses.map(({ family, value }) => bigIntToAddress(value, family)), ...inside]) {
          expect(matches(address)).toBe(all.some((range) => cidrContains(range, address)));
        }
      }),
    );
  });

  it("match within a family only, and a mapped address as the IPv4 address that it is", () => {
    const [v4, v6] = [cidrMatcher([cidr("10.0.0.0/8")]), cidrMatcher([cidr("::/0")])];
    expect([v4("10.1.2.3"), v4("::ffff:10.1.2.3"), v6("2001:db8::1")]).toEqual([true, true, true]);
    expect([v4("11.1.2.3"), v4("::ffff:11.1.2.3"), v6("10.1.2.3"), v6("::ffff:10.1.2.3")].some(Boolean)).toBe(false);
  });
});

describe("ports and protocols", () => {
  it("takes 1 to 65535", () => {
    expect([1, 80, 65_535].map((value) => port(value))).toEqual([1, 80, 65_535]);
  });

  it.for([0, -1, 65_536, 70_000, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "80" as unknown as number])(
    "refuses port %s",
    (value) => {
      expect(() => port(value, "spec.ports[0].port")).toThrow(refusal("spec.ports[0].port"));
    },
  );

  it("takes the protocols of Kubernetes, in its spelling only", () => {
    expect(protocols.map((name) => protocol(name))).toEqual(["TCP", "UDP", "SCTP"]);
    for (const name of ["tcp", "", "ICMP"]) expect(() => protocol(name)).toThrow(refusal("protocol"));
  });
});
