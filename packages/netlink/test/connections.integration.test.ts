import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { eventually } from "@fairlead/testkit";
import { type IpAddress, ipAddress } from "@fairlead/types";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ConntrackEvent, readConntrackEvent } from "../src/conntrack/conntrack-client.ts";
import { ConntrackGroup } from "../src/conntrack/layouts.ts";
import {
  concatenation,
  encodeValue,
  inetProtocol,
  inetService,
  ipv4Address,
  mark,
} from "../src/nftables/data-types.ts";
import { CtStatus } from "../src/nftables/nftables-numbers.ts";
import { NftablesTransaction } from "../src/nftables/nftables-transaction.ts";
import * as rule from "../src/nftables/rule-expressions.ts";
import { dataMap } from "../src/nftables/set-description.ts";
import { NetlinkFamily } from "../src/transport.ts";
import { Kernel, whyNoKernel } from "./support/kernel.ts";
import { enterNewNetworkNamespace } from "@fairlead/sockets";

const table = "example";
const tcp = 6;
const node = ipAddress("10.1.0.1");
const virtual = ipAddress("10.96.0.1");

describe.skipIf(whyNoKernel())("connections through our own rules", () => {
  const kernel = new Kernel();
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  let leave = (): void => undefined;

  async function serve(): Promise<number> {
    const server = createServer((socket) =>
      socket.on("error", () => undefined).end(String((server.address() as AddressInfo).port)),
    );
    servers.push(server.listen(0, node));
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  /** Connects, and returns who answered. */
  async function ask(address: IpAddress, port: number): Promise<number> {
    const socket = connect(port, address);
    sockets.push(socket);
    const [answer] = (await once(socket, "data")) as [Buffer];
    return Number(answer.toString());
  }

  beforeAll(async () => {
    leave = enterNewNetworkNamespace();
    const route = kernel.route();
    const loopback = (await route.link("lo"))?.index ?? 0;
    await route.setLink(loopback, { up: true });
    await route.addAddress({ index: loopback, address: node, prefix: 32 });
    await route.addRoute({
      destination: { address: ipAddress("10.96.0.0"), prefix: 16 },
      output: loopback,
      preferredSource: node,
    });
  });

  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    kernel.close();
    leave();
  });

  test("reach every endpoint of a flat map, are found in the table of connections, told of, and forgotten", async () => {
    const nft = kernel.nftables();
    const conntrack = kernel.conntrack();
    const events: ConntrackEvent[] = [];
    kernel.monitor(
      { family: NetlinkFamily.NETFILTER, groups: [ConntrackGroup.new, ConntrackGroup.destroy] },
      (message) => {
        const event = readConntrackEvent(message);
        if (event !== undefined) events.push(event);
      },
    );
    const ports = [await serve(), await serve()];
    const key = concatenation(ipv4Address, inetProtocol, inetService, mark);
    const endpoint = concatenation(ipv4Address, inetService);
    const { packetField: field } = rule;
    const transaction = new NftablesTransaction({ family: "ip" })
      .addTable({ name: table })
      .addSet(dataMap({ table, name: "endpoints", key, data: endpoint, id: 1 }))
      .addElements(
        { table, set: "endpoints" },
        ports.map((port, number) => ({
          key: { value: encodeValue(key, [virtual, tcp, 80, number]) },
          data: { value: encodeValue(endpoint, [node, port]) },
        })),
      )
      .addChain({ table, name: "output", type: "nat", hook: { number: 3, priority: -100 } })
      .addRule({
        table,
        chain: "output",
        expressions: [
          rule.payload(field.ipDestination, 8),
          rule.meta("l4proto", 9),
          rule.payload(field.destinationPort, 10),
          rule.numgen("inc", 2, 11),
          rule.lookup("endpoints", 8, { destination: 8 }),
          rule.nat("dnat", "ip", { address: 8, port: 9 }),
        ],
      });
    await nft.commit(transaction);
    const answers = new Set<number>();
    for (let index = 0; index < 6; index++) answers.add(await ask(virtual, 80));
    expect(answers).toEqual(new Set(ports));

    const ours = {
      protocol: tcp,
      matches: ({ original }: { original: { destination: string } }) => original.destination === virtual,
    };
    const found = await conntrack.list({ family: "IPv4", ...ours });
    expect(found).toHaveLength(6);
    for (const { original, reply, status } of found) {
      expect(original).toMatchObject({ protocol: tcp, destination: virtual, destinationPort: 80, source: node });
      expect(ports).toContain(reply.sourcePort);
      expect(reply.source).toBe(node);
      expect(status & CtStatus.dnat).toBe(CtStatus.dnat);
    }
    expect(await conntrack.list({ family: "IPv6", ...ours })).toEqual([]);
    expect(await conntrack.list({ mark: { value: 7, mask: 0xff }, ...ours })).toEqual([]);

    const [first, ...others] = found;
    if (first === undefined) throw new Error("nothing was found");
    expect(await conntrack.delete({ ...first, id: (first.id ^ 1) >>> 0 })).toBe(false);
    expect(await conntrack.delete(first)).toBe(true);
    expect(await conntrack.delete(first)).toBe(false);
    expect(await conntrack.deleteAll([first, ...others])).toBe(others.length);

    // A late packet of an old connection may make a new entry: what counts is that the old ones are gone.
    const ids = found.map(({ id }) => id);
    expect((await conntrack.list(ours)).filter(({ id }) => ids.includes(id))).toEqual([]);
    await eventually(() => {
      for (const kind of ["new", "destroy"]) {
        const heard = events.filter((event) => event.kind === kind).map(({ entry }) => entry.id);
        expect(heard).toEqual(expect.arrayContaining(ids));
      }
    });
  });
});
