/** UDP flows and what the kernel remembers of them: who keeps an endpoint, who has to leave it, what is forgotten. */
import { type LabDatagrams, outcomeText } from "@fairlead/netlab";
import { describe, expect, it } from "vitest";
import type { FrontendKind, ServicePortEntry } from "../plan/entry.ts";
import type { FlowBench } from "./flow-bench.ts";
import { families } from "./flow-packets.ts";
import type { EndpointName, Placement } from "./flow-table.ts";

const kinds = ["ClusterIP", "NodePort", "LoadBalancer"] as const;
const clients = ["outside-1", "b", "node-1"] as const;
/** Datagrams of one flow. */
const datagramsOfFlow = 10;

const one: Placement = placed("a");

/** Asks about UDP. */
export function describeDatagrams(bench: () => FlowBench): void {
  describe("UDP flows", () => {
    const services = (placement: Placement, at: readonly FrontendKind[] = kinds): ServicePortEntry[] =>
      families.map((family) => bench().service({ family, protocol: "UDP", placement, kinds: at }));

    const become = async (
      entries: readonly ServicePortEntry[],
      placement: Placement,
    ): Promise<readonly ServicePortEntry[]> => {
      const next = entries.map((entry) => bench().withEndpoints(entry, placement));
      await bench().apply({
        updated: entries.map((before, index) => ({ before, after: next[index] as ServicePortEntry })),
      });
      return next;
    };

    it("stay with their endpoint, also when others come", async () => {
      const entries = services(placed("a", "d"));
      await bench().apply({ added: entries });
      const flows = await flowsTo(bench(), entries);
      const before = await Promise.all(flows.map((flow) => heard(flow, datagramsOfFlow)));
      for (const answers of before) expect([...new Set(answers)]).toHaveLength(1);
      const more = await become(entries, placed("a", "c", "d", "f"));
      const after = await Promise.all(flows.map((flow) => heard(flow, datagramsOfFlow)));
      expect(after).toEqual(before);
      await endOf(bench(), flows, more);
    });

    it("go to another endpoint with the next datagram when theirs has gone, or is there and serves no more", async () => {
      const entries = services(one);
      await bench().apply({ added: entries });
      const flows = await flowsTo(bench(), entries);
      const asked = (): Promise<string[][]> => Promise.all(flows.map((flow) => heard(flow, 1)));
      expect(await asked()).toEqual(flows.map(() => ["a"]));
      const gone = await become(entries, placed("d"));
      expect(await asked()).toEqual(flows.map(() => ["d"]));
      const resting = await become(gone, { ...placed("c"), standby: [{ name: "d", serving: false }] });
      expect(await asked()).toEqual(flows.map(() => ["c"]));
      await endOf(bench(), flows, resting);
    });

    it("may stay with an endpoint on standby that still serves, and new ones do not go there", async () => {
      const entries = services(one);
      await bench().apply({ added: entries });
      const flows = await flowsTo(bench(), entries);
      await Promise.all(flows.map((flow) => heard(flow, 1)));
      const draining = await become(entries, { ...placed("d"), standby: [{ name: "a", serving: true }] });
      for (const [answer] of await Promise.all(flows.map((flow) => heard(flow, 1))))
        expect(["a", "d"]).toContain(answer);
      const fresh = await flowsTo(bench(), draining);
      expect(await Promise.all(fresh.map((flow) => heard(flow, 1)))).toEqual(fresh.map(() => ["d"]));
      await endOf(bench(), [...flows, ...fresh], draining);
    });

    it("are refused or dropped where there is no endpoint, and answered once there is one", async () => {
      const refusing = services({ cluster: [], local: [] });
      const dropping = services({ cluster: ["d"], local: [] }, ["ClusterIP"]).map(ofPolicyLocal);
      await bench().apply({ added: [...refusing, ...dropping] });
      const flows = await flowsTo(bench(), refusing);
      const waiting = await flowsTo(bench(), dropping, ["b"]);
      expect(await Promise.all(flows.map((flow) => heard(flow, 1)))).toEqual(flows.map(() => ["refused"]));
      const nobody = await Promise.all(waiting.map((flow) => heard(flow, 1)));
      for (const [answer] of nobody) expect(["dropped", "refused"]).toContain(answer);
      const ready = await become([...refusing, ...dropping], one);
      const all = [...flows, ...waiting];
      expect(await Promise.all(all.map((flow) => heard(flow, 1)))).toEqual(all.map(() => ["a"]));
      await endOf(bench(), all, ready);
    });

    it("get to a Service that came after them, and no further once it has gone", async () => {
      const entries = services(one);
      const flows = await flowsTo(bench(), entries);
      for (const [answer] of await Promise.all(flows.map((flow) => heard(flow, 1)))) {
        expect(["dropped", "refused"]).toContain(answer);
      }
      await bench().apply({ added: entries });
      expect(await Promise.all(flows.map((flow) => heard(flow, datagramsOfFlow)))).toEqual(
        flows.map(() => Array.from({ length: datagramsOfFlow }, () => "a")),
      );
      await bench().apply({ removed: entries });
      for (const [answer] of await Promise.all(flows.map((flow) => heard(flow, 1)))) {
        expect(["dropped", "refused"]).toContain(answer);
      }
      await endOf(bench(), flows, []);
    });
  });
}

/** A flow of each client to each address. */
function flowsTo(
  bench: FlowBench,
  entries: readonly ServicePortEntry[],
  from: readonly string[] = clients,
): Promise<readonly LabDatagrams[]> {
  return Promise.all(
    entries.flatMap((entry) =>
      entry.frontends.flatMap((frontend) => from.map((client) => bench.host(client).datagrams(frontend))),
    ),
  );
}

/** Who answers so many datagrams, one after the other; or what happens instead. */
async function heard(flow: LabDatagrams, times: number): Promise<string[]> {
  const answers: string[] = [];
  for (let time = 0; time < times; time++) {
    const outcome = await flow.ask();
    answers.push(outcome.kind === "answered" ? outcome.by : outcomeText(outcome));
  }
  return answers;
}

async function endOf(
  bench: FlowBench,
  flows: readonly LabDatagrams[],
  entries: readonly ServicePortEntry[],
): Promise<void> {
  for (const flow of flows) flow.close();
  if (entries.length > 0) await bench.apply({ removed: entries });
}

function ofPolicyLocal(entry: ServicePortEntry): ServicePortEntry {
  return { ...entry, frontends: entry.frontends.map((frontend) => ({ ...frontend, policy: "Local" as const })) };
}

function placed(...endpoints: readonly EndpointName[]): Placement {
  return { cluster: endpoints, local: endpoints.filter((name) => name === "a" || name === "c") };
}
