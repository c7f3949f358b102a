/** Where connections go under each of the kernel's schedulers, counted by real connections. Runs in the kernel guest. */
import { once } from "node:events";
import { type Lab, LabConnection, type LabHost, labPlan, openLab } from "@fairlead/netlab";
import { eventually, needs } from "@fairlead/testkit";
import { ipAddress, type SchedulerName } from "@fairlead/types";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { IpvsPlane } from "../src/ipvs/ipvs-plane.ts";
import type { ServicePortEntry } from "../src/plan/entry.ts";
import { adding, updating } from "../src/testing.ts";
import { endpointsIn, planeIn, serveIn, webOf } from "./support/ipvs-lab.ts";

/** Sources that hashing is tried with. */
const sources = 24;

const missing = needs("root", "ip_vs");

describe.skipIf(missing)("schedulers of the kernel", () => {
  let lab: Lab;
  let plane: IpvsPlane;
  let client: LabHost;
  let number = 0;
  let address: string;
  const held: LabConnection[] = [];

  beforeAll(async () => {
    lab = await openLab({ nodes: 1, podsPerNode: 4, outsiders: 1 });
    client = lab.outsider();
    const index = (await client.routes.link("eth0"))?.index ?? 0;
    await client.routes.changeAddresses(
      Array.from({ length: sources }, (_, one) => {
        return { kind: "add", address: { index, address: ipAddress(sourceAt(one)), prefix: 32 } } as const;
      }),
    );
    await serveIn(lab, ["a", "b", "c", "d"]);
    plane = planeIn(lab);
    await plane.start();
  });

  beforeEach(() => {
    number += 1;
    address = labPlan.service(number).IPv4;
    for (const connection of held.splice(0)) connection.close();
  });

  afterAll(async () => {
    await plane?.stop();
    await lab?.close();
  });

  const sourceAt = (one: number): string => `192.0.2.${100 + one}`;
  const apply = async (
    scheduler: SchedulerName,
    weights: Readonly<Record<string, number>>,
    addresses = [address],
  ): Promise<ServicePortEntry> => {
    const entry = webOf(addresses, endpointsIn(lab, weights), { name: `web-${number}`, scheduler });
    await plane.apply(adding(entry));
    return entry;
  };
  /** Who answers, one connection after the other. */
  const answers = async (times: number, at = address): Promise<readonly string[]> => {
    const said: string[] = [];
    for (let time = 0; time < times; time++) said.push(by(await client.ask({ address: at, port: 80 })));
    return said;
  };
  /** Opens connections that stay, and tells who has them. */
  const hold = async (times: number): Promise<readonly string[]> => {
    const said: string[] = [];
    for (let time = 0; time < times; time++) {
      const connection = await client.open({ address, port: 80 });
      if (!(connection instanceof LabConnection)) throw new Error(`the connection was ${connection.kind}`);
      held.push(connection);
      said.push(connection.by);
    }
    return said;
  };
  /** Who answers each source. */
  const bySource = async (): Promise<readonly string[]> => {
    const said: string[] = [];
    for (let one = 0; one < sources; one++) said.push(await askFrom(client, sourceAt(one), address));
    return said;
  };

  it("rr: each in its turn, whatever the weights", async () => {
    await apply("rr", { a: 1, b: 5, c: 1 });
    const said = await answers(9);
    expect(countsOf(said)).toEqual({ a: 3, b: 3, c: 3 });
    expect(said.slice(3)).toEqual(said.slice(0, 6));
  });

  it("wrr: by weight exactly, within each round", async () => {
    await apply("wrr", { a: 3, b: 2, c: 1 });
    expect(countsOf(await answers(6))).toEqual({ a: 3, b: 2, c: 1 });
    expect(countsOf(await answers(6))).toEqual({ a: 3, b: 2, c: 1 });
  });

  it("lc: to whom holds the fewest connections", async () => {
    await apply("lc", { a: 1, b: 3, c: 1 });
    expect(countsOf(await hold(6))).toEqual({ a: 2, b: 2, c: 2 });
    for (const connection of held) if (connection.by === "b") connection.close();
    // The kernel looks at what has ended as well, a little.
    await eventually(async () => expect(await activeAt(lab, address)).toMatchObject({ b: 0 }));
    expect(countsOf(await hold(2))).toEqual({ b: 2 });
  });

  it("wlc: by connections for each unit of weight", async () => {
    await apply("wlc", { a: 3, b: 1 });
    expect(countsOf(await hold(8))).toEqual({ a: 6, b: 2 });
  });

  it("sed: to whom the next connection would be the smallest share for, however idle others are", async () => {
    await apply("sed", { a: 4, b: 1 });
    expect(await hold(3)).toEqual(["a", "a", "a"]);
    expect(countsOf(await hold(7))).toEqual({ a: 5, b: 2 });
  });

  it("nq: to who is idle first, and then as sed", async () => {
    await apply("nq", { a: 4, b: 1 });
    expect(countsOf(await hold(2))).toEqual({ a: 1, b: 1 });
    expect(countsOf(await hold(3))).toEqual({ a: 3 });
  });

  it("sh: a client's address always leads to the same server, and all servers have clients", async () => {
    await apply("sh", { a: 1, b: 1, c: 1 });
    const first = await bySource();
    expect(await bySource()).toEqual(first);
    expect(new Set(first)).toEqual(new Set(["a", "b", "c"]));
  });

  it("sh: clients of a server that gets no new connections go to another one, and nobody is refused", async () => {
    const before = await apply("sh", { a: 1, b: 1, c: 1 });
    const first = await bySource();
    const after = webOf([address], endpointsIn(lab, { a: 0, b: 1, c: 1 }), { name: `web-${number}`, scheduler: "sh" });
    await plane.apply(updating(before, after));
    expect(new Set(await bySource())).toEqual(new Set(["b", "c"]));
    expect(first).toContain("a");
  });

  it("dh: an address that is asked for always leads to the same server, and all servers have addresses", async () => {
    const addresses = Array.from({ length: 16 }, (_, one) => labPlan.service(1_000 + one).IPv4);
    await apply("dh", { a: 1, b: 1, c: 1 }, addresses);
    const servers = new Set<string>();
    for (const at of addresses) {
      const said = new Set(await answers(2, at));
      expect(said.size).toBe(1);
      for (const one of said) servers.add(one);
    }
    expect(servers).toEqual(new Set(["a", "b", "c"]));
  });

  it("dh: while the address's server is drained another one has it, and nobody is refused", async () => {
    const before = await apply("dh", { a: 1, b: 1, c: 1 });
    const [own] = await hold(1);
    const others = ["a", "b", "c"].filter((pod) => pod !== own);
    const after = webOf([address], endpointsIn(lab, others), { name: `web-${number}`, scheduler: "dh" });
    await plane.apply(updating(before, after));
    const said = await answers(4);
    expect(new Set(said).size).toBe(1);
    expect(others).toContain(said[0]);
    expect(await held[0]?.say("still there")).toBe("still there");
  });

  it("a persistent client stays with its server, whatever the scheduler", async () => {
    const entry = webOf([address], endpointsIn(lab, ["a", "b", "c"]), {
      name: `web-${number}`,
      scheduler: "rr",
      affinityMs: 600_000,
    });
    await plane.apply(adding(entry));
    const said = await answers(5);
    expect(new Set(said).size).toBe(1);
    // Its server leaves the list: the client goes to another one, though the kernel remembers it.
    const others = ["a", "b", "c"].filter((pod) => pod !== said[0]);
    const after = webOf([address], endpointsIn(lab, others), {
      name: `web-${number}`,
      scheduler: "rr",
      affinityMs: 600_000,
    });
    await plane.apply(updating(entry, after));
    const next = await answers(3);
    expect(new Set(next).size).toBe(1);
    expect(others).toContain(next[0]);
  });

  it("mh: when a server leaves, only its own clients move, and when it has gone, at most a few others", async () => {
    const before = await apply("mh", { a: 1, b: 1, c: 1, d: 1 });
    const first = await bySource();
    expect(await bySource()).toEqual(first);
    expect(new Set(first)).toEqual(new Set(["a", "b", "c", "d"]));
    // Somebody still has a connection to it, so it stays at weight 0.
    const last = await openFrom(client, sourceAt(first.indexOf("d")), address);
    const after = webOf([address], endpointsIn(lab, ["a", "b", "c"]), { name: `web-${number}`, scheduler: "mh" });
    await plane.apply(updating(before, after));
    const drained = await bySource();
    expect(drained.filter((server, one) => first[one] !== "d" && server !== first[one])).toEqual([]);
    expect(drained).not.toContain("d");
    last.destroy();
    // Another run that gives nobody time: the server goes though the kernel remembers its connections.
    await plane.stop();
    plane = planeIn(lab, { drainTimeoutMs: 0 });
    await plane.start();
    await plane.apply(adding(after));
    expect(Object.keys(await activeAt(lab, address))).toEqual(["a", "b", "c"]);
    const gone = await bySource();
    const moved = gone.filter((server, one) => first[one] !== "d" && server !== first[one]);
    expect(moved.length).toBeLessThanOrEqual(first.length / 8);
  });
});

function countsOf(said: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of said) counts[one] = (counts[one] ?? 0) + 1;
  return counts;
}

function by(outcome: Awaited<ReturnType<LabHost["ask"]>>): string {
  return outcome.kind === "answered" ? outcome.by : outcome.kind;
}

/** A connection from one of the client's addresses. */
async function openFrom(client: LabHost, source: string, address: string) {
  const socket = client.stream("IPv4");
  socket.connect({ host: address, port: 80, localAddress: source });
  await once(socket, "connect");
  return socket;
}

/** Who answers a connection from one of the client's addresses. */
async function askFrom(client: LabHost, source: string, address: string): Promise<string> {
  const socket = await openFrom(client, source, address);
  const [line] = (await once(socket, "data")) as [Buffer];
  socket.end();
  const [name = "", seen] = line.toString().split(" ");
  expect(seen?.trim()).not.toBe("");
  return name;
}

/** Connections that the kernel counts as open, by pod. */
async function activeAt(lab: Lab, address: string): Promise<Record<string, number>> {
  const { stdout } = await lab.node(1).execute("ipvsadm", ["-Ln", "-t", `${address}:80`]);
  const counts: Record<string, number> = {};
  for (const pod of ["a", "b", "c", "d"]) {
    const line = stdout.split("\n").find((one) => one.includes(`${lab.pod(pod).addresses.IPv4}:`));
    if (line !== undefined) counts[pod] = Number(line.trim().split(/\s+/)[4]);
  }
  return counts;
}
