import { readlinkSync } from "node:fs";
import { needs } from "@fairlead/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Lab, labPlan, LabConnection, type LabHost, openLab, outcomeText } from "../src/index.ts";

const families = ["IPv4", "IPv6"] as const;
const protocols = ["TCP", "UDP"] as const;
const each = families.flatMap((family) => protocols.map((protocol) => ({ family, protocol })));

describe.skipIf(needs("root", "nft"))("a lab", () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await openLab();
    for (const protocol of protocols) {
      for (const name of ["a", "d"]) await lab.pod(name).serve({ port: 8_080, protocol });
      const addresses = families.map((family) => labPlan.node(1)[family]);
      await lab.node(1).serve({ port: 8_080, protocol, addresses });
    }
  });

  afterAll(() => lab.close());

  const everybody = (): LabHost[] => [
    lab.pod("a"),
    lab.pod("b"),
    lab.node(1),
    lab.pod("e"),
    lab.node(2),
    lab.outsider(),
  ];

  const asked = async (at: { address: string; port: number }, protocol: "TCP" | "UDP"): Promise<string[]> =>
    Promise.all(everybody().map(async (host) => `${host.name}: ${outcomeText(await host.ask(at, protocol))}`));

  it.each(each)("joins pods, nodes and clients outside by $family $protocol", async ({ family, protocol }) => {
    const of = (host: LabHost): string => host.addresses[family];
    const [a, b, node1, e, node2, outside] = everybody() as [LabHost, LabHost, LabHost, LabHost, LabHost, LabHost];
    const gateway = (node: number): string => labPlan.podGateway(node)[family];
    expect(await asked({ address: of(a), port: 8_080 }, protocol)).toEqual([
      `a: a sees ${of(a)}`,
      `b: a sees ${of(b)}`,
      `node-1: a sees ${gateway(1)}`,
      `e: a sees ${of(e)}`,
      `node-2: a sees ${of(node2)}`,
      `outside-1: a sees ${of(outside)}`,
    ]);
    expect(await asked({ address: of(lab.pod("d")), port: 8_080 }, protocol)).toEqual([
      `a: d sees ${of(a)}`,
      `b: d sees ${of(b)}`,
      `node-1: d sees ${of(node1)}`,
      `e: d sees ${of(e)}`,
      `node-2: d sees ${gateway(2)}`,
      `outside-1: d sees ${of(outside)}`,
    ]);
    expect(await asked({ address: of(node1), port: 8_080 }, protocol)).toEqual(
      everybody().map((host) => `${host.name}: node-1 sees ${of(host)}`),
    );
  });

  it("tells a closed port from silence", async () => {
    const ways = each.map(async ({ family, protocol }) => {
      const closed = { address: lab.pod("b").addresses[family], port: 9 };
      const nobodys = { address: labPlan.service(1)[family], port: 80 };
      return Promise.all([asked(closed, protocol), asked(nobodys, protocol)]);
    });
    for (const way of await Promise.all(ways)) {
      expect(way).toEqual([
        everybody().map(({ name }) => `${name}: refused`),
        everybody().map(({ name }) => `${name}: dropped`),
      ]);
    }
  });

  // Written by hand, after what kube-proxy's rules for one Service come to.
  const ruleset = (family: "ip" | "ip6", place: "IPv4" | "IPv6"): string => `
    table ${family} by-hand {
      chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
      chain nat-output { type nat hook output priority -100; jump services; }
      chain services {
        ${family} daddr ${labPlan.service(1)[place]} meta l4proto { tcp, udp } th dport 80 jump service
      }
      chain service {
        ${family} saddr != ${labPlan.ranges[place].pods} meta mark set meta mark | 0x4000
        meta l4proto { tcp, udp } dnat to ${place === "IPv4" ? lab.pod("d").addresses[place] : `[${lab.pod("d").addresses[place]}]`}:8080
      }
      chain nat-postrouting {
        type nat hook postrouting priority srcnat; meta mark & 0x4000 != 0 masquerade fully-random
      }
      chain filter-forward { type filter hook forward priority -110; jump endpointless; }
      chain filter-output { type filter hook output priority -90; jump endpointless; }
      chain endpointless {
        ${family} daddr ${labPlan.service(2)[place]} reject
        ${family} daddr ${labPlan.service(3)[place]} drop
      }
    }`;

  it("asks rules written by hand what they do, and tells reject and drop apart", async () => {
    const text = ruleset("ip", "IPv4") + ruleset("ip6", "IPv6");
    expect(await lab.node(1).execute("nft", ["-f", "-"], text)).toEqual({ code: 0, stdout: "", stderr: "" });
    const clients = [lab.pod("a"), lab.pod("b"), lab.node(1), lab.outsider()];
    const ways = each.map(async ({ family, protocol }) => {
      const outcomes = (n: number): Promise<string[]> => {
        const at = { address: labPlan.service(n)[family], port: 80 };
        return Promise.all(clients.map(async (host) => outcomeText(await host.ask(at, protocol))));
      };
      return { family, answers: await Promise.all([outcomes(1), outcomes(2), outcomes(3)]) };
    });
    for (const { family, answers } of await Promise.all(ways)) {
      const [a, b, node1] = clients.map(({ addresses }) => addresses[family]);
      expect(answers).toEqual([
        [`d sees ${a}`, `d sees ${b}`, `d sees ${node1}`, `d sees ${node1}`],
        clients.map(() => "refused"),
        clients.map(() => "dropped"),
      ]);
    }
    const listed = await lab.node(1).execute("nft", ["list", "tables"]);
    expect(listed.stdout).toBe("table ip by-hand\ntable ip6 by-hand\n");
    expect((await lab.node(2).execute("nft", ["list", "tables"])).stdout).toBe("");
  });

  it("leads what is for Services to the node that it is told, and back", async () => {
    await lab.routeServicesBy(2);
    const at = { address: labPlan.service(1).IPv4, port: 80 };
    expect(outcomeText(await lab.outsider().ask(at))).toBe("dropped");
    await lab.routeServicesBy(1);
    expect(outcomeText(await lab.outsider().ask(at))).toContain("d sees");
  });

  it("has connections that stay open, and datagrams from one port", async () => {
    const at = { address: lab.pod("a").addresses.IPv6, port: 8_080 };
    const connection = await lab.outsider(2).open(at);
    if (!(connection instanceof LabConnection)) throw new Error(outcomeText(connection));
    expect([connection.by, connection.source]).toEqual(["a", labPlan.outsider(2).IPv6]);
    expect([await connection.say("one"), await connection.say("two")]).toEqual(["one", "two"]);
    expect(connection.isOpen).toBe(true);
    connection.close();
    const datagrams = await lab.outsider(2).datagrams(at);
    const outcomes = [await datagrams.ask(), await datagrams.ask()];
    expect(outcomes.map(outcomeText)).toEqual(Array(2).fill(`a sees ${labPlan.outsider(2).IPv6}`));
    datagrams.close();
  });

  it("stops a server, whose connections break off and whose port can be had again", async () => {
    const pod = lab.pod("f");
    const at = { address: pod.addresses.IPv4, port: 8_081 };
    const server = await pod.serve({ port: 8_081, name: "first" });
    const connection = await lab.outsider().open(at);
    await server.close();
    expect(connection).toMatchObject({ by: "first" });
    await expect((connection as LabConnection).say("still there?")).rejects.toMatchObject({ code: "LAB_STREAM_ENDED" });
    expect(outcomeText(await lab.outsider().ask(at))).toBe("refused");
    await using second = await pod.serve({ port: 8_081, name: "second" });
    expect(outcomeText(await lab.outsider().ask(at))).toBe(`second sees ${labPlan.outsider(1).IPv4}`);
    expect(second.seen).toEqual([labPlan.outsider(1).IPv4]);
    await expect(pod.serve({ port: 8_081 })).rejects.toMatchObject({ code: "EADDRINUSE" });
  });

  it("leaves this thread where it is, and leads out of nowhere", async () => {
    const here = readlinkSync("/proc/thread-self/ns/net");
    expect(lab.node(1).namespace.run(() => readlinkSync("/proc/thread-self/ns/net"))).not.toBe(here);
    const small = await openLab({ nodes: 1, podsPerNode: 1, outsiders: 0 });
    const links = await small.node(1).routes.links();
    expect(links.map(({ name }) => name)).toEqual(["lo", "eth0", "pod-a"]);
    await small.close();
    expect(() => small.node(1).namespace.run(() => undefined)).toThrow("EBADF");
  });
});
