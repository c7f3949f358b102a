/** The ipvs plane's own small table, in nf_tables of this machine's kernel; IPVS is not needed for it. */
import { systemClock } from "@fairlead/host";
import { Conversation, NetlinkFamily, NftablesClient, openKernelTransport } from "@fairlead/netlink";
import { needs } from "@fairlead/testkit";
import { cidr, ipAddress, type NodeName } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { IpvsPlan } from "../src/ipvs/ipvs-plan.ts";
import { PacketTables } from "../src/ipvs/packet-tables.ts";
import { placeAt } from "../src/ipvs/place.ts";
import type { LocalTraffic } from "../src/kernel/kernel-plane-options.ts";
import type { ServicePortEntry } from "../src/plan/entry.ts";
import { endpointAt, entryOf, frontendAt } from "../src/testing.ts";
import { KernelRoom } from "./support/kernel-room.ts";

const here = "node-1" as NodeName;
const address = ipAddress("10.96.0.1");
const place = placeAt("TCP", address, 80 as never);
const table = "fairlead-ipvs";

describe.skipIf(needs("root", "nft"))("the ipvs plane's table", () => {
  let room: KernelRoom;
  let conversation: Conversation;
  let client: NftablesClient;

  beforeEach(() => {
    room = new KernelRoom();
    const transport = openKernelTransport({ family: NetlinkFamily.NETFILTER });
    conversation = new Conversation({ transport, clock: systemClock });
    client = new NftablesClient({ conversation });
  });

  afterEach(() => {
    conversation.close();
    room[Symbol.dispose]();
  });

  const tables = (localTraffic: LocalTraffic = { kind: "ranges", ranges: [] }, masqueradeAll = false): PacketTables =>
    new PacketTables(client, { node: here, localTraffic, masqueradeAll, masqueradeBit: 14 });
  const web = (more: Partial<Parameters<typeof entryOf>[0]> = {}): ServicePortEntry =>
    entryOf({
      name: "web",
      frontends: [frontendAt({ address, port: 80 })],
      endpoints: [endpointAt({ address: "10.244.1.1", port: 8080 })],
      ...more,
    });
  const put = (into: PacketTables, ...entries: readonly ServicePortEntry[]): void => {
    const plan = new IpvsPlan({ node: here, scheduler: undefined, isExcluded: () => false });
    plan.change([], entries);
    for (const entry of entries) into.putEntry(entry, plan.placed(entry.key));
  };
  const take = async (into: PacketTables): Promise<number> =>
    (await into.compare("before")) + (await into.compare("after"));
  /** What nft prints, whichever family's table it prints first. */
  const listed = (): string =>
    room
      .ruleset()
      .split(/^(?=table )/m)
      .toSorted()
      .join("")
      .replaceAll(/\s+/g, " ");

  it.each<{ readonly name: string; readonly localTraffic: LocalTraffic; readonly line: string | undefined }>([
    { name: "nothing known", localTraffic: { kind: "none" }, line: undefined },
    { name: "ranges", localTraffic: { kind: "ranges", ranges: [] }, line: "ip saddr != @pods" },
    { name: "ranges of the node", localTraffic: { kind: "node-ranges" }, line: "ip saddr != @pods" },
    { name: "an interface", localTraffic: { kind: "interface", name: "cni0" }, line: 'iifname != "cni0"' },
    { name: "interfaces", localTraffic: { kind: "interface-prefix", prefix: "veth" }, line: 'iifname != "veth*"' },
  ])(
    "is such as nft lists it, and takes itself for the same when it reads it: $name",
    async ({ localTraffic, line }) => {
      const own = tables(localTraffic);
      own.putPods([cidr("10.244.0.0/16"), cidr("fd00:244::/32")]);
      const ranges = [cidr("192.0.2.0/24"), cidr("192.0.2.7/32"), cidr("198.51.100.0/24")];
      const frontends = [
        frontendAt({ address, port: 80 }),
        frontendAt(
          { address: "10.200.0.1", port: 80 },
          { kind: "LoadBalancer", policy: "Local", sourceRanges: ranges },
        ),
        frontendAt({ address: "10.100.0.1", port: 30_080 }, { kind: "NodePort" }),
      ];
      const v6 = web({
        name: "six",
        frontends: [frontendAt({ address: "fd00:96::1", port: 53 })],
        endpoints: [],
        protocol: "UDP",
      });
      put(own, web({ frontends }), v6);
      own.notePlace(place, true);
      own.noteAddress(address, true);
      own.noteInterface("fairlead-ipvs");
      expect(await take(own)).toBeGreaterThan(0);
      if (line === undefined) expect(listed()).not.toContain("not from a pod");
      else expect(listed()).toContain(line);
      expect(listed()).toContain("10.200.0.1 . tcp . 80 : 10.96.0.1 . 80");
      expect(await take(own)).toBe(0);
      const next = tables(localTraffic);
      expect(await next.noted()).toMatchObject({
        places: new Set([place]),
        addresses: new Set([address]),
        interfaces: new Set(["fairlead-ipvs"]),
        isThere: true,
      });
    },
  );

  it("admits after IPVS is changed, and denies before", async () => {
    const own = tables();
    put(own, web());
    await own.compare("before");
    expect(listed()).toMatch(/set internal \{[^}]* elements = /);
    expect(listed()).not.toMatch(/set open \{[^}]* elements = /);
    await own.commit("after");
    expect(listed()).toMatch(/set open \{[^}]* elements = /);
    // Its endpoint goes: refused first.
    put(own, web({ endpoints: [] }));
    await own.commit("before");
    expect(listed()).toMatch(/set no-endpoints \{[^}]* elements = /);
    await own.commit("after");
    put(own, web());
    await own.commit("before");
    expect(listed()).toMatch(/set no-endpoints \{[^}]* elements = /);
    await own.commit("after");
    expect(listed()).not.toMatch(/set no-endpoints \{[^}]* elements = /);
  });

  it("writes nothing where only endpoints of other nodes change", async () => {
    const own = tables();
    const remote = (last: number) => ({
      ...endpointAt({ address: `10.244.2.${last}`, port: 8080 }),
      node: "node-2" as NodeName,
    });
    put(own, web({ endpoints: [remote(1)] }));
    await take(own);
    const { id } = await client.generation();
    put(own, web({ endpoints: [remote(2), remote(3)] }));
    await own.commit("before");
    await own.commit("after");
    expect((await client.generation()).id).toBe(id);
  });

  it("takes other source ranges in one step, also such as lie within former ones", async () => {
    const own = tables();
    const guarded = (...ranges: readonly string[]): ServicePortEntry =>
      web({
        frontends: [
          frontendAt({ address, port: 80 }, { kind: "LoadBalancer", sourceRanges: ranges.map((range) => cidr(range)) }),
        ],
      });
    for (const ranges of [
      ["10.0.0.0/8"],
      ["10.1.0.0/16", "10.2.0.0/16"],
      ["10.1.2.0/24", "0.0.0.0/1"],
      ["10.0.0.0/8"],
    ]) {
      put(own, guarded(...ranges));
      await take(own);
    }
    expect(listed()).toContain("10.0.0.0/8");
    expect(await take(own)).toBe(0);
  });

  const damages = [
    ["a deleted element", `delete element ip ${table} open { 10.96.0.1 . tcp . 80 }`],
    ["an element too many", `add element ip ${table} no-endpoints { 10.96.0.1 . tcp . 80 }`],
    ["a flushed set", `flush set ip ${table} internal`],
    ["a flushed chain", `flush chain ip ${table} deny`],
    ["a rule too many", `add rule ip ${table} filter-input drop`],
    ["a chain too many", `add chain ip ${table} mine`],
    ["a deleted table", `delete table ip ${table}`],
  ] as const;

  it.each(damages)("is put right where somebody has changed it: %s", async (_, command) => {
    const own = tables();
    put(own, web());
    await take(own);
    const before = listed();
    room.nft(command);
    expect(await take(own)).toBeGreaterThan(0);
    expect(listed()).toBe(before);
  });

  it("is put right by the next change where that meets what somebody has changed", async () => {
    const own = tables();
    put(own, web());
    await take(own);
    room.nft(`delete element ip ${table} open { 10.96.0.1 . tcp . 80 }`);
    put(own, web({ frontends: [frontendAt({ address, port: 81 })] }));
    await own.commit("before");
    await own.commit("after");
    expect(listed()).toMatch(/set open \{[^}]* elements = \{ 10\.96\.0\.1 \. tcp \. 81 \}/);
  });

  it("goes on admitting while it is made anew", async () => {
    const own = tables();
    put(own, web());
    await take(own);
    room.nft(`flush chain ip ${table} deny`);
    await own.compare("before");
    expect(listed()).toMatch(/set open \{[^}]* elements = /);
  });

  it("keeps only the note of what is ours, and the translation of open connections, once it has retired", async () => {
    const own = tables();
    put(own, web());
    own.notePlace(place, true);
    await take(own);
    own.retire();
    await take(own);
    expect(listed()).toMatch(/set virtual-services \{[^}]* elements = /);
    expect(listed()).not.toMatch(/set open \{[^}]* elements = /);
    expect(listed()).toContain("chain nat-postrouting");
    expect(listed()).not.toContain("masquerade");
    await own.delete();
    expect(listed()).toBe("");
  });
});
