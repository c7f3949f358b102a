import { FakeClock } from "@fairlead/testkit";
import { ipAddress, IpFamily } from "@fairlead/types";
import { describe, expect, test } from "vitest";
import { ConntrackClient, readConntrackEvent } from "../src/conntrack/conntrack-client.ts";
import { conntrackLayout, ConntrackMessage } from "../src/conntrack/layouts.ts";
import { Conversation } from "../src/conversation.ts";
import { addressLayout, linkLayout, neighbourLayout, routeLayout, RouteMessage } from "../src/route/layouts.ts";
import { readRouteEvent, RouteClient } from "../src/route/route-client.ts";
import { fakeAcknowledgement, FakeNetlinkTransport } from "../src/testing.ts";
import { type MessageView, readMessage } from "../src/wire/message.ts";
import { messagesOf } from "./support/goldens.ts";

function setup() {
  const transport = new FakeNetlinkTransport((messages) => messages.map((message) => fakeAcknowledgement(message, 0)));
  const conversation = new Conversation({ transport, clock: new FakeClock() });
  const written = (): MessageView => transport.writes.at(-1)?.[0] as MessageView;
  return { route: new RouteClient({ conversation }), conntrack: new ConntrackClient({ conversation }), written };
}

/** What a command wrote last of that type: `ip` asks first what the kernel can do. */
function sent(command: string, type: number): MessageView {
  return messagesOf(command).findLast((message) => message.type === type) as MessageView;
}

describe("requests are what ip makes of the same words", () => {
  test("links", async () => {
    const { route, written } = setup();
    await route.addLink({ name: "br0", kind: "bridge" });
    const bridge = sent("ip link add br0 type bridge", RouteMessage.NEW_LINK);
    expect(readMessage(linkLayout, written())).toEqual(readMessage(linkLayout, bridge));
    await route.addVeth({ name: "v0", peer: "v1" });
    const veth = sent("ip link add v0 type veth peer name v1", RouteMessage.NEW_LINK);
    expect(readMessage(linkLayout, written())).toEqual(readMessage(linkLayout, veth));
  });

  test("addresses, routes and neighbours", async () => {
    const { route, written } = setup();
    const index = 2;
    await route.addAddress({ index, address: ipAddress("10.1.0.1"), prefix: 24 });
    const address = sent("ip address add 10.1.0.1/24 dev br0", RouteMessage.NEW_ADDRESS);
    expect(readMessage(addressLayout, written())).toEqual(readMessage(addressLayout, address));
    const destination = { address: ipAddress("10.9.0.0"), prefix: 16 };
    await route.addRoute({ destination, gateway: ipAddress("10.1.0.7") });
    const made = sent("ip route add 10.9.0.0/16 via 10.1.0.7", RouteMessage.NEW_ROUTE);
    const { header, attributes } = readMessage(routeLayout, made);
    // By `ip` the protocol is "boot"; ours is "static", as nothing reverts it.
    expect(readMessage(routeLayout, written())).toEqual({ header: { ...header, protocol: 4 }, attributes });
    await route.setNeighbour({ index, address: ipAddress("10.1.0.7"), linkAddress: "02:00:00:00:00:07" });
    const neighbour = sent(
      "ip neighbour replace 10.1.0.7 lladdr 02:00:00:00:00:07 dev br0 nud permanent",
      RouteMessage.NEW_NEIGHBOUR,
    );
    expect(readMessage(neighbourLayout, written())).toEqual(readMessage(neighbourLayout, neighbour));
  });

  test("a route without any address has to name its family", async () => {
    const { route, written } = setup();
    await expect(route.addRoute({ output: 2 })).rejects.toMatchObject({ code: "NETLINK_ENCODE" });
    await route.addRoute({ output: 2, family: IpFamily.v6 });
    expect(readMessage(routeLayout, written()).header.family).toBe(10);
  });
});

describe("answers of the kernel are read", () => {
  test("links, addresses and routes", () => {
    const answers = (command: string): unknown[] => messagesOf(command, "answer").map((each) => readRouteEvent(each));
    expect(answers("ip link show")).toContainEqual({
      kind: "link",
      deleted: false,
      link: expect.objectContaining({ name: "v0", kind: "veth", up: true, master: 2, mtu: 1_500 }),
    });
    expect(answers("ip address show")).toContainEqual({
      kind: "address",
      deleted: false,
      address: { index: 2, address: "fd00::1", prefix: 64 },
    });
    expect(answers("ip -6 route show table all")).toContainEqual(
      expect.objectContaining({ route: expect.objectContaining({ destination: { address: "fd00::", prefix: 64 } }) }),
    );
    expect(answers("ip neighbour show")).toContainEqual(
      expect.objectContaining({
        neighbour: expect.objectContaining({ linkAddress: "02:00:00:00:00:07", state: 0x80 }),
      }),
    );
  });

  test("connections of both families", () => {
    const entries = messagesOf("conntrack -L", "answer").flatMap((message) => readConntrackEvent(message)?.entry ?? []);
    expect(entries).toContainEqual(
      expect.objectContaining({
        original: {
          protocol: 6,
          source: "10.1.0.2",
          destination: "10.96.0.1",
          sourcePort: 40_000,
          destinationPort: 80,
        },
        reply: {
          protocol: 6,
          source: "10.244.0.2",
          destination: "10.1.0.2",
          sourcePort: 8_080,
          destinationPort: 40_000,
        },
      }),
    );
    expect(entries.map(({ original }) => original.destination)).toContain("fd00::96");
  });

  test("a deletion names its connection as conntrack does, and by its id", async () => {
    const { conntrack, written } = setup();
    const entry = messagesOf("conntrack -L", "answer")
      .flatMap((message) => readConntrackEvent(message)?.entry ?? [])
      .find(({ original }) => original.protocol === 6);
    if (entry === undefined) throw new Error("there is no golden of it");
    await conntrack.delete(entry);
    const theirs = readMessage(
      conntrackLayout,
      sent("conntrack -D -p tcp --orig-port-dst 80", ConntrackMessage.DELETE),
    );
    const ours = readMessage(conntrackLayout, written());
    expect(ours.header).toEqual(theirs.header);
    expect(ours.attributes.original).toEqual(theirs.attributes.original);
    expect(ours.attributes.id).toBe(entry?.id);
  });
});
