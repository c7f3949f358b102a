import { execFileSync } from "node:child_process";
import { eventually } from "@fairlead/testkit";
import { type IpAddress, ipAddress } from "@fairlead/types";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  concatenation,
  decodeValue,
  encodeValue,
  inetProtocol,
  inetService,
  interfaceName,
  ipv4Address,
  ipv6Address,
  mark,
} from "../src/nftables/data-types.ts";
import { readCounter, writeCounter } from "../src/nftables/expressions.ts";
import type { NftElement } from "../src/nftables/layouts.ts";
import { type NftEvent, readNftEvent } from "../src/nftables/nftables-client.ts";
import {
  CtState,
  FibAddressType,
  NatFlag,
  NftElementFlag,
  NftFamily,
  nftablesGroup,
} from "../src/nftables/nftables-numbers.ts";
import { NftablesTransaction } from "../src/nftables/nftables-transaction.ts";
import * as rule from "../src/nftables/rule-expressions.ts";
import { dataMap, plainSet, verdictMap } from "../src/nftables/set-description.ts";
import { NetlinkFamily } from "../src/transport.ts";
import { Kernel, whyNoKernel } from "./support/kernel.ts";
import { enterNewNetworkNamespace } from "@fairlead/sockets";

const table = "example";
const tcp = 6;
const serviceKey = concatenation(ipv4Address, inetProtocol, inetService);
const endpointKey = concatenation(ipv4Address, inetProtocol, inetService, mark);
const endpoint = concatenation(ipv4Address, inetService);

const nft = (...args: string[]): string =>
  execFileSync("nft", args, { encoding: "utf8", maxBuffer: 256 * 1024 * 1024, stdio: ["ignore", "pipe", "pipe"] });

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** The address `offset` after the first of 10.`second`.0.0. */
const ipv4 = (second: number, offset: number): IpAddress => ipAddress(`10.${second}.${offset >> 8}.${offset & 0xff}`);

/** Elements as sorted lines, which compare faster than 20,000 objects. */
const textOf = (elements: readonly NftElement[]): string[] =>
  elements
    .map(({ key, data }) => {
      const hex = (bytes: Uint8Array = new Uint8Array()): string => Buffer.from(bytes).toString("hex");
      return `${hex(key?.value)} ${hex(data?.value)} ${data?.verdict?.code} ${data?.verdict?.chain}`;
    })
    .sort();

describe.skipIf(whyNoKernel("nft"))("nf_tables of the kernel", () => {
  const kernel = new Kernel();
  let leave = (): void => undefined;

  beforeAll(() => {
    leave = enterNewNetworkNamespace();
  });

  beforeEach(() => {
    nft("flush", "ruleset");
  });

  afterAll(() => {
    kernel.close();
    leave();
  });

  test("takes maps of 10,000 Services, lists them by nft and by our own reading, and forgets them", async () => {
    const client = kernel.nftables();
    const count = 10_000;
    const services: NftElement[] = [];
    const endpoints: NftElement[] = [];
    for (let index = 0; index < count; index++) {
      const address = ipv4(96, index);
      services.push({
        key: { value: encodeValue(serviceKey, [address, tcp, 80]) },
        data: rule.verdictData("goto", "two"),
      });
      for (const number of [0, 1]) {
        endpoints.push({
          key: { value: encodeValue(endpointKey, [address, tcp, 80, number]) },
          data: { value: encodeValue(endpoint, [ipv4(244, index), 8080 + number]) },
        });
      }
    }
    const add = new NftablesTransaction({ family: "ip" })
      .addTable({ name: table })
      .addChain({ table, name: "two" })
      .addSet(verdictMap({ table, name: "services", key: serviceKey, id: 1 }))
      .addSet(dataMap({ table, name: "endpoints", key: endpointKey, data: endpoint, id: 2 }))
      .addElements({ table, set: "services" }, services)
      .addElements({ table, set: "endpoints" }, endpoints);
    await client.commit(add);

    const listed = nft("list", "ruleset");
    expect(listed.match(/: goto two/g)).toHaveLength(count);
    expect(listed).toContain("10.96.0.7 . tcp . 80 : goto two");
    expect(listed).toContain("10.96.0.7 . tcp . 80 . 0x00000001 : 10.244.0.7 . 8081");

    const read = await client.elements({ family: "ip", table, set: "endpoints" });
    expect(textOf(read)).toEqual(textOf(endpoints));
    expect(textOf(await client.elements({ family: "ip", table, set: "services" }))).toEqual(textOf(services));
    const found = await client.element({
      family: "ip",
      table,
      set: "endpoints",
      key: encodeValue(endpointKey, [ipAddress("10.96.39.15"), tcp, 80, 1]),
    });
    expect(decodeValue(endpoint, found?.data?.value ?? new Uint8Array())).toEqual(["10.244.39.15", 8081]);

    await client.commit(new NftablesTransaction({ family: "ip" }).deleteElements({ table, set: "services" }, services));
    expect(await client.elements({ family: "ip", table, set: "services" })).toEqual([]);
    await client.commit(new NftablesTransaction({ family: "ip" }).deleteTable({ name: table }));
    expect(await client.tables({ family: "ip" })).toEqual([]);
    expect(nft("list", "ruleset")).toBe("");
  });

  test("has sets, maps and chains of every kind that nft prints as they were meant", async () => {
    const client = kernel.nftables();
    const ranges = concatenation(ipv4Address, inetService);
    const transaction = new NftablesTransaction({ family: "inet" })
      .addTable({ name: table })
      .addObject({ table, name: "seen", type: 1, data: writeCounter({ packets: 3n, bytes: 180n }) })
      .addSet(plainSet({ table, name: "addresses", key: ipv6Address, id: 1 }))
      .addElements({ table, set: "addresses" }, [{ key: { value: encodeValue(ipv6Address, ipAddress("fd00::1")) } }])
      .addSet(plainSet({ table, name: "interval", key: ipv4Address, id: 2, interval: true }))
      .addElements({ table, set: "interval" }, [
        { key: { value: encodeValue(ipv4Address, ipAddress("10.0.0.0")) } },
        { key: { value: encodeValue(ipv4Address, ipAddress("11.0.0.0")) }, flags: NftElementFlag.INTERVAL_END },
      ])
      .addSet(plainSet({ table, name: "ranges", key: ranges, id: 3, interval: true }))
      .addElements({ table, set: "ranges" }, [
        {
          key: { value: encodeValue(ranges, [ipAddress("10.0.0.0"), 80]) },
          keyEnd: { value: encodeValue(ranges, [ipAddress("10.0.0.255"), 90]) },
        },
      ])
      .addSet(plainSet({ table, name: "interfaces", key: interfaceName, id: 4 }))
      .addElements({ table, set: "interfaces" }, [{ key: { value: encodeValue(interfaceName, "eth0") } }])
      .addSet(
        dataMap({
          table,
          name: "marks",
          key: inetService,
          data: mark,
          id: 5,
          timeoutMs: 60_000n,
          dynamic: true,
          size: 100,
        }),
      )
      .addElements({ table, set: "marks" }, [
        {
          key: { value: encodeValue(inetService, 53) },
          data: { value: encodeValue(mark, 0x4000) },
          timeout: 3_600_000n,
        },
      ])
      .addSet(verdictMap({ table, name: "verdicts", key: inetProtocol, id: 6 }))
      .addChain({ table, name: "somewhere" })
      .addElements({ table, set: "verdicts" }, [
        { key: { value: encodeValue(inetProtocol, 6) }, data: rule.verdictData("jump", "somewhere") },
      ])
      .addChain({ table, name: "base", type: "filter", hook: { number: 1, priority: -10 }, policy: 0 });
    await client.commit(transaction);
    expect(nft("list", "ruleset").replaceAll(/ expires \S+/g, "")).toBe(`table inet example {
	counter seen {
		packets 3 bytes 180
	}

	set addresses {
		type ipv6_addr
		elements = { fd00::1 }
	}

	set interval {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/8 }
	}

	set ranges {
		type ipv4_addr . inet_service
		flags interval
		elements = { 10.0.0.0/24 . 80-90 }
	}

	set interfaces {
		type ifname
		elements = { "eth0" }
	}

	map marks {
		type inet_service : mark
		size 100
		flags dynamic,timeout
		timeout 1m
		elements = { 53 timeout 1h : 0x00004000 }
	}

	map verdicts {
		type inet_proto : verdict
		elements = { tcp : jump somewhere }
	}

	chain somewhere {
	}

	chain base {
		type filter hook input priority filter - 10; policy drop;
	}
}
`);
    const [seen] = await client.objects({ family: "inet", table });
    expect(readCounter(seen?.data ?? new Uint8Array())).toEqual({ packets: 3n, bytes: 180n });
    const chains = await client.chains({ family: "inet", table });
    expect(chains.map(({ name, policy }) => [name, policy])).toEqual([
      ["somewhere", undefined],
      ["base", 0],
    ]);
    const sets = await client.sets({ family: "inet", table });
    expect(sets.map(({ name }) => name)).toEqual([
      "addresses",
      "interval",
      "ranges",
      "interfaces",
      "marks",
      "verdicts",
    ]);
  });

  test("has rules of every expression that nft prints as they were meant", async () => {
    const client = kernel.nftables();
    const affinity = concatenation(ipv4Address, ipv4Address);
    const { packetField: field } = rule;
    const address = [rule.meta("nfproto", 1), rule.compare(1, "eq", new Uint8Array([NftFamily.ip]))];
    const program = (...expressions: Parameters<NftablesTransaction["addRule"]>[0]["expressions"] & object) =>
      expressions;
    const rules = [
      program(rule.meta("l4proto", 8), rule.lookup("verdicts", 8, { destination: 0 })),
      program(
        rule.fib("daddr", "type", 1),
        rule.compare(1, "eq", u32(FibAddressType.local)),
        rule.counter,
        rule.verdictOf("accept"),
      ),
      program(
        rule.ct("state", 1),
        rule.bitwise(1, 1, u32(CtState.new), u32(0)),
        rule.compare(1, "neq", u32(0)),
        rule.meta("mark", 1),
        rule.bitwise(1, 1, u32(0xffff_bfff), u32(0x4000)),
        rule.setMeta("mark", 1),
      ),
      program(
        ...address,
        rule.payload(field.ipSource, 8),
        rule.payload(field.ipDestination, 9),
        rule.immediate(12, u32(1)),
        rule.dynamicSet("update", "affinity", { key: 8, data: 12, timeoutMs: 10_000n }),
      ),
      program(rule.limit(10n, 1n, 5), rule.namedCounter("seen"), rule.verdictOf("drop")),
      program(
        rule.meta("l4proto", 1),
        rule.compare(1, "eq", new Uint8Array([tcp])),
        rule.payload(field.destinationPort, 1),
        rule.compare(1, "gte", new Uint8Array([0, 80])),
        rule.immediate(1, new Uint8Array([0x1f, 0x90])),
        rule.redirect(1),
      ),
      program(rule.numgen("random", 3, 8), rule.compare(8, "eq", u32(2)), rule.verdictOf("jump", "somewhere")),
      program(
        ...address,
        rule.payload(field.ipSource, 8),
        rule.jhash(8, 4, { modulus: 8, seed: 7, destination: 1, offset: 100 }),
        rule.setMeta("mark", 1),
      ),
      program(rule.symhash(2, 1), rule.setMeta("mark", 1)),
      program(
        ...address,
        rule.immediate(1, encodeValue(ipv4Address, ipAddress("10.0.0.9"))),
        rule.immediate(2, new Uint8Array([0, 80])),
        rule.nat("dnat", "ip", { address: 1, port: 2, flags: NatFlag.PORT_SPECIFIED }),
      ),
    ];
    const transaction = new NftablesTransaction({ family: "inet" })
      .addTable({ name: table })
      .addObject({ table, name: "seen", type: 1, data: writeCounter({ packets: 0n, bytes: 0n }) })
      .addChain({ table, name: "somewhere" })
      .addSet(verdictMap({ table, name: "verdicts", key: inetProtocol, id: 1 }))
      .addSet(
        dataMap({ table, name: "affinity", key: affinity, data: mark, id: 2, dynamic: true, timeoutMs: 0n, size: 10 }),
      )
      .addChain({ table, name: "pre", type: "nat", hook: { number: 0, priority: -100 } })
      .addChain({ table, name: "post", type: "nat", hook: { number: 4, priority: 100 } })
      .addChain({ table, name: "raw", type: "filter", hook: { number: 0, priority: -300 } })
      .addChain({ table, name: "input", type: "filter", hook: { number: 1, priority: 0 } });
    for (const expressions of rules) transaction.addRule({ table, chain: "pre", expressions });
    transaction
      .addRule({ table, chain: "post", expressions: [rule.masquerade(NatFlag.FULLY_RANDOM)] })
      .addRule({ table, chain: "raw", expressions: [rule.notrack] })
      .addRule({ table, chain: "input", expressions: [rule.rejectWithIcmpx("portUnreachable")] })
      .addRule({
        table,
        chain: "input",
        expressions: [rule.meta("l4proto", 1), rule.compare(1, "eq", new Uint8Array([tcp])), rule.rejectWithReset],
      });
    await client.commit(transaction);
    const lines = nft("list", "table", "inet", table)
      .split("\n")
      .map((line) => line.trim())
      .filter(
        (line) => line !== "" && line !== "}" && !/^(?:table|chain|map|counter|type|size|flags|packets) /.test(line),
      );
    expect(lines).toEqual([
      "meta l4proto vmap @verdicts",
      "fib daddr type local counter packets 0 bytes 0 accept",
      "ct state new meta mark set meta mark | 0x00004000",
      "update @affinity { ip saddr . ip daddr timeout 10s : 0x00000001 }",
      'limit rate 10/second counter name "seen" drop',
      "tcp dport >= 80 redirect to :8080",
      "numgen random mod 3 2 jump somewhere",
      "meta mark set jhash ip saddr mod 8 seed 0x7 offset 100",
      "meta mark set symhash mod 2",
      "meta nfproto ipv4 dnat ip to 10.0.0.9:80",
      "masquerade fully-random",
      "notrack",
      "reject",
      "meta l4proto tcp reject with tcp reset",
    ]);
    const read = await client.rules({ family: "inet", table, chain: "pre" });
    expect(read.map(({ expressions = [] }) => expressions.map(({ name }) => name))).toEqual(
      rules.map((expressions) => expressions.map(({ name }) => name)),
    );
    const [first] = read;
    await client.commit(
      new NftablesTransaction({ family: "inet" }).deleteRule({ table, chain: "pre", handle: first?.handle ?? 0n }),
    );
    expect(await client.rules({ family: "inet", table, chain: "pre" })).toHaveLength(rules.length - 1);
  });

  test("refuses a whole transaction, and says for each message what and where", async () => {
    const client = kernel.nftables();
    const transaction = new NftablesTransaction({ family: "ip" })
      .addTable({ name: table })
      .addChain({ table, name: "chain" })
      .addRule({ table, chain: "chain", expressions: [rule.counter, rule.lookup("missing", 8)] })
      .addRule({ table, chain: "chain", expressions: [rule.payload([1, 16, 4], 99)] })
      .addChain({ table: "elsewhere", name: "chain" });
    await expect(client.commit(transaction)).rejects.toMatchObject({
      code: "ENOENT",
      refusals: [
        // Message 0 is the batch's begin. Attribute 4 has the expressions, 1 is one of them.
        { index: 3, code: "ENOENT", path: [4, 1] },
        { index: 4, code: expect.stringMatching(/ERANGE|EINVAL/) },
        { index: 5, code: "ENOENT", path: [1] },
      ],
    });
    expect(await client.tables({ family: "ip" })).toEqual([]);
    const long = new NftablesTransaction({ family: "ip" }).addTable({ name: "x".repeat(300) });
    await expect(client.commit(long)).rejects.toMatchObject({
      refusals: [{ index: 1, path: [1], message: expect.stringContaining("Attribute") }],
    });
  });

  test("refuses by generation when somebody else changed something, and else counts on", async () => {
    const client = kernel.nftables();
    const { id } = await client.generation();
    nft("add", "table", "ip", "foreign");
    const transaction = new NftablesTransaction({ family: "ip" }).addTable({ name: table });
    await expect(client.commit(transaction, { generation: id })).rejects.toMatchObject({ errno: 85 });
    const now = await client.generation();
    expect(now.id).toBe(id + 1);
    await client.commit(transaction, { generation: now.id });
    expect((await client.generation()).id).toBe(id + 2);
    await expect(
      client.commit(new NftablesTransaction({ family: "ip" }).addTable({ name: table }, { exclusive: true })),
    ).rejects.toMatchObject({ code: "EEXIST" });
  });

  test("tells a monitor of somebody else's change, element by element, and of the generation at its end", async () => {
    nft("add table ip t; add set ip t s { type ipv4_addr; }");
    const events: NftEvent[] = [];
    kernel.monitor({ family: NetlinkFamily.NETFILTER, groups: [nftablesGroup] }, (message) => {
      const event = readNftEvent(message);
      if (event !== undefined) events.push(event);
    });
    nft(
      "add element ip t s { 10.0.0.1 }; add chain ip t c; add rule ip t c accept; delete element ip t s { 10.0.0.1 }",
    );
    await eventually(() => {
      expect(events.map((event) => ("deleted" in event ? `${event.kind} ${event.deleted}` : event.kind))).toEqual([
        "elements false",
        "chain false",
        "rule false",
        "elements true",
        "generation",
      ]);
    });
    const [first] = events;
    expect(first).toMatchObject({
      kind: "elements",
      table: "t",
      set: "s",
      elements: [{ key: { value: { 0: 10, 3: 1 } } }],
    });
    expect(events.at(-1)).toMatchObject({ generation: { processName: "nft" } });
  });

  test("tells a monitor that cannot keep up to look at everything anew", async () => {
    const client = kernel.nftables();
    let heard = 0;
    const { resyncs, errors } = kernel.monitor(
      { family: NetlinkFamily.NETFILTER, groups: [nftablesGroup], receiveBytes: 8_192 },
      () => {
        heard += 1;
      },
    );
    const transaction = new NftablesTransaction({ family: "ip" }).addTable({ name: table });
    for (let index = 0; index < 200; index++) transaction.addChain({ table, name: `chain${index}` });
    await client.commit(transaction);
    await eventually(() => expect(resyncs).toContain("events were lost for want of room"));
    const before = heard;
    await client.commit(new NftablesTransaction({ family: "ip" }).addTable({ name: "later" }));
    await eventually(() => expect(heard).toBeGreaterThan(before));
    expect(errors).toEqual([]);
  });
});
