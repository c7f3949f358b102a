import { bigIntToAddress, ipAddress, IpFamily } from "@fairlead/types";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NetlinkDecodeError, NetlinkEncodeError } from "../src/errors.ts";
import {
  concatenation,
  decodeValue,
  encodeValue,
  inetProtocol,
  inetService,
  interfaceIndex,
  interfaceName,
  ipv4Address,
  ipv6Address,
  mark,
  type NftDataType,
} from "../src/nftables/data-types.ts";
import { elementsLayout, type NftRule, ruleLayout, setLayout } from "../src/nftables/layouts.ts";
import { CtState, NatFlag, NftFamily, NftMessage } from "../src/nftables/nftables-numbers.ts";
import * as rule from "../src/nftables/rule-expressions.ts";
import { dataMap, plainSet, verdictMap } from "../src/nftables/set-description.ts";
import { readMessage } from "../src/wire/message.ts";
import { messagesOf } from "./support/goldens.ts";

const sent = messagesOf("nft -f rules.nft");
const serviceKey = concatenation(ipv4Address, inetProtocol, inetService);
const endpointKey = concatenation(ipv4Address, inetProtocol, inetService, mark);
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** The set of that name as nft describes it, without what it notes of the expressions that the types came from. */
function setOfNft(name: string): unknown {
  const found = sent
    .filter(({ type }) => type === NftMessage.NEW_SET)
    .map((message) => readMessage(setLayout, message).attributes)
    .find((set) => set.name === name);
  const { userData = new Uint8Array(), ...set } = found ?? {};
  // Entries 0 and 1 are the byte orders; each has a head of 2 bytes and a value of 4.
  return { ...set, userData: userData.slice(0, userData[6] === 1 ? 12 : 6) };
}

/** Rules of a chain as nft writes them. */
function rulesOfNft(chain: string): readonly NftRule[] {
  return sent
    .filter(({ type }) => type === NftMessage.NEW_RULE)
    .map((message) => readMessage(ruleLayout, message).attributes)
    .filter((each) => each.chain === chain);
}

describe("types", () => {
  const v4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }).map((value) => bigIntToAddress(value, IpFamily.v4));
  const v6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map((value) => bigIntToAddress(value, IpFamily.v6));
  const port = fc.integer({ min: 0, max: 0xffff });
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  const name = fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/);

  test.for<[string, NftDataType<unknown>, fc.Arbitrary<unknown>]>([
    ["ipv4_addr", ipv4Address, v4],
    ["ipv6_addr", ipv6Address, v6],
    ["inet_service", inetService, port],
    ["mark", mark, word],
    ["iface_index", interfaceIndex, word],
    ["ifname", interfaceName, name],
    [
      "ipv4_addr . inet_proto . inet_service . mark",
      endpointKey,
      fc.tuple(v4, fc.integer({ min: 0, max: 255 }), port, word),
    ],
    ["ipv6_addr . ifname", concatenation(ipv6Address, interfaceName), fc.tuple(v6, name)],
  ])("%s is read as it was written", ([called, type, values]) => {
    expect(type.name).toBe(called);
    fc.assert(
      fc.property(values, (value) => {
        const bytes = encodeValue(type, value);
        expect(bytes).toHaveLength(type.bytes);
        expect(decodeValue(type, bytes)).toEqual(value);
        expect(() => decodeValue(type, bytes.subarray(1))).toThrow(NetlinkDecodeError);
      }),
      { numRuns: 50 },
    );
  });

  test.for<[string, () => unknown]>([
    ["an address of the other family", () => encodeValue(ipv4Address, ipAddress("fd00::1"))],
    ["a port beyond 16 bits", () => encodeValue(inetService, 65_536)],
    ["a name that is too long", () => encodeValue(interfaceName, "a-name-of-16-byt")],
    ["a concatenation of one", () => concatenation(mark)],
    ["a concatenation beyond 64 bytes", () => concatenation(...Array.from({ length: 5 }, () => ipv6Address))],
    ["a set without an id", () => plainSet({ table: "t", name: "s", key: mark, id: 0 })],
  ])("%s is refused", ([, make]) => {
    expect(make).toThrow(NetlinkEncodeError);
  });
});

describe("sets, elements and rules are what nft makes of the same words", () => {
  test("sets and maps", () => {
    const table = "t";
    const pair = concatenation(ipv4Address, inetService);
    const affinityKey = concatenation(ipv4Address, ipv4Address, inetProtocol, inetService);
    const affinity = {
      table,
      name: "aff",
      key: affinityKey,
      data: mark,
      id: 5,
      dynamic: true,
      size: 1_000,
      timeoutMs: 10_800_000n,
    };
    expect(plainSet({ table, name: "s1", key: ipv4Address, id: 1, interval: true })).toEqual(setOfNft("s1"));
    expect(plainSet({ table, name: "s6", key: pair, id: 2, interval: true })).toEqual(setOfNft("s6"));
    expect(verdictMap({ table, name: "sip", key: serviceKey, id: 3 })).toEqual(setOfNft("sip"));
    expect(dataMap({ table, name: "eps", key: endpointKey, data: pair, id: 4 })).toEqual(setOfNft("eps"));
    expect(dataMap(affinity)).toEqual(setOfNft("aff"));
  });

  test("elements", () => {
    const lists = sent
      .filter(({ type }) => type === NftMessage.NEW_ELEMENTS)
      .map((message) => readMessage(elementsLayout, message).attributes);
    const elements = (set: string): unknown => lists.find((list) => list.set === set)?.elements;
    expect(elements("sip")).toEqual([
      {
        key: { value: encodeValue(serviceKey, [ipAddress("10.96.0.1"), 6, 443]) },
        data: rule.verdictData("goto", "lb2"),
      },
    ]);
    const endpoint = concatenation(ipv4Address, inetService);
    expect(elements("eps")).toEqual(
      [0, 1].map((number) => ({
        key: { value: encodeValue(endpointKey, [ipAddress("10.96.0.1"), 6, 443, number]) },
        data: { value: encodeValue(endpoint, [ipAddress(`10.0.0.${number + 1}`), 8080]) },
      })),
    );
  });

  test("rules", () => {
    const { packetField: field } = rule;
    const ipOnly = [rule.meta("nfproto", 1), rule.compare(1, "eq", Uint8Array.of(NftFamily.ip))];
    // nft names a set of the same transaction by its id as well, and says now and then that a bitwise operation is the usual one.
    const plain = (expressions: NftRule["expressions"] = []): unknown =>
      expressions.map((each) => {
        if (each.name !== "lookup" && each.name !== "dynset" && each.name !== "bitwise") return each;
        const data = Object.entries(each.data ?? {}).filter(
          ([name, value]) => name !== "setId" && !(each.name === "bitwise" && name === "operation" && value === 0),
        );
        return { ...each, data: Object.fromEntries(data) };
      });
    expect(plain(rulesOfNft("lb2")[0]?.expressions)).toEqual([
      ...ipOnly,
      rule.payload(field.ipDestination, 1),
      rule.meta("l4proto", 9),
      rule.payload(field.destinationPort, 10),
      rule.meta("mark", 11),
      rule.lookup("eps", 1, { destination: 1 }),
      rule.nat("dnat", "ip", { address: 1, port: 9 }),
    ]);
    const [dispatch, local, marked, sticky] = rulesOfNft("pre").map(({ expressions }) => plain(expressions));
    expect(dispatch).toEqual([
      ...ipOnly,
      rule.payload(field.ipDestination, 1),
      rule.meta("l4proto", 9),
      rule.payload(field.destinationPort, 10),
      rule.lookup("sip", 1, { destination: 0 }),
    ]);
    expect(local).toEqual([
      rule.fib("daddr", "type", 1),
      rule.compare(1, "eq", u32(2)),
      rule.counter,
      rule.verdictOf("accept"),
    ]);
    expect(marked).toEqual([
      rule.ct("state", 1),
      rule.bitwise(1, 1, u32(CtState.new), u32(0)),
      rule.compare(1, "neq", u32(0)),
      rule.meta("mark", 1),
      rule.bitwise(1, 1, u32(0xffff_bfff), u32(0x4000)),
      rule.setMeta("mark", 1),
    ]);
    expect(sticky).toEqual([
      ...ipOnly,
      rule.payload(field.ipSource, 1),
      rule.payload(field.ipDestination, 9),
      rule.meta("l4proto", 10),
      rule.payload(field.destinationPort, 11),
      rule.immediate(2, u32(1)),
      rule.dynamicSet("update", "aff", { key: 1, data: 2, timeoutMs: 10_000n }),
    ]);
    const post = rulesOfNft("post")[0]?.expressions ?? [];
    expect(post.at(-1)).toEqual(rule.masquerade(NatFlag.FULLY_RANDOM));
    const rejects = rulesOfNft("rej").map(({ expressions = [] }) => expressions.at(-1));
    expect(rejects).toEqual([
      rule.rejectWithIcmpx("portUnreachable"),
      rule.rejectWithReset,
      rule.rejectWithIcmpx("adminProhibited"),
    ]);
    expect(rulesOfNft("raw")[0]?.expressions?.[0]).toEqual(rule.notrack);
  });
});
