import { closeSync, openSync } from "node:fs";
import { systemClock } from "@fairlead/host";
import { eventually } from "@fairlead/testkit";
import { ipAddress } from "@fairlead/types";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RouteGroup } from "../src/route/layouts.ts";
import { readRouteEvent, type RouteEvent } from "../src/route/route-client.ts";
import { NetlinkFamily } from "../src/transport.ts";
import { Kernel, whyNoKernel } from "./support/kernel.ts";
import { enterNewNetworkNamespace, networkNamespaceAt } from "@fairlead/sockets";
import { openRouteClient } from "../src/route/open-route-client.ts";
import { holdNamespace } from "./support/namespace.ts";

describe.skipIf(whyNoKernel())("links, addresses, routes and neighbours of the kernel", () => {
  const kernel = new Kernel();
  let leave = (): void => undefined;

  beforeAll(() => {
    leave = enterNewNetworkNamespace();
  });

  afterAll(() => {
    kernel.close();
    leave();
  });

  test("come, change and go, and a monitor hears of it", async () => {
    const events: RouteEvent[] = [];
    const groups = [RouteGroup.link, RouteGroup.ipv4Address, RouteGroup.ipv4Route, RouteGroup.neighbour];
    kernel.monitor({ family: NetlinkFamily.ROUTE, groups }, (message) => {
      const event = readRouteEvent(message);
      if (event !== undefined) events.push(event);
    });
    const route = kernel.route();
    expect((await route.links()).map(({ name, up, loopback }) => ({ name, up, loopback }))).toEqual([
      { name: "lo", up: false, loopback: true },
    ]);
    expect(await route.link("br0")).toBeUndefined();
    await route.addLink({ name: "br0", kind: "bridge", up: true });
    await route.addVeth({ name: "veth0", peer: "veth1" });
    const bridge = (await route.link("br0"))?.index ?? 0;
    const near = await route.link("veth0");
    await route.setLink(near?.index ?? 0, { master: bridge, up: true, mtu: 1_400 });
    expect(await route.link("veth0")).toMatchObject({ kind: "veth", master: bridge, up: true, mtu: 1_400 });
    expect(near?.peer).toBe((await route.link("veth1"))?.index);

    const address4 = { index: bridge, address: ipAddress("10.1.0.1"), prefix: 24 };
    const address6 = { index: bridge, address: ipAddress("fd00::1"), prefix: 64 };
    await route.addAddress(address4);
    await route.addAddress(address6);
    expect(await route.addresses(bridge)).toEqual(expect.arrayContaining([address4, address6]));
    await expect(route.addAddress(address4)).rejects.toMatchObject({ code: "EEXIST" });

    const destination = { address: ipAddress("10.9.0.0"), prefix: 16 };
    await route.addRoute({ destination, gateway: ipAddress("10.1.0.7"), priority: 50 });
    await route.addRoute({ destination: { address: ipAddress("fd09::"), prefix: 32 }, output: bridge });
    await route.addRoute({ gateway: ipAddress("10.1.0.8"), table: 1_000 });
    const routes = await route.routes("IPv4");
    expect(routes).toContainEqual(
      expect.objectContaining({ destination, gateway: "10.1.0.7", priority: 50, output: bridge }),
    );
    expect(routes).toContainEqual(expect.objectContaining({ gateway: "10.1.0.8", table: 1_000 }));
    expect((await route.routes("IPv6")).map((each) => each.destination?.address)).toContain("fd09::");
    await route.deleteRoute({ destination, priority: 50 });
    expect((await route.routes("IPv4")).map((each) => each.destination?.address)).not.toContain("10.9.0.0");

    const neighbour = { index: bridge, address: ipAddress("10.1.0.7"), linkAddress: "02:00:00:00:00:07" };
    await route.setNeighbour(neighbour);
    expect(await route.neighbours("IPv4")).toContainEqual({ ...neighbour, state: 0x80 });
    await route.deleteNeighbour(neighbour);
    await route.deleteAddress(address4);
    expect((await route.addresses(bridge)).map(({ address }) => address)).not.toContain("10.1.0.1");
    await route.deleteLink(near?.index ?? 0);
    expect(await route.link("veth1")).toBeUndefined();

    await eventually(() => {
      const kinds = new Set(events.map((event) => `${event.kind} ${event.deleted}`));
      expect([...kinds].sort()).toEqual([
        "address false",
        "address true",
        "link false",
        "link true",
        "neighbour false",
        "neighbour true",
        "route false",
        "route true",
      ]);
    });
  });

  test("takes and gives thousands of addresses in few writes, each for itself", async () => {
    const route = kernel.route();
    await route.addLink({ name: "br1", kind: "bridge" });
    const { index } = (await route.link("br1")) ?? { index: 0 };
    const address = (number: number) => ({
      index,
      address: ipAddress(`10.3.${number >> 8}.${number & 0xff}`),
      prefix: 32,
    });
    const all = Array.from({ length: 2_000 }, (_, number) => ({ kind: "add", address: address(number) }) as const);
    expect(await route.changeAddresses(all)).toEqual([]);
    expect(await route.addresses(index)).toHaveLength(2_000);
    const again = await route.changeAddresses([
      { kind: "add", address: address(7) },
      { kind: "delete", address: address(2_000) },
      { kind: "delete", address: address(8) },
    ]);
    expect(again.map(({ index: at, code }) => [at, code])).toEqual([
      [0, "EEXIST"],
      [1, "EADDRNOTAVAIL"],
    ]);
    expect(await route.addresses(index)).toHaveLength(1_999);
  });

  test("can be moved to another namespace, or begin there", async () => {
    const route = kernel.route();
    await using other = await holdNamespace();
    await route.addVeth({ name: "here0", peer: "there0", peerProcess: other.pid });
    const there = openSync(`/proc/${other.pid}/ns/net`, "r");
    await route.addVeth({ name: "here2", peer: "there2", peerDescriptor: there });
    closeSync(there);
    await route.addVeth({ name: "here1", peer: "moves" });
    const moves = await route.link("moves");
    await route.setLink(moves?.index ?? 0, { namespaceProcess: other.pid, name: "there1" });
    const names = (await route.links()).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["here0", "here1", "here2"]));
    expect(names.filter((name) => name.startsWith("there") || name === "moves")).toEqual([]);
    for (const name of ["here0", "here1", "here2"]) await route.deleteLink((await route.link(name))?.index ?? 0);
  });

  test("are those of another namespace for a client that was opened there", async () => {
    await using other = await holdNamespace();
    const namespace = networkNamespaceAt(`/proc/${other.pid}/ns/net`);
    const there = openRouteClient({ clock: systemClock, namespace });
    await there.routes.addLink({ name: "only-there", kind: "bridge" });
    expect((await there.routes.links()).map(({ name }) => name)).toEqual(["lo", "only-there"]);
    expect(await kernel.route().link("only-there")).toBeUndefined();
    there.close();
  });

  test("are refused in the kernel's own words", async () => {
    const route = kernel.route();
    await expect(route.addLink({ name: "x0", kind: "unheard-of" })).rejects.toMatchObject({
      code: "ENOTSUP",
      refusals: [{ message: "Unknown device type" }],
    });
    const nowhere = { destination: { address: ipAddress("10.8.0.0"), prefix: 16 }, gateway: ipAddress("10.77.0.1") };
    await expect(route.addRoute(nowhere)).rejects.toMatchObject({
      code: "ENETUNREACH",
      refusals: [{ message: "Nexthop has invalid gateway" }],
    });
    await expect(route.deleteLink(9_999)).rejects.toMatchObject({ code: "ENODEV" });
    await expect(route.addLink({ name: "a name that is too long", kind: "bridge" })).rejects.toMatchObject({
      code: "NETLINK_ENCODE",
    });
  });
});
