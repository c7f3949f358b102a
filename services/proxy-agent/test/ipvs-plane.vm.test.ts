/** The ipvs plane in a real kernel with IPVS; see e2e/guest. Who sees which packet from where is the flow suite's business. */
import { spawn } from "node:child_process";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "@fairlead/host";
import { type Lab, LabConnection, type LabHost, labPlan, openLab } from "@fairlead/netlab";
import { Family, openSocket, socketAddress, SocketType } from "@fairlead/sockets";
import { eventually, needs } from "@fairlead/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { IpvsPlane } from "../src/ipvs/ipvs-plane.ts";
import type { ServicePortEntry } from "../src/plan/entry.ts";
import { adding, frontendAt, planeCompliance, RecordingObserver, removing, updating } from "../src/testing.ts";
import { endpointsIn, planeIn, serveIn, serverPort, webOf } from "./support/ipvs-lab.ts";
import { KernelRoom } from "./support/kernel-room.ts";

const missing = needs("root", "ip_vs", "ipvsadm", "nft");
/** What the kernel does in its own time takes longer in the guest. */
const patient = { timeoutMs: 60_000, intervalMs: 200 };

describe.skipIf(missing)("in IPVS", () => {
  planeCompliance("the ipvs plane", async (observer) => {
    const room = new KernelRoom();
    await room.furnish();
    return {
      plane: new IpvsPlane({
        ...room.options({ observer }),
        strictArp: false,
        excludeCidrs: [],
        drainTimeoutMs: 60_000,
      }),
      serviceAddress: () => room.serviceAddress(),
      endpointAddress: () => room.endpointAddress(),
      clients: KernelRoom.clients,
      refusal: "ECONNREFUSED",
      gone: "ABORT_ERR",
      shortCircuit: true,
      stop: async () => room[Symbol.dispose](),
    };
  });
});

describe.skipIf(missing)("the ipvs plane", () => {
  let lab: Lab;
  let node: LabHost;
  let client: LabHost;
  let cleanups: AsyncDisposableStack;
  let number = 0;
  let address: string;

  beforeAll(async () => {
    lab = await openLab({ nodes: 1, podsPerNode: 3, outsiders: 1, patienceMs: 3_000 });
    node = lab.node(1);
    client = lab.outsider();
    await serveIn(lab, ["a", "b", "c"]);
  });

  beforeEach(() => {
    cleanups = new AsyncDisposableStack();
    number += 1;
    address = labPlan.service(number).IPv4;
  });

  afterEach(() => cleanups.disposeAsync());
  afterAll(() => lab?.close());

  /** A started plane; what it leaves is removed after the test by another one. */
  const started = async (options: Parameters<typeof planeIn>[1] = {}): Promise<IpvsPlane> => {
    const plane = planeIn(lab, options);
    await plane.start();
    cleanups.defer(async () => {
      await plane.stop();
      const last = planeIn(lab, options);
      await last.start();
      await last.cleanup();
      await last.stop();
    });
    return plane;
  };
  const web = (pods: readonly string[], more: Parameters<typeof webOf>[2] = {}): ServicePortEntry =>
    webOf([address], endpointsIn(lab, pods), more);
  const at = (port = 80) => ({ address, port });
  const ask = async (host = client, place = at()): Promise<string> => {
    const outcome = await host.ask(place);
    return outcome.kind === "answered" ? outcome.by : outcome.kind;
  };
  const answers = async (times: number): Promise<ReadonlySet<string>> => {
    const said = new Set<string>();
    for (let time = 0; time < times; time++) said.add(await ask());
    return said;
  };
  const hold = async (place = at()): Promise<LabConnection> => {
    const connection = await client.open(place);
    if (!(connection instanceof LabConnection)) throw new Error(`the connection was ${connection.kind}`);
    return connection;
  };
  /** Connects again and again; the end tells what else than a pod answered. */
  const stream = (): (() => Promise<readonly string[]>) => {
    const bad: string[] = [];
    const state = { isOver: false };
    const all = (async () => {
      while (!state.isOver) {
        const said = await ask();
        if (!["a", "b", "c"].includes(said)) bad.push(said);
      }
    })();
    return async () => {
      state.isOver = true;
      await all;
      return bad;
    };
  };
  const run = async (command: string, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await node.execute(command, args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  /** What ipvsadm would have to be told to make what there is, without the lines of others. */
  const saved = async (text = address): Promise<readonly string[]> =>
    (await run("ipvsadm", "-Sn"))
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.includes(text))
      .toSorted();
  /** Weights by pod. */
  const weights = async (place = `${address}:80`): Promise<Record<string, number>> => {
    const found: Record<string, number> = {};
    for (const line of await saved(`-t ${place} -r `)) {
      const [, server = "", weight = ""] = /-r (\S+):\d+ -m -w (\d+)/.exec(line) ?? [];
      const pod = ["a", "b", "c"].find((one) => lab.pod(one).addresses.IPv4 === server) ?? server;
      found[pod] = Number(weight);
    }
    return found;
  };
  const isBound = async (text = address): Promise<boolean> =>
    (await node.execute("ip", ["-o", "address", "show", "dev", "fairlead-ipvs"])).stdout.includes(` ${text}/`);
  const ruleset = (): Promise<string> => run("nft", "list", "ruleset");

  it("finds that this kernel can carry it, and leaves nothing behind", async () => {
    expect(await IpvsPlane.probe(node.namespace, systemClock)).toBeUndefined();
    expect(await IpvsPlane.probe(node.namespace, systemClock, { interface: "eth0" })).toBeUndefined();
    expect(await run("ipvsadm", "-Sn")).toBe("");
    expect((await node.routes.links()).map(({ name }) => name)).not.toContain("fairlead-ipvs");
    expect(await ruleset()).toBe("");
  });

  it("sets what IPVS needs, and the times after which connections are forgotten", async () => {
    node.setSysctl("ipv4/vs/conntrack", 0);
    await started({ strictArp: true, timeouts: { tcp: 800, tcpFin: 100, udp: 200 } });
    const settings = ["conntrack", "conn_reuse_mode", "expire_nodest_conn", "expire_quiescent_template"];
    expect(settings.map((name) => node.sysctl(`ipv4/vs/${name}`))).toEqual(["1", "1", "1", "1"]);
    expect(node.sysctl("ipv4/conf/all/arp_ignore")).toBe("1");
    expect(node.sysctl("ipv4/conf/all/arp_announce")).toBe("2");
    expect(await run("ipvsadm", "-L", "--timeout")).toContain("800 100 200");
  });

  it("changes scheduler and persistence of a service that is in use", async () => {
    const plane = await started();
    const rr = web(["a", "b"]);
    await plane.apply(adding(rr));
    const connection = await hold();
    const sticky = web(["a", "b"], { scheduler: "wlc", affinityMs: 60_000 });
    await plane.apply(updating(rr, sticky));
    expect((await saved())[0]).toBe(`-A -t ${address}:80 -s wlc -p 60`);
    expect((await answers(3)).size).toBe(1);
    await plane.apply(updating(sticky, web(["a", "b"], { scheduler: "mh" })));
    expect((await saved())[0]).toBe(`-A -t ${address}:80 -s mh -b mh-fallback`);
    expect(await connection.say("still here")).toBe("still here");
    // Had it been made anew, it would count from 0. The kernel adds up every two seconds.
    await eventually(async () => {
      const lines = (await run("ipvsadm", "-Ln", "--stats")).split("\n");
      const counts = lines
        .find((line) => line.includes(`${address}:80 `))
        ?.trim()
        .split(/\s+/);
      expect(Number(counts?.[2])).toBeGreaterThan(3);
    }, patient);
  });

  it("takes the nearest scheduler where the kernel has not the one that is asked for, and says so once", async () => {
    const observer = new RecordingObserver();
    const plane = await started({ observer });
    const entry = web(["a", "b"], { scheduler: "p2c" });
    await plane.apply(adding(entry));
    expect((await saved())[0]).toBe(`-A -t ${address}:80 -s wlc`);
    expect(await answers(4)).toEqual(new Set(["a", "b"]));
    await plane.apply(updating(entry, web(["a"], { scheduler: "p2c" })));
    expect(observer.problems).toHaveLength(1);
    expect(observer.problems[0]).toMatch(/^SchedulerNotSupported .*ip_vs_twos/);
  });

  it("lets a server that leaves finish: no new connections, and gone when the last one is over", async () => {
    const plane = await started();
    const before = web(["a", "b"]);
    await plane.apply(adding(before));
    const connections = [await hold(), await hold()];
    const leaving = connections.find(({ by }) => by === "a");
    await plane.apply(updating(before, web(["b"])));
    expect(await weights()).toEqual({ a: 0, b: 1 });
    expect(await answers(3)).toEqual(new Set(["b"]));
    expect(await leaving?.say("still here")).toBe("still here");
    // It comes back before it has gone.
    await plane.apply(updating(web(["b"]), before));
    expect(await weights()).toEqual({ a: 1, b: 1 });
    expect(await leaving?.say("still here")).toBe("still here");
  });

  it("refuses nobody and cuts nobody off while servers and their weights change all the time", async () => {
    const plane = await started();
    const connections: LabConnection[] = [];
    let entry = web(["a", "b", "c"]);
    await plane.apply(adding(entry));
    for (let times = 0; times < 3; times++) connections.push(await hold());
    const end = stream();
    const schedulers = ["rr", "sh", "dh", "wlc", "mh"] as const;
    for (let change = 0; change < 40; change++) {
      // One of seven subsets, and a weight that is never the same twice in a row.
      const subset = (change % 7) + 1;
      const pods = ["a", "b", "c"].filter((_, index) => (subset & (1 << index)) !== 0);
      const weighted = Object.fromEntries(pods.map((pod) => [pod, (change % 3) + 1]));
      const next = webOf([address], endpointsIn(lab, weighted), { scheduler: schedulers[change % 5] ?? "rr" });
      await plane.apply(updating(entry, next));
      entry = next;
    }
    expect(await end()).toEqual([]);
    for (const connection of connections) expect(await connection.say("still here")).toBe("still here");
  });

  it("lets servers go when they are idle, at once where they never had a connection", async () => {
    const plane = await started();
    const before = web(["a", "b", "c"], { scheduler: "sh" });
    await plane.apply(adding(before));
    const only = await ask();
    const others = ["a", "b", "c"].filter((pod) => pod !== only);
    await plane.apply(updating(before, web(["a", "b", "c"].slice(0, 1), { scheduler: "sh" })));
    const left = Object.keys(await weights());
    expect(left).toEqual(expect.arrayContaining(["a", only]));
    for (const pod of others) if (pod !== "a") expect(left).not.toContain(pod);
  });

  it("keeps servers whose pods are there but not ready, and gives those that have gone no longer than it may", async () => {
    const plane = await started({ drainTimeoutMs: 0 });
    const [a, b] = endpointsIn(lab, ["a", "b"]);
    const both = web(["a", "b"]);
    await plane.apply(adding(both));
    const connections = [await hold(), await hold()];
    const standby = web(["b"], { standby: [{ ...a!, serving: true }] });
    await plane.apply(updating(both, standby));
    expect(await weights()).toEqual({ a: 0, b: 1 });
    expect(await connections.find(({ by }) => by === "a")?.say("here")).toBe("here");
    expect(b).toBeDefined();
    await plane.apply(updating(standby, web(["b"])));
    expect(await weights()).toEqual({ b: 1 });
  });

  it("lets a Service that goes finish: new connections are refused, and its address goes with the last one", async () => {
    const plane = await started();
    const entry = web(["a"]);
    await plane.apply(adding(entry));
    const connection = await hold();
    await plane.apply(removing(entry));
    expect(await connection.say("still here")).toBe("still here");
    expect(await ask()).toBe("refused");
    expect(await ask(lab.pod("b"))).toBe("refused");
    expect(await ask(node)).toBe("refused");
    expect([await isBound(), await weights()]).toEqual([true, { a: 0 }]);
    // It comes back, and takes over what is there.
    await plane.apply(adding(web(["a", "b"])));
    expect(await answers(2)).toEqual(new Set(["a", "b"]));
    expect(await connection.say("still here")).toBe("still here");
    await plane.apply(removing(web(["a", "b"])));
    await plane.stop();
    // Another run has no patience with what is left.
    const next = await started({ drainTimeoutMs: 0 });
    await next.apply(adding());
    expect([await isBound(), await saved()]).toEqual([false, []]);
    expect(await ruleset()).not.toContain(address);
  });

  it("takes away a Service without connections at once, address and all", async () => {
    const plane = await started();
    const entry = web(["a"]);
    await plane.apply(adding(entry));
    expect(await isBound()).toBe(true);
    await plane.apply(removing(entry));
    expect([await isBound(), await saved()]).toEqual([false, []]);
    expect(await ask()).toBe("dropped");
  });

  it("is taken over by the next run as it stands, under a stream of connections and with open ones", async () => {
    const frontends = [
      frontendAt({ address, port: 80 }),
      frontendAt({ address: node.addresses.IPv4, port: 30_080 }, { kind: "NodePort" }),
    ];
    const entry = web(["a", "b"], { frontends, affinityMs: 60_000 });
    const gone = webOf([labPlan.service(900).IPv4], endpointsIn(lab, ["a"]), {
      name: "gone",
      frontends: [frontendAt({ address: node.addresses.IPv4, port: 30_090 }, { kind: "NodePort" })],
    });
    const first = await started();
    await first.apply(adding(entry, gone));
    const connections = [await hold(), await hold({ address: node.addresses.IPv4, port: 30_080 })];
    const before = [await saved(), await ruleset()];
    const end = stream();
    for (let times = 0; times < 3; times++) {
      await first.stop();
      const next = await started();
      await next.apply(adding(entry, gone));
      await next.stop();
    }
    expect(await end()).toEqual([]);
    expect([await saved(), await ruleset()]).toEqual(before);
    for (const connection of connections) expect(await connection.say("still here")).toBe("still here");
    // What went while nobody was there goes now, also where its address is the node's.
    const last = await started();
    await last.apply(adding(entry));
    expect(await saved("30090")).toEqual([]);
  });

  it("knows what is its own of runs that were killed amid their work, and leaves nothing of them", async () => {
    const victim = new URL("support/ipvs-victim.ts", import.meta.url).pathname;
    for (const delayMs of [0, 70]) {
      const child = node.namespace.run(() => spawn(process.execPath, [victim, node.addresses.IPv4]));
      const ended = once(child, "exit");
      await once(child.stdout, "data", { signal: AbortSignal.timeout(60_000) });
      await sleep(delayMs);
      child.kill("SIGKILL");
      await ended;
    }
    expect(await run("ipvsadm", "-Sn")).toContain(":310");
    const plane = await started();
    await plane.apply(adding(web(["a"])));
    expect(
      (await run("ipvsadm", "-Sn"))
        .trim()
        .split("\n")
        .map((line) => line.trim()),
    ).toEqual([
      `-A -t ${address}:80 -s rr`,
      `-a -t ${address}:80 -r ${lab.pod("a").addresses.IPv4}:${serverPort} -m -w 1`,
    ]);
    const [bound, ...others] = (await run("ip", "-o", "address", "show", "dev", "fairlead-ipvs")).trim().split("\n");
    expect([bound, others]).toEqual([expect.stringContaining(`${address}/32`), []]);
    expect(await ruleset()).not.toContain("10.96.50.");
    await plane.cleanup();
    expect([await run("ipvsadm", "-Sn"), await ruleset()]).toEqual(["", ""]);
  });

  it("knows its own services again when somebody has deleted its table meanwhile", async () => {
    const first = await started();
    await first.apply(
      adding(web(["a"]), webOf([labPlan.service(901).IPv4], endpointsIn(lab, ["b"]), { name: "gone" })),
    );
    await first.stop();
    await run("nft", "flush", "ruleset");
    const next = await started();
    await next.apply(adding(web(["a"])));
    expect(await saved(labPlan.service(901).IPv4)).toEqual([]);
    expect(await isBound(labPlan.service(901).IPv4)).toBe(false);
    expect(await ask()).toBe("a");
  });

  it("leaves what others have alone, from the beginning to the end", async () => {
    const foreign = ["10.96.99.1:443", `${node.addresses.IPv4}:31000`];
    for (const one of foreign) await run("ipvsadm", "-A", "-t", one, "-s", "lc");
    await run("ipvsadm", "-a", "-t", "10.96.99.1:443", "-r", "10.9.9.9:1", "-m", "-w", "7");
    cleanups.defer(async () => {
      for (const one of foreign) await run("ipvsadm", "-D", "-t", one);
    });
    const theirs = async (): Promise<readonly string[]> => [...(await saved("10.96.99.1")), ...(await saved(":31000"))];
    const before = await theirs();
    const observer = new RecordingObserver();
    const plane = await started({ observer, excludeCidrs: ["10.96.99.0/24" as never] });
    const excluded = frontendAt({ address: "10.96.99.1", port: 443 });
    const entry = web(["a"], { frontends: [frontendAt({ address, port: 80 }), excluded] });
    await plane.apply(adding(entry));
    await plane.verify();
    expect(observer.problems).toEqual([expect.stringMatching(/^AddressExcluded web 10\.96\.99\.1:443 /)]);
    expect(await theirs()).toEqual(before);
    await plane.apply(removing(entry));
    await plane.cleanup();
    expect(await theirs()).toEqual(before);
    expect(await run("ipvsadm", "-Sn")).not.toContain(address);
  });

  const damages: readonly (readonly [string, (place: string) => readonly string[]])[] = [
    ["a deleted service", (place) => ["ipvsadm", "-D", "-t", `${place}:80`]],
    ["another scheduler", (place) => ["ipvsadm", "-E", "-t", `${place}:80`, "-s", "sed", "-p", "5"]],
    ["another weight", (place) => ["ipvsadm", "-e", "-t", `${place}:80`, "-r", "10.244.1.10:8080", "-m", "-w", "0"]],
    ["a deleted server", (place) => ["ipvsadm", "-d", "-t", `${place}:80`, "-r", "10.244.1.10:8080"]],
    ["a server too many", (place) => ["ipvsadm", "-a", "-t", `${place}:80`, "-r", "10.9.9.9:1", "-m"]],
    ["an address that was taken off", (place) => ["ip", "address", "del", `${place}/32`, "dev", "fairlead-ipvs"]],
    ["a deleted interface", () => ["ip", "link", "del", "fairlead-ipvs"]],
    ["a deleted element", (place) => ["nft", `delete element ip fairlead-ipvs open { ${place} . tcp . 80 }`]],
    ["a deleted table", () => ["nft", "delete table ip fairlead-ipvs"]],
    ["a setting", () => ["sh", "-c", "echo 0 >/proc/sys/net/ipv4/vs/conntrack"]],
    ["everything flushed", () => ["ipvsadm", "-C"]],
  ];

  it("puts right what somebody else has changed, and counts it", async () => {
    const plane = await started();
    const entry = web(["a", "b"]);
    const other = webOf([labPlan.service(902).IPv4], endpointsIn(lab, ["c"]), { name: "other" });
    await plane.apply(adding(entry, other));
    /** All of it, in no order: the kernel lists services in that in which they came. */
    const whole = async (): Promise<readonly string[]> =>
      (
        await run(
          "sh",
          "-c",
          "ipvsadm -Sn; ip -o address show dev fairlead-ipvs | cut -d' ' -f2-7; cat /proc/sys/net/ipv4/vs/conntrack; nft list ruleset",
        )
      )
        .split("\n")
        .toSorted();
    const before = await whole();
    await plane.verify();
    expect(plane.status()).toMatchObject({ driftRepaired: 0, verifications: 1 });
    for (const [name, command] of damages) {
      const count = plane.status().driftRepaired;
      const [program = "", ...args] = command(address);
      await run(program, ...args);
      await plane.verify();
      expect([name, plane.status().driftRepaired > count]).toEqual([name, true]);
      expect([name, await whole()]).toEqual([name, before]);
      expect([name, await ask()]).not.toContain("refused");
    }
  });

  it("comes to what is asked for where somebody changes the same at the same time", async () => {
    const plane = await started();
    const before = web(["a", "b"]);
    await plane.apply(adding(before));
    await run("ipvsadm", "-d", "-t", `${address}:80`, "-r", "10.244.1.10:8080");
    await run("ipvsadm", "-a", "-t", `${address}:80`, "-r", "10.244.1.12:8080", "-m", "-w", "9");
    const after = webOf([address], endpointsIn(lab, { a: 5, b: 1, c: 1 }));
    await plane.apply(updating(before, after));
    expect(await weights()).toEqual({ a: 5, b: 1, c: 1 });
    await run("ipvsadm", "-C");
    await plane.apply(updating(after, before));
    expect(await weights()).toMatchObject({ a: 1, b: 1 });
  });

  it("lets nothing of the node's own answer at a Service's address", async () => {
    const own = await node.serve({ port: 9_090, name: "own" });
    cleanups.defer(() => own.close());
    const plane = await started();
    const six = webOf([labPlan.service(903).IPv6], endpointsIn(lab, ["a"], "IPv6"), { name: "six" });
    await plane.apply(adding(web(["a"]), six));
    expect(await ask(client, { address: labPlan.service(903).IPv6, port: 80 })).toBe("a");
    for (const host of [client, lab.pod("a"), node]) {
      expect(await ask(host, at(9_090))).toBe("refused");
      expect(await ask(host, { address: labPlan.service(903).IPv6, port: 9_090 })).toBe("refused");
    }
    expect(await ask(lab.pod("a"), { address: node.addresses.IPv4, port: 9_090 })).toBe("own");
    expect(await run("ping", "-c", "1", "-W", "5", address)).toContain(" 0% packet loss");
  });

  it("counts connections, packets and bytes of a Service over all its addresses, and never goes back", async () => {
    const plane = await started();
    const both = [frontendAt({ address, port: 80 }), frontendAt({ address: labPlan.external(1).IPv4, port: 80 })];
    const entry = web(["a"], { frontends: both });
    await plane.apply(adding(entry));
    await ask();
    await ask(client, { address: labPlan.external(1).IPv4, port: 80 });
    const count = async (): Promise<number> =>
      new Map(await plane.counters()).get(entry.servicePort)?.connections ?? -1;
    await eventually(async () => expect(await count()).toBe(2), patient);
    const [all] = [...(await plane.counters())].map(([, counters]) => counters);
    expect(all?.sentPackets).toBeGreaterThan(4);
    expect(all?.sentBytes).toBeGreaterThan(200);
    expect(all?.receivedBytes).toBeGreaterThan(200);
    // One address goes, and comes back to count from 0 in the kernel.
    const one = web(["a"], { frontends: both.slice(0, 1) });
    await plane.apply(updating(entry, one));
    await run("ipvsadm", "-D", "-t", `${labPlan.external(1).IPv4}:80`);
    await plane.verify();
    await plane.apply(updating(one, entry));
    expect(await count()).toBe(2);
    await ask(client, { address: labPlan.external(1).IPv4, port: 80 });
    await eventually(async () => expect(await count()).toBe(3), patient);
    await plane.apply(removing(entry));
    expect([...(await plane.counters())]).toEqual([]);
  });

  it("reads back what the kernel holds, whatever it was told", async () => {
    const plane = await started();
    const entry = webOf([address, labPlan.service(904).IPv4], endpointsIn(lab, ["a", "b"]));
    await plane.apply(adding(entry));
    await run("ipvsadm", "-e", "-t", `${address}:80`, "-r", "10.244.1.10:8080", "-m", "-w", "0");
    await run("ip", "address", "del", `${labPlan.service(904).IPv4}/32`, "dev", "fairlead-ipvs");
    expect(await plane.inspect()).toEqual([
      expect.objectContaining({ address, port: 80, kind: "ClusterIP", endpoints: [`10.244.1.11:${serverPort}`] }),
    ]);
  });

  it("gives way to another plane: open connections go on, new ones reach who listens at the address", async () => {
    const plane = await started();
    const port = 30_081;
    const place = { address: node.addresses.IPv4, port };
    await plane.apply(adding(web(["a"], { frontends: [frontendAt(place, { kind: "NodePort" })] })));
    const connection = await hold(place);
    const listener = await node.serve({ port, name: "listener" });
    cleanups.defer(() => listener.close());
    await plane.retire();
    expect(await ask(client, place)).toBe("listener");
    expect(await connection.say("still here")).toBe("still here");
    expect(await ask(client, place)).toBe("listener");
    const socket = await hold(place);
    expect(await socket.say("new")).toBe("new");
    await plane.cleanup();
    expect(await run("ipvsadm", "-Sn")).toBe("");
    expect(await ruleset()).toBe("");
    expect((await node.routes.links()).map(({ name }) => name)).not.toContain("fairlead-ipvs");
  });

  it("gives way without a trace where nobody has a connection", async () => {
    const plane = await started();
    await plane.apply(adding(web(["a"])));
    await plane.retire();
    expect(await run("ipvsadm", "-Sn")).toBe("");
    expect(await ruleset()).toBe("");
    expect((await node.routes.links()).map(({ name }) => name)).not.toContain("fairlead-ipvs");
  });

  it("uses an interface that is there, of which it takes away only its own addresses", async () => {
    const index = (await node.routes.link("lo"))?.index ?? 0;
    const theirs = { index, address: labPlan.service(905).IPv4, prefix: 32 };
    await node.routes.addAddress(theirs);
    cleanups.defer(() => node.routes.deleteAddress(theirs));
    const plane = await started({ interface: "lo" });
    await plane.apply(adding(webOf([address, theirs.address], endpointsIn(lab, ["a"]))));
    expect([await ask(), await ask(client, { address: theirs.address, port: 80 })]).toEqual(["a", "a"]);
    await plane.cleanup();
    const left = (await node.routes.addresses(index)).map((one) => one.address);
    expect(left).toContain(theirs.address);
    expect(left).toContain("127.0.0.1");
    expect(left).not.toContain(address);
  });

  it.each(["IPv4", "IPv6"] as const)(
    "tells apart what one port of a client has with two Services of the same server: %s",
    async (family) => {
      const plane = await started();
      const services = [910, 911].map((one) => labPlan.service(one)[family]);
      const endpoints = endpointsIn(lab, ["a"], family);
      const udp = await lab.pod("a").serve({ port: serverPort, name: "a", protocol: "UDP" });
      cleanups.defer(() => udp.close());
      const both = (["TCP", "UDP"] as const).flatMap((protocol) =>
        services.map((one, index) => webOf([one], endpoints, { name: `web-${index}`, protocol })),
      );
      await plane.apply(adding(...both));
      const sockets = await Promise.all(services.map((one) => openAt(client, family, one)));
      for (const socket of sockets) {
        socket.write("one\n");
        expect(await heard(socket)).toBe("one\n");
      }
      for (const socket of sockets.toReversed()) {
        socket.write("two\n");
        expect(await heard(socket)).toBe("two\n");
        socket.destroy();
      }
      const datagrams = datagramsIn(client, family);
      cleanups.defer(() => void datagrams.close());
      for (const one of [...services, ...services]) {
        datagrams.send("hello", 80, one);
        const [, from] = (await once(datagrams, "message", { signal: AbortSignal.timeout(5_000) })) as [
          Buffer,
          { address: string },
        ];
        expect(from.address).toBe(one);
      }
    },
  );

  it("keeps a UDP client with an affinity at its server, whatever port it sends from", async () => {
    const servers = await serveIn(lab, ["a", "b", "c"], "UDP");
    cleanups.defer(async () => void (await Promise.all(servers.map((server) => server.close()))));
    const plane = await started();
    await plane.apply(adding(web(["a", "b", "c"], { protocol: "UDP", affinityMs: 60_000 })));
    const said = new Set<string>();
    for (let time = 0; time < 4; time++) {
      const outcome = await client.ask(at(), "UDP");
      said.add(outcome.kind === "answered" ? outcome.by : outcome.kind);
    }
    expect(said.size).toBe(1);
  });
});

/** A connection from one port of the client, whose first line was read. */
async function openAt(client: LabHost, family: "IPv4" | "IPv6", host: string): Promise<Socket> {
  const socket = client.stream(family);
  socket.connect({ host, port: 80, localAddress: client.addresses[family], localPort: 45_678 });
  expect(await heard(socket)).toMatch(/^a /);
  return socket;
}

/** A socket that sends to whomever. */
function datagramsIn(client: LabHost, family: "IPv4" | "IPv6"): DatagramSocket {
  const own = client.namespace.run(() => {
    const socket = openSocket({ family: family === "IPv4" ? Family.INET : Family.INET6, type: SocketType.DGRAM });
    socket.bind(socketAddress(client.addresses[family], 0));
    return socket;
  });
  const socket = createSocket(family === "IPv4" ? "udp4" : "udp6");
  // It is bound already, and listens at once.
  socket.bind({ fd: own.detach() });
  return socket;
}

async function heard(socket: Socket): Promise<string> {
  const [bytes] = (await once(socket, "data", { signal: AbortSignal.timeout(5_000) })) as [Buffer];
  return bytes.toString();
}
