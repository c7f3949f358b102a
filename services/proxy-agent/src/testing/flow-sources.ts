/** Who is let in, and what is left alone: source ranges of load balancers, ports that no Service has, traffic that is for none. */
import { type LabHost, labPlan, outcomeText } from "@fairlead/netlab";
import { type Cidr, cidr, type IpFamily, type Protocol } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import type { FrontendKind, ServicePortEntry } from "../plan/entry.ts";
import { endpointPort, type FlowBench, servicePort, type ServiceSpec } from "./flow-bench.ts";
import type { FlowQuestion } from "./flow-options.ts";
import { families } from "./flow-packets.ts";
import { type AskedQuestion, askQuestion, at, compared } from "./flow-questions.ts";
import { cellOf, flowClients, placements } from "./flow-table.ts";

const protocols = ["TCP", "UDP"] as const;
const ways = families.flatMap((family) => protocols.map((protocol) => ({ family, protocol })));

/** Which ranges a load balancer has, and what becomes of clients there: `!` marks those that the ranges keep out. */
const guarded: readonly {
  readonly name: string;
  readonly spec: Pick<ServiceSpec, "placement" | "policy">;
  readonly ranges: (family: IpFamily) => readonly Cidr[];
  readonly rows: readonly (readonly [kind: FrontendKind, client: FlowQuestion["client"], cell: string])[];
}[] = [
  {
    name: "for a client outside",
    spec: { placement: placements.here },
    ranges: (family) => [whole(labPlan.outsider(1)[family])],
    rows: [
      ["LoadBalancer", "outside-1", "a:node"],
      ["LoadBalancer", "outside-2", "!"],
      ["LoadBalancer", "a", "!"],
      ["LoadBalancer", "b", "!"],
      ["LoadBalancer", "node-1", "!"],
      ["LoadBalancer", "e", "!"],
      // Only load balancers have ranges.
      ["NodePort", "outside-2", "a:node"],
      ["ExternalIP", "outside-2", "a:node"],
      ["ClusterIP", "outside-2", "a:node"],
      ["ClusterIP", "b", "a:own"],
    ],
  },
  {
    name: "for nodes and pods",
    spec: { placement: placements.here },
    ranges: (family) => [labPlan.ranges[family].nodes, labPlan.ranges[family].pods],
    rows: [
      ["LoadBalancer", "node-1", "a:node"],
      ["LoadBalancer", "b", "a:node"],
      ["LoadBalancer", "e", "a:node"],
      ["LoadBalancer", "outside-1", "!"],
    ],
  },
  {
    name: "for a client outside, with policy Local",
    spec: { placement: placements["here and elsewhere"], policy: "Local" },
    ranges: (family) => [whole(labPlan.outsider(1)[family])],
    rows: [
      ["LoadBalancer", "outside-1", "a:own"],
      ["LoadBalancer", "outside-2", "!"],
      ["NodePort", "outside-2", "a:own"],
    ],
  },
  {
    name: "for a client outside, of a Service without endpoints",
    spec: { placement: placements.none },
    ranges: (family) => [whole(labPlan.outsider(1)[family])],
    rows: [
      ["LoadBalancer", "outside-1", "refused"],
      ["LoadBalancer", "outside-2", "!"],
    ],
  },
];

const everyKind = ["ClusterIP", "NodePort", "ExternalIP", "LoadBalancer"] as const;

/** Asks about load balancers' source ranges. */
export function describeSourceRanges(bench: () => FlowBench): void {
  describe("source ranges of load balancers", () => {
    for (const { name, spec, ranges, rows } of guarded) {
      it(`are ${name}`, async () => {
        const entries = ways.map((way) =>
          bench().service({ ...way, ...spec, kinds: everyKind, sourceRanges: ranges(way.family) }),
        );
        await bench().apply({ added: entries });
        const asked = entries.flatMap((entry) =>
          rows.map(([kind, client, cell]) => guardedQuestion(bench(), entry, kind, client, cell)),
        );
        const { heard, expected } = compared(bench(), await Promise.all(asked));
        expect(heard).toEqual(expected);
        await bench().apply({ removed: entries });
      });
    }

    it("change while the Service is there", async () => {
      const before = ways.map((way) =>
        bench().service({
          ...way,
          placement: placements.here,
          kinds: ["LoadBalancer"],
          sourceRanges: [whole(labPlan.outsider(1)[way.family])],
        }),
      );
      const withRanges = (entry: ServicePortEntry, sourceRanges: readonly Cidr[]): ServicePortEntry => ({
        ...entry,
        frontends: entry.frontends.map((frontend) => ({ ...frontend, sourceRanges })),
      });
      const asked = (entries: readonly ServicePortEntry[], first: string, second: string): Promise<AskedQuestion[]> =>
        Promise.all(
          entries.flatMap((entry) => [
            guardedQuestion(bench(), entry, "LoadBalancer", "outside-1", first),
            guardedQuestion(bench(), entry, "LoadBalancer", "outside-2", second),
          ]),
        );
      const changed = async (from: readonly ServicePortEntry[], to: readonly ServicePortEntry[]): Promise<void> =>
        bench().apply({ updated: from.map((one, index) => ({ before: one, after: to[index] as ServicePortEntry })) });
      await bench().apply({ added: before });
      const first = compared(bench(), await asked(before, "a:node", "!"));
      expect(first.heard).toEqual(first.expected);
      const other = before.map((entry) => withRanges(entry, [whole(labPlan.outsider(2)[entry.family])]));
      await changed(before, other);
      const second = compared(bench(), await asked(other, "!", "a:node"));
      expect(second.heard).toEqual(second.expected);
      const everybody = before.map((entry) => withRanges(entry, []));
      await changed(other, everybody);
      const third = compared(bench(), await asked(everybody, "a:node", "a:node"));
      expect(third.heard).toEqual(third.expected);
      await bench().apply({ removed: everybody });
    });
  });
}

/** Asks about what is for no Service. */
export function describeOthersTraffic(bench: () => FlowBench): void {
  describe("what no Service has", () => {
    it("is refused where it is another port or protocol of a cluster IP", async () => {
      const entries = ways.map((way) =>
        bench().service({ ...way, placement: placements["here and elsewhere"], kinds: ["ClusterIP"] }),
      );
      await bench().apply({ added: entries });
      const refused = async (client: string, place: At, protocol: Protocol): Promise<void> => {
        const outcome = await bench().ask(client, place, protocol);
        expect(`${client} at ${place.address} ${place.port}: ${outcome.kind}`).toBe(
          `${client} at ${place.address} ${place.port}: refused`,
        );
      };
      const asked = entries.flatMap((entry) => {
        const { address } = bench().at(entry, "ClusterIP");
        const otherProtocol = entry.protocol === "TCP" ? "UDP" : "TCP";
        return flowClients.flatMap((client) => [
          refused(client, { address, port: servicePort + 1 }, entry.protocol),
          refused(client, { address, port: servicePort }, otherProtocol),
        ]);
      });
      await Promise.all(asked);
      await bench().apply({ removed: entries });
    });

    it("goes to pods and nodes untouched, also at the number of a node port", async () => {
      const entries = ways.map((way) =>
        bench().service({ ...way, placement: placements.elsewhere, kinds: ["NodePort", "ClusterIP"] }),
      );
      await bench().apply({ added: entries });
      const direct = async (client: LabHost, name: "a" | "c", place: At, protocol: Protocol): Promise<void> => {
        const family = place.address.includes(":") ? "IPv6" : "IPv4";
        const node = labPlan.podGateway(1)[family];
        const source = client.name === "node-1" ? node : client.addresses[family];
        expect(outcomeText(await client.ask(place, protocol))).toBe(`${name} sees ${source}`);
      };
      const clients = ["b", "node-1", "e", "node-2", "outside-1"].map((name) => bench().host(name));
      for (const entry of entries) {
        const { family, protocol } = entry;
        const { port } = bench().at(entry, "NodePort");
        await bench().serve(port, protocol, ["c"]);
        const { a, c } = { a: bench().host("a").addresses[family], c: bench().host("c").addresses[family] };
        await Promise.all(
          clients.flatMap((client) => [
            direct(client, "a", { address: a, port: endpointPort }, protocol),
            // A server of the pod's own, at the number of the node port.
            direct(client, "c", { address: c, port }, protocol),
          ]),
        );
        // No other port of the node, and no other node.
        const own = await bench().ask("outside-1", { address: labPlan.node(1)[family], port: endpointPort }, protocol);
        expect(outcomeText(own)).toBe(`node-1 sees ${labPlan.outsider(1)[family]}`);
        const other = await bench().ask("b", { address: labPlan.node(2)[family], port }, protocol);
        expect(outcomeText(other)).toBe("refused");
      }
      await bench().apply({ removed: entries });
    });

    it("is kept apart where TCP and UDP have the same port of the same address", async () => {
      const [tcp, udp] = families.flatMap((family) => {
        const one = bench().service({ family, protocol: "TCP", placement: placements.here, kinds: everyKind });
        const other = bench().service({ family, protocol: "UDP", placement: placements.elsewhere, kinds: everyKind });
        return [[one, { ...other, frontends: one.frontends }] as const];
      }) as [readonly [ServicePortEntry, ServicePortEntry], readonly [ServicePortEntry, ServicePortEntry]];
      await bench().apply({ added: [...tcp, ...udp] });
      for (const [stream, datagrams] of [tcp, udp]) {
        for (const kind of everyKind) {
          const place = bench().at(stream, kind);
          expect(await bench().answers("outside-1", place, "TCP", 1), kind).toEqual(["a"]);
          expect(await bench().answers("outside-1", bench().at(datagrams, kind), "UDP", 1), kind).toEqual(["d"]);
        }
      }
      await bench().apply({ removed: [tcp[1], udp[1]] });
      expect(await bench().answers("outside-1", bench().at(tcp[0], "NodePort"), "TCP", 1)).toEqual(["a"]);
      await bench().apply({ removed: [tcp[0], udp[0]] });
    });
  });
}

interface At {
  readonly address: string;
  readonly port: number;
}

async function guardedQuestion(
  bench: FlowBench,
  entry: ServicePortEntry,
  kind: FrontendKind,
  client: FlowQuestion["client"],
  cell: string,
): Promise<AskedQuestion> {
  const question = at(bench, entry, kind, client);
  return cell === "!"
    ? askQuestion(bench, { ...question, refusedBy: "source ranges" }, cellOf("dropped"))
    : askQuestion(bench, question, cellOf(cell));
}

function whole(address: string): Cidr {
  return cidr(`${address}/${address.includes(":") ? 128 : 32}`);
}
