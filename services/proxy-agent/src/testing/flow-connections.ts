/** TCP connections that are open while Services change, and Services whose addresses and ports change. */
import { LabConnection, outcomeText } from "@fairlead/netlab";
import { port as portNumber } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import type { Frontend, ServicePortEntry } from "../plan/entry.ts";
import type { FlowBench } from "./flow-bench.ts";
import { families } from "./flow-packets.ts";
import { placements } from "./flow-table.ts";

const kinds = ["ClusterIP", "NodePort", "ExternalIP", "LoadBalancer"] as const;
const clients = ["outside-1", "b", "node-1"] as const;

/** A second port of the servers, and of Services. */
const otherTargetPort = 8_081;
const otherServicePort = portNumber(8_000);

/** Asks about open connections and changed addresses. */
export function describeConnections(bench: () => FlowBench): void {
  const services = (): ServicePortEntry[] =>
    families.map((family) => bench().service({ family, protocol: "TCP", placement: placements.here, kinds }));
  const update = (before: readonly ServicePortEntry[], after: readonly ServicePortEntry[]): Promise<void> =>
    bench().apply({ updated: before.map((one, index) => ({ before: one, after: after[index] as ServicePortEntry })) });
  /** Who answers at any of the addresses, each once. */
  const everywhere = async (entries: readonly ServicePortEntry[]): Promise<readonly string[]> => {
    const frontends = entries.flatMap((entry) => entry.frontends);
    const asked = frontends.map((frontend) => bench().answers("outside-1", frontend, "TCP", 1));
    return [...new Set((await Promise.all(asked)).flat())].sort();
  };

  describe("open connections", () => {
    it("go on when their endpoint is on standby, has gone, and when the Service has gone", async () => {
      const entries = services();
      await bench().apply({ added: entries });
      const connections = await connectionsTo(bench(), entries);
      const alive = async (line: string): Promise<void> => {
        const lines = connections.map((connection) => connection.say(line));
        expect(await Promise.all(lines)).toEqual(connections.map(() => line));
      };
      await alive("open");
      const draining = entries.map((entry) =>
        bench().withEndpoints(entry, {
          cluster: ["d"],
          local: [],
          standby: [{ name: "a", serving: true }],
        }),
      );
      await update(entries, draining);
      await alive("on standby");
      expect(await everywhere(draining)).toEqual(["d"]);
      const gone = draining.map((entry) => bench().withEndpoints(entry, placements.elsewhere));
      await update(draining, gone);
      if (bench().subject.limits?.connectionsEndWithTheirEndpoint !== true) await alive("gone");
      await bench().apply({ removed: gone });
      if (bench().subject.limits?.connectionsEndWithTheirEndpoint !== true) await alive("without a Service");
      for (const connection of connections) connection.close();
    });
  });

  describe("Services that change", () => {
    it("lead to other ports of their endpoints", async () => {
      await bench().serve(otherTargetPort, "TCP", ["c", "f"]);
      const entries = services();
      await bench().apply({ added: entries });
      expect(await everywhere(entries)).toEqual(["a"]);
      const next = entries.map((entry) =>
        bench().withEndpoints(entry, { cluster: ["c"], local: ["c"] }, { targetPort: otherTargetPort }),
      );
      await update(entries, next);
      expect(await everywhere(next)).toEqual(["c"]);
      const elsewhere = next.map((entry) =>
        bench().withEndpoints(entry, { cluster: ["f"], local: [] }, { targetPort: otherTargetPort }),
      );
      await update(next, elsewhere);
      expect(await everywhere(elsewhere)).toEqual(["f"]);
      await bench().apply({ removed: elsewhere });
    });

    it("serve at other ports, and not at the former ones", async () => {
      const entries = services();
      await bench().apply({ added: entries });
      const moved = entries.map((entry, index) =>
        withFrontends(entry, (frontend) => ({
          ...frontend,
          port: frontend.kind === "NodePort" ? portNumber(frontend.port + 1_000 + index) : otherServicePort,
        })),
      );
      await update(entries, moved);
      expect(await everywhere(moved)).toEqual(["a"]);
      const former = entries.flatMap((entry) =>
        entry.frontends
          .filter(({ kind }) => kind === "ClusterIP" || kind === "NodePort")
          .map((frontend) => bench().answers("outside-1", frontend, "TCP", 1)),
      );
      expect((await Promise.all(former)).flat()).toEqual(former.map(() => "refused"));
      await update(moved, entries);
      expect(await everywhere(entries)).toEqual(["a"]);
      await bench().apply({ removed: entries });
    });

    it("serve at other addresses, and not at the former ones", async () => {
      const entries = services();
      const others = services();
      await bench().apply({ added: entries });
      const moved = entries.map((entry, index) => ({
        ...entry,
        frontends: (others[index] as ServicePortEntry).frontends,
      }));
      await update(entries, moved);
      expect(await everywhere(moved)).toEqual(["a"]);
      const former = entries.flatMap((entry) =>
        entry.frontends.map((frontend) => bench().ask("outside-1", frontend, "TCP")),
      );
      for (const outcome of await Promise.all(former)) expect(["dropped", "refused"]).toContain(outcome.kind);
      await bench().apply({ removed: moved });
    });

    it("lose and gain kinds of addresses, as when their type changes", async () => {
      const entries = services();
      const plain = entries.map((entry) => ({
        ...entry,
        frontends: entry.frontends.filter(({ kind }) => kind === "ClusterIP"),
      }));
      await bench().apply({ added: plain });
      await update(plain, entries);
      expect(await everywhere(entries)).toEqual(["a"]);
      await update(entries, plain);
      expect(await everywhere(plain)).toEqual(["a"]);
      const lost = entries.flatMap((entry) =>
        entry.frontends
          .filter(({ kind }) => kind !== "ClusterIP")
          .map((frontend) => bench().ask("outside-1", frontend, "TCP")),
      );
      for (const outcome of await Promise.all(lost)) expect(["dropped", "refused"]).toContain(outcome.kind);
      await bench().apply({ removed: plain });
    });

    it("change their policy", async () => {
      const entries = services().map((entry) => bench().withEndpoints(entry, placements["here and elsewhere"]));
      await bench().apply({ added: entries });
      const local = entries.map((entry) => withFrontends(entry, (frontend) => ({ ...frontend, policy: "Local" })));
      await update(entries, local);
      const asked = local.flatMap((entry) =>
        entry.frontends.map((frontend) => bench().answers("outside-1", frontend, "TCP", 8)),
      );
      expect([...new Set((await Promise.all(asked)).flat())]).toEqual(["a"]);
      await update(local, entries);
      const both = entries.map(async (entry) => {
        const answers = await bench().answers("outside-1", bench().at(entry, "NodePort"), "TCP", 32);
        expect([...new Set(answers)].sort()).toEqual(["a", "d"]);
      });
      await Promise.all(both);
      await bench().apply({ removed: entries });
    });

    it("hand an address on to another Service in one change", async () => {
      const entries = services();
      await bench().apply({ added: entries });
      const heirs = services().map((entry, index) => ({
        ...bench().withEndpoints(entry, placements.elsewhere),
        frontends: (entries[index] as ServicePortEntry).frontends,
      }));
      await bench().apply({ added: heirs, removed: entries });
      expect(await everywhere(heirs)).toEqual(["d"]);
      await bench().apply({ removed: heirs });
    });

    it("come again after they had gone", async () => {
      const entries = services();
      for (let time = 0; time < 2; time++) {
        await bench().apply({ added: entries });
        expect(await everywhere(entries)).toEqual(["a"]);
        await bench().apply({ removed: entries });
      }
    });
  });
}

/** An open connection of each client to each address. */
async function connectionsTo(
  bench: FlowBench,
  entries: readonly ServicePortEntry[],
): Promise<readonly LabConnection[]> {
  const opened = entries.flatMap((entry) =>
    entry.frontends.flatMap((frontend) => clients.map((client) => bench.host(client).open(frontend))),
  );
  return (await Promise.all(opened)).map((connection) => {
    if (connection instanceof LabConnection) return connection;
    throw new Error(`no connection: ${outcomeText(connection)}`);
  });
}

function withFrontends(entry: ServicePortEntry, change: (frontend: Frontend) => Frontend): ServicePortEntry {
  return { ...entry, frontends: entry.frontends.map(change) };
}
