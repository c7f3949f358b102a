/** IPVS of a real kernel: what it takes, refuses and tells, and what ipvsadm reads of it. Runs in the kernel guest; see e2e/guest. */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { enterNewNetworkNamespace } from "@fairlead/sockets";
import { eventually, needs } from "@fairlead/testkit";
import { ipAddress, IpFamily } from "@fairlead/types";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type IpvsChange, type IpvsClient } from "../src/ipvs/ipvs-client.ts";
import {
  type IpvsDestination,
  type IpvsDestinationState,
  IpvsFlag,
  type IpvsService,
  type IpvsServiceKey,
  type IpvsServiceState,
} from "../src/ipvs/virtual-service.ts";
import { Kernel } from "./support/kernel.ts";

const tcp = 6;
const udp = 17;
const sctp = 132;

const web = { protocol: tcp, address: ipAddress("10.96.0.1"), port: 443 };
const names = { protocol: udp, address: ipAddress("fd00:96::a"), port: 53 };
const marked = { mark: 7, family: IpFamily.v4 };
const marked6 = { mark: 7, family: IpFamily.v6 };
const podA = { address: ipAddress("10.244.0.2"), port: 8443, weight: 1 };
const podB = { address: ipAddress("10.244.0.3"), port: 8443, weight: 2 };
const pod6 = { address: ipAddress("fd00:244::2"), port: 5353, weight: 1 };

/** What ipvsadm would have to be told to make what there is: services in the order of their names, each before its destinations. */
function saved(): readonly string[] {
  const lines = execFileSync("ipvsadm", ["--save", "--numeric"], { encoding: "utf8" }).trim().split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

/** A service as it was written: without what only the kernel knows. */
function written({ stats, ...service }: IpvsServiceState): unknown {
  expect(stats).toBeDefined();
  return { ...service, flags: service.flags & ~IpvsFlag.HASHED };
}

function writtenDestination(destination: IpvsDestinationState): unknown {
  const { stats, activeConnections, inactiveConnections, persistentConnections, ...rest } = destination;
  expect(stats).toBeDefined();
  expect([activeConnections, inactiveConnections, persistentConnections]).toEqual([0, 0, 0]);
  return rest;
}

const addService = (service: IpvsService): IpvsChange => ({ kind: "add-service", service });
const addDestination = (service: IpvsServiceKey, destination: IpvsDestination): IpvsChange => ({
  kind: "add-destination",
  service,
  destination,
});

describe.skipIf(needs("root", "ip_vs", "ipvsadm"))("IPVS of the kernel", () => {
  const kernel = new Kernel();
  let ipvs: IpvsClient;
  let leave = (): void => undefined;

  beforeAll(async () => {
    leave = enterNewNetworkNamespace();
    // Where no interface has an address yet, the kernel takes every IPv4 address for none of a host.
    const route = kernel.route();
    await route.setLink((await route.link("lo"))?.index ?? 0, { up: true });
    ipvs = await kernel.ipvs();
  });

  beforeEach(() => ipvs.flush());

  afterAll(() => {
    kernel.close();
    leave();
  });

  /** Makes all of them; each must be taken. */
  async function make(...changes: readonly IpvsChange[]): Promise<void> {
    expect(await ipvs.batch(changes)).toEqual([]);
  }

  test("says which it is", async () => {
    const { version, connectionTableSize } = await ipvs.info();
    expect(version).toMatch(/^1\.2\.\d+$/);
    const [line] = execFileSync("ipvsadm", ["-ln"], { encoding: "utf8" }).split("\n");
    expect(line).toBe(`IP Virtual Server version ${version} (size=${connectionTableSize})`);
  });

  test.for<[string, IpvsService, string]>([
    ["IPv4 and TCP", { ...web, scheduler: "rr" }, "-A -t 10.96.0.1:443 -s rr"],
    ["IPv6 and UDP", { ...names, scheduler: "wrr" }, "-A -u [fd00:96::a]:53 -s wrr"],
    ["SCTP", { ...web, protocol: sctp, scheduler: "lc" }, "-A --sctp-service 10.96.0.1:443 -s lc"],
    ["a mark", { ...marked, scheduler: "sh" }, "-A -f 7 -s sh"],
    ["a mark of IPv6", { ...marked6, scheduler: "dh" }, "-A -f 7 -6 -s dh"],
    [
      "the bits of a hash",
      { ...web, scheduler: "mh", flags: IpvsFlag.HASH_FALLBACK | IpvsFlag.HASH_PORT },
      "-A -t 10.96.0.1:443 -s mh -b mh-fallback,mh-port",
    ],
    [
      "packets without connection",
      { ...names, scheduler: "rr", flags: IpvsFlag.ONE_PACKET },
      "-A -u [fd00:96::a]:53 -s rr -o",
    ],
    [
      "clients that stay",
      { ...web, scheduler: "rr", persistence: { seconds: 10_800 } },
      "-A -t 10.96.0.1:443 -s rr -p 10800",
    ],
    [
      "networks of clients that stay",
      { ...web, scheduler: "rr", persistence: { seconds: 60, prefix: 24 } },
      "-A -t 10.96.0.1:443 -s rr -p 60 -M 255.255.255.0",
    ],
    [
      "all clients as one that stays",
      { ...web, scheduler: "rr", persistence: { seconds: 60, prefix: 0 } },
      "-A -t 10.96.0.1:443 -s rr -p 60 -M 0.0.0.0",
    ],
    [
      "networks of IPv6 clients that stay",
      { ...names, scheduler: "rr", persistence: { seconds: 300, prefix: 64 } },
      "-A -u [fd00:96::a]:53 -s rr -p 300 -M 64",
    ],
  ])("keeps a service as it was written: %s", async ([, service, line]) => {
    await ipvs.apply(addService(service));
    const flags = (service.flags ?? 0) | (service.persistence === undefined ? 0 : IpvsFlag.PERSISTENT);
    expect((await ipvs.services()).map(written)).toEqual([{ ...service, flags }]);
    expect(written(await ipvs.service(service))).toEqual({ ...service, flags });
    expect(saved()).toEqual([line]);
    await ipvs.apply({ kind: "delete-service", service });
    expect(await ipvs.services()).toEqual([]);
  });

  test.for("rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh".split(" "))("has the scheduler %s", async (scheduler) => {
    await ipvs.apply(addService({ ...web, scheduler }));
    expect(await ipvs.service(web)).toMatchObject({ scheduler });
  });

  test("changes a service: scheduler, flags, and persistence that comes and goes", async () => {
    await ipvs.apply(addService({ ...web, scheduler: "rr", persistence: { seconds: 60, prefix: 24 } }));
    const first = { ...web, scheduler: "mh", flags: IpvsFlag.HASH_PORT };
    await ipvs.apply({ kind: "set-service", service: first });
    expect(written(await ipvs.service(web))).toEqual(first);
    const second = { ...web, scheduler: "wlc", persistence: { seconds: 5 } };
    await ipvs.apply({ kind: "set-service", service: second });
    expect(written(await ipvs.service(web))).toEqual({ ...second, flags: IpvsFlag.PERSISTENT });
    expect(saved()).toEqual(["-A -t 10.96.0.1:443 -s wlc -p 5"]);
  });

  test.for<[string, IpvsService, IpvsDestination, string]>([
    ["with its weight", { ...web, scheduler: "rr" }, podB, "-a -t 10.96.0.1:443 -r 10.244.0.3:8443 -m -w 2"],
    ["of IPv6", { ...names, scheduler: "rr" }, pod6, "-a -u [fd00:96::a]:53 -r [fd00:244::2]:5353 -m -w 1"],
    [
      "that drains",
      { ...web, scheduler: "rr" },
      { ...podA, weight: 0 },
      "-a -t 10.96.0.1:443 -r 10.244.0.2:8443 -m -w 0",
    ],
    [
      "with the heaviest weight",
      { ...web, scheduler: "rr" },
      { ...podA, weight: 2_147_483_647 },
      "-a -t 10.96.0.1:443 -r 10.244.0.2:8443 -m -w 2147483647",
    ],
    [
      "reached by its route",
      { ...web, scheduler: "rr" },
      { ...podA, port: 443, forwarding: "route" },
      "-a -t 10.96.0.1:443 -r 10.244.0.2:443 -g -w 1",
    ],
    [
      "reached through a tunnel",
      { ...web, scheduler: "rr" },
      { ...podA, port: 443, forwarding: "tunnel" },
      "-a -t 10.96.0.1:443 -r 10.244.0.2:443 -i -w 1 --tun-type ipip",
    ],
    [
      "of IPv6 for IPv4, through a tunnel",
      { ...web, scheduler: "rr" },
      { ...pod6, port: 443, forwarding: "tunnel" },
      "-a -t 10.96.0.1:443 -r [fd00:244::2]:443 -i -w 1 --tun-type ipip",
    ],
    ["of a mark", { ...marked, scheduler: "rr" }, { ...podA, port: 0 }, "-a -f 7 -r 10.244.0.2:0 -m -w 1"],
    [
      "of a mark of IPv6",
      { ...marked6, scheduler: "rr" },
      { ...pod6, port: 0 },
      "-a -f 7 -6 -r [fd00:244::2]:0 -m -w 1",
    ],
  ])("keeps a destination as it was written: %s", async ([, service, destination, line]) => {
    await make(addService(service), addDestination(service, destination));
    const read = await ipvs.destinations(service);
    expect(read.map(writtenDestination)).toEqual([
      { forwarding: "masquerade", upperThreshold: 0, lowerThreshold: 0, ...destination },
    ]);
    expect(saved().slice(1)).toEqual([line]);
    await ipvs.apply({ kind: "delete-destination", service, destination });
    expect(await ipvs.destinations(service)).toEqual([]);
  });

  test("keeps a destination's bounds of connections, which ipvsadm does not save but shows", async () => {
    const bounded = { ...podA, upperThreshold: 100, lowerThreshold: 50 };
    await make(addService({ ...web, scheduler: "rr" }), addDestination(web, bounded));
    expect((await ipvs.destinations(web)).map(writtenDestination)).toEqual([{ ...bounded, forwarding: "masquerade" }]);
    const shown = execFileSync("ipvsadm", ["-ln", "--thresholds"], { encoding: "utf8" });
    expect(shown).toMatch(/^ {2}-> 10\.244\.0\.2:8443 +100 +50 +0 +0 *$/m);
  });

  test("changes a destination", async () => {
    await make(addService({ ...web, scheduler: "rr" }), addDestination(web, podA), addDestination(web, podB));
    await ipvs.apply({ kind: "set-destination", service: web, destination: { ...podA, weight: 0, upperThreshold: 9 } });
    const read = await ipvs.destinations(web);
    expect(read).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...podA, weight: 0, upperThreshold: 9, lowerThreshold: 0 }),
        expect.objectContaining(podB),
      ]),
    );
    expect(read).toHaveLength(2);
  });

  describe("refuses", () => {
    beforeEach(() => make(addService({ ...web, scheduler: "rr" }), addDestination(web, podA)));
    const unknown = { ...web, port: 444 };

    test.for<[string, string, IpvsChange]>([
      ["a service that is there", "EEXIST", addService({ ...web, scheduler: "lc" })],
      ["to change an unknown service", "ESRCH", { kind: "set-service", service: { ...unknown, scheduler: "rr" } }],
      ["to delete an unknown service", "ESRCH", { kind: "delete-service", service: unknown }],
      ["to delete an unknown mark", "ESRCH", { kind: "delete-service", service: marked }],
      ["a scheduler that it has not", "ENOENT", addService({ ...unknown, scheduler: "p2c" })],
      [
        "to change to a scheduler that it has not",
        "ENOENT",
        { kind: "set-service", service: { ...web, scheduler: "p2c" } },
      ],
      ["a destination that is there", "EEXIST", addDestination(web, { ...podA, weight: 9 })],
      ["a destination of an unknown service", "ESRCH", addDestination(unknown, podB)],
      ["to change an unknown destination", "ENOENT", { kind: "set-destination", service: web, destination: podB }],
      [
        "to change a destination of an unknown service",
        "ESRCH",
        { kind: "set-destination", service: unknown, destination: podA },
      ],
      ["to delete an unknown destination", "ENOENT", { kind: "delete-destination", service: web, destination: podB }],
      [
        "to delete a destination of an unknown service",
        "ESRCH",
        { kind: "delete-destination", service: unknown, destination: podA },
      ],
      ["a negative weight", "ERANGE", addDestination(web, { ...podB, weight: 0xffff_ffff })],
      [
        "bounds of connections the wrong way round",
        "ERANGE",
        addDestination(web, { ...podB, upperThreshold: 1, lowerThreshold: 2 }),
      ],
      ["a destination of IPv6 for IPv4 without a tunnel", "EINVAL", addDestination(web, pod6)],
      ["a broadcast address", "EINVAL", addDestination(web, { ...podB, address: ipAddress("255.255.255.255") })],
      [
        "no bits of IPv6 clients",
        "EINVAL",
        addService({ ...names, scheduler: "rr", persistence: { seconds: 1, prefix: 0 } }),
      ],
    ])("%s: %s", async ([, code, change]) => {
      await expect(ipvs.apply(change)).rejects.toMatchObject({ name: "NetlinkError", code });
      expect(saved()).toEqual(["-A -t 10.96.0.1:443 -s rr", "-a -t 10.96.0.1:443 -r 10.244.0.2:8443 -m -w 1"]);
    });

    test("to tell of an unknown service", async () => {
      await expect(ipvs.service(unknown)).rejects.toMatchObject({ code: "ESRCH" });
      await expect(ipvs.zero(unknown)).rejects.toMatchObject({ code: "ESRCH" });
    });

    test("some changes of many: each with its index, and the others are made", async () => {
      const refusals = await ipvs.batch([
        addDestination(web, podA),
        addDestination(web, podB),
        addService({ ...unknown, scheduler: "p2c" }),
        { kind: "delete-service", service: marked },
        addService({ ...unknown, scheduler: "lc" }),
      ]);
      expect(refusals.map(({ index, code }) => [index, code])).toEqual([
        [0, "EEXIST"],
        [2, "ENOENT"],
        [3, "ESRCH"],
      ]);
      expect(saved()).toHaveLength(4);
    });
  });

  test("tells no destinations, and no error, of a service that there is not", async () => {
    expect(await ipvs.destinations(web)).toEqual([]);
    expect(await ipvs.destinations(marked)).toEqual([]);
  });

  test("keeps the times of connections, and 0 leaves one as it is", async () => {
    await ipvs.setTimeouts({ tcp: 900, tcpFin: 120, udp: 300 });
    expect(await ipvs.timeouts()).toEqual({ tcp: 900, tcpFin: 120, udp: 300 });
    await ipvs.setTimeouts({ tcp: 0, tcpFin: 60, udp: 0 });
    expect(await ipvs.timeouts()).toEqual({ tcp: 900, tcpFin: 60, udp: 300 });
    const shown = execFileSync("ipvsadm", ["-l", "--timeout"], { encoding: "utf8" });
    expect(shown.trim()).toBe("Timeout (tcp tcpfin udp): 900 60 300");
  });

  test("is empty after it was flushed, whoever made what was there", async () => {
    execFileSync("ipvsadm", ["-A", "-f", "9", "-s", "rr"]);
    await make(addService({ ...web, scheduler: "rr" }), addDestination(web, podA));
    await ipvs.flush();
    expect(await ipvs.services()).toEqual([]);
    expect(saved()).toEqual([]);
  });

  test("counts what passes, and begins anew when it is told", async () => {
    const route = kernel.route();
    const index = (await route.link("lo"))?.index ?? 0;
    // Nobody else's: a destination that comes again has the connections that are left of it.
    const pod = { ...podA, address: ipAddress("10.244.0.9") };
    for (const { address } of [web, pod]) await route.addAddress({ index, address, prefix: 32 });
    const server = createServer((socket) => socket.pipe(socket)).listen(pod.port, pod.address);
    await once(server, "listening");
    await make(addService({ ...web, scheduler: "rr" }), addDestination(web, pod));
    const client = connect(web.port, web.address);
    try {
      client.write("hello");
      expect(String((await once(client, "data"))[0])).toBe("hello");
      expect(await ipvs.destinations(web)).toMatchObject([{ activeConnections: 1, inactiveConnections: 0 }]);
      // The kernel adds up every two seconds.
      await eventually(async () => {
        for (const { stats } of [await ipvs.service(web), ...(await ipvs.destinations(web))]) {
          expect(stats?.connections).toBe(1n);
          expect(stats?.packetsIn).toBeGreaterThanOrEqual(3n);
          expect(stats?.bytesIn).toBeGreaterThan(5n);
        }
      });
      await ipvs.zero(web);
      expect((await ipvs.service(web)).stats).toMatchObject({ connections: 0n, packetsIn: 0n, bytesIn: 0n });
      // Connections are counted as they are, whatever was told.
      expect(await ipvs.destinations(web)).toMatchObject([{ activeConnections: 1, stats: { connections: 0n } }]);
      await ipvs.zero();
    } finally {
      client.destroy();
      server.close();
    }
  });

  test("reads what ipvsadm made", async () => {
    execFileSync("ipvsadm", "-A -t 10.96.0.1:443 -s sh -b sh-port -p 600 -M 255.255.0.0".split(" "));
    execFileSync("ipvsadm", "-a -t 10.96.0.1:443 -r 10.244.0.2:8443 -m -w 3 -x 10 -y 5".split(" "));
    expect((await ipvs.services()).map(written)).toEqual([
      {
        ...web,
        scheduler: "sh",
        flags: IpvsFlag.PERSISTENT | IpvsFlag.HASH_PORT,
        persistence: { seconds: 600, prefix: 16 },
      },
    ]);
    expect((await ipvs.destinations(web)).map(writtenDestination)).toEqual([
      { ...podA, weight: 3, forwarding: "masquerade", upperThreshold: 10, lowerThreshold: 5 },
    ]);
  });

  test("holds 1,000 services with 2 destinations each, written in few batches and read back whole", async () => {
    const keys = Array.from({ length: 1_000 }, (_, index) => ({
      ...web,
      address: ipAddress(`10.96.${index >> 8}.${index & 0xff}`),
    }));
    await make(...keys.map((key) => addService({ ...key, scheduler: "rr" })));
    await make(...keys.flatMap((key) => [addDestination(key, podA), addDestination(key, podB)]));
    const services = await ipvs.services();
    const addresses = services.map((service) => ("address" in service ? service.address : ""));
    expect(addresses.toSorted()).toEqual(keys.map(({ address }) => address).toSorted());
    for (const key of [keys[0], keys[499], keys[999]] as readonly IpvsServiceKey[]) {
      const read = await ipvs.destinations(key);
      expect(new Map(read.map(({ address, weight }) => [address, weight]))).toEqual(
        new Map([podA, podB].map(({ address, weight }) => [address, weight])),
      );
    }
    const lines = saved();
    expect(lines.filter((line) => line.startsWith("-A"))).toHaveLength(1_000);
    expect(lines.filter((line) => line.startsWith("-a"))).toHaveLength(2_000);
    await make(...keys.map((service): IpvsChange => ({ kind: "delete-service", service })));
    expect(await ipvs.services()).toEqual([]);
  });
});
