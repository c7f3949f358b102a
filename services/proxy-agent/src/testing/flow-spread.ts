/** How connections are spread over endpoints, and that a change of the list is all that it takes to spread them anew. */
import { describe, expect, it } from "vitest";
import type { ServicePortEntry } from "../plan/entry.ts";
import type { FlowBench, ServiceSpec } from "./flow-bench.ts";
import { families } from "./flow-packets.ts";
import type { EndpointName } from "./flow-table.ts";

/** Connections of a test that counts shares: each is within bounds that chance keeps to all but once in a million times. */
const connections = 400;
/** Times that endpoints are asked for until each was seen; with four, one is missed once in 10^12 times. */
const maxAsked = 100;
const askedAtATime = 20;

/** Asks who gets which share. */
export function describeSpread(bench: () => FlowBench): void {
  const service = (names: readonly EndpointName[], spec: Partial<ServiceSpec> = {}): ServicePortEntry =>
    bench().service({ family: "IPv4", protocol: "TCP", placement: placed(names), kinds: ["NodePort"], ...spec });

  describe("new connections", () => {
    it("are spread over all endpoints alike", async () => {
      const entries = [
        service(["a", "c", "d", "f"]),
        service(["a", "c", "d", "f"], { family: "IPv6", protocol: "UDP" }),
      ];
      await bench().apply({ added: entries });
      for (const entry of entries) {
        const shares = await sharesOf(bench(), entry);
        expect(Object.keys(shares).sort()).toEqual(["a", "c", "d", "f"]);
        // 100 each is expected, with a standard deviation of 9.
        for (const share of Object.values(shares)) expect(Math.abs(share - 100)).toBeLessThan(50);
      }
      await bench().apply({ removed: entries });
    });

    it("are spread by weight, and none goes to an endpoint of weight 0", async () => {
      const weights = { a: 1, c: 0, d: 3 };
      const entries = [service(["a", "c", "d"], { weights, scheduler: "wrr" })];
      if (bench().subject.limits?.weightsNeedScheduler !== true) entries.push(service(["a", "c", "d"], { weights }));
      await bench().apply({ added: entries });
      for (const entry of entries) {
        const { a = 0, c = 0, d = 0 } = await sharesOf(bench(), entry);
        expect([a + d, c]).toEqual([connections, 0]);
        expect(Math.abs(d - 300)).toBeLessThan(50);
      }
      await bench().apply({ removed: entries });
    });

    it("go to whichever endpoints there are now: more, fewer, others, none, and some again", async () => {
      const steps: readonly (readonly EndpointName[])[] = [
        ["a"],
        ["a", "c", "d"],
        ["c", "d"],
        ["a", "c", "d", "f"],
        ["f"],
        ["a"],
        ["c", "d"],
        ["a", "f"],
        [],
        ["a", "d", "f"],
      ];
      let entries = families.map((family) => service([], { family, kinds: ["NodePort", "ClusterIP"] }));
      await bench().apply({ added: entries });
      for (const step of steps) {
        const next = entries.map((entry) => bench().withEndpoints(entry, placed(step)));
        await bench().apply({
          updated: entries.map((before, index) => ({ before, after: next[index] as ServicePortEntry })),
        });
        entries = next;
        const seen = entries.map(async (entry) => [...(await seenAt(bench(), entry, step.length))].sort());
        const expected = step.length === 0 ? ["refused"] : [...step];
        expect(await Promise.all(seen)).toEqual(entries.map(() => expected));
      }
      await bench().apply({ removed: entries });
    });
  });
}

function placed(names: readonly EndpointName[]): ServiceSpec["placement"] {
  return { cluster: names, local: names.filter((name) => name === "a" || name === "c") };
}

async function sharesOf(bench: FlowBench, entry: ServicePortEntry): Promise<Readonly<Record<string, number>>> {
  const answers = await bench.answers("outside-1", bench.at(entry, "NodePort"), entry.protocol, connections);
  const shares: Record<string, number> = {};
  for (const answer of answers) shares[answer] = (shares[answer] ?? 0) + 1;
  return shares;
}

/** Who answers at any of the addresses, asked until there are that many. */
async function seenAt(bench: FlowBench, entry: ServicePortEntry, count: number): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (let asked = 0; asked < maxAsked; asked += askedAtATime) {
    for (const frontend of entry.frontends) {
      const answers = await bench.answers("outside-1", frontend, entry.protocol, askedAtATime / entry.frontends.length);
      for (const answer of answers) seen.add(answer);
    }
    if (seen.size >= Math.max(count, 1)) break;
  }
  return seen;
}
