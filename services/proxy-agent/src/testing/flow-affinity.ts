/** ClientIP affinity: who stays with an endpoint, over what, and for how long. */
import { serviceKey, servicePortKey } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { entryKey, type FrontendKind, type ServicePortEntry } from "../plan/entry.ts";
import type { FlowBench, ServiceSpec } from "./flow-bench.ts";
import { families } from "./flow-packets.ts";
import type { EndpointName, Placement } from "./flow-table.ts";

const protocols = ["TCP", "UDP"] as const;
const ways = families.flatMap((family) => protocols.map((protocol) => ({ family, protocol })));
const kinds = ["ClusterIP", "NodePort", "ExternalIP", "LoadBalancer"] as const;
/** Clients that every address of a Service sees by one address. */
const clients = ["outside-1", "outside-2", "b"] as const;

const names: readonly EndpointName[] = ["a", "c", "d", "f"];
const all: Placement = placed(names);

/** Times that an address is asked where every answer has to be the same: chance would not bring that about. */
const times = 4;
/** Times that a client's affinity is waited for to end: each time three of four clients change by chance. */
const maxRounds = 5;
const longAffinityMs = 600_000;
const shortAffinityMs = 1_000;
/** Affinity of a test in which it is used again and again, and how far apart in ms. */
const usedAffinityMs = 2_000;
const useIntervalMs = 400;
const uses = 8;

/** Asks about affinity. */
export function describeAffinity(bench: () => FlowBench): void {
  describe("ClientIP affinity", () => {
    const services = (affinityMs: number, spec: Partial<ServiceSpec> = {}): ServicePortEntry[] =>
      ways.map((way) => bench().service({ ...way, placement: all, kinds, affinityMs, ...spec }));
    /** The one that answers a client, at one address or at several; all of them where there are several. */
    const endpointOf = async (
      client: string,
      entry: ServicePortEntry,
      at: readonly FrontendKind[] = ["NodePort"],
      count = times,
    ): Promise<string> => {
      const answers = (kind: FrontendKind, count: number): Promise<readonly string[]> =>
        bench().answers(client, bench().at(entry, kind), entry.protocol, count);
      // One makes the affinity; of several that ask at once each might be the first.
      const first = await answers(at[0] ?? "NodePort", 1);
      const others = count === 1 ? [] : await Promise.all(at.map((kind) => answers(kind, count)));
      return [...new Set([...first, ...others.flat()])].join(" and ");
    };
    const update = (pairs: readonly (readonly [ServicePortEntry, ServicePortEntry])[]): Promise<void> =>
      bench().apply({ updated: pairs.map(([before, after]) => ({ before, after })) });

    it("keeps a client with its endpoint at every address of the Service port", async () => {
      const entries = services(longAffinityMs);
      await bench().apply({ added: entries });
      const perAddress = bench().subject.limits?.affinityPerAddress === true;
      const places = perAddress ? kinds.map((kind) => [kind]) : [kinds];
      const asked = entries.flatMap((entry) =>
        clients.flatMap((client) => places.map((place) => endpointOf(client, entry, place))),
      );
      for (const endpoint of await Promise.all(asked)) expect(names).toContain(endpoint);
      await bench().apply({ removed: entries });
    });

    it("stays while other endpoints come and go, leaves one that has gone, and does not go back", async () => {
      const entries = services(longAffinityMs);
      await bench().apply({ added: entries });
      const client = "outside-1";
      const first = await Promise.all(entries.map((entry) => endpointOf(client, entry)));
      for (const endpoint of first) expect(names).toContain(endpoint);
      let current = entries;
      const become = async (choose: (own: EndpointName) => readonly EndpointName[]): Promise<string[]> => {
        const next = current.map((entry, index) =>
          bench().withEndpoints(entry, placed(choose(first[index] as EndpointName))),
        );
        await update(current.map((entry, index) => [entry, next[index] as ServicePortEntry]));
        current = next;
        return Promise.all(current.map((entry) => endpointOf(client, entry)));
      };
      const others = (own: EndpointName): readonly EndpointName[] => names.filter((name) => name !== own);
      expect(await become((own) => [own, ...others(own).slice(1)])).toEqual(first);
      expect(await become((own) => [own])).toEqual(first);
      expect(await become(() => names)).toEqual(first);
      const second = await become(others);
      for (const [index, own] of first.entries()) {
        expect(names).toContain(second[index]);
        expect(second[index]).not.toBe(own);
      }
      expect(await become(() => names)).toEqual(second);
      await bench().apply({ removed: current });
    });

    it("is a matter of each Service port by itself", async () => {
      const [one, two] = [["a"], ["d"]].map((only) =>
        ways.map((way) =>
          bench().service({
            ...way,
            placement: placed(only as EndpointName[]),
            kinds: ["NodePort"],
            affinityMs: longAffinityMs,
          }),
        ),
      ) as [ServicePortEntry[], ServicePortEntry[]];
      // Two ports of one Service.
      const second = two.map((entry, index) => sameService(entry, one[index] as ServicePortEntry));
      await bench().apply({ added: [...one, ...second] });
      for (let round = 0; round < 2; round++) {
        expect(await Promise.all(one.map((entry) => endpointOf("outside-1", entry)))).toEqual(ways.map(() => "a"));
        expect(await Promise.all(second.map((entry) => endpointOf("outside-1", entry)))).toEqual(ways.map(() => "d"));
      }
      await bench().apply({ removed: [...one, ...second] });
    });

    it("lasts as long as it is used, and ends a while after", async () => {
      const [used, unused] = [services(usedAffinityMs), services(shortAffinityMs)];
      await bench().apply({ added: [...used, ...unused] });
      const [stayed, ended] = await Promise.all([staysWhileUsed(used), endsWhenUnused(unused)]);
      expect(stayed).toBe(true);
      expect(ended).toBe(bench().subject.limits?.affinityOutlastsItsTime !== true);
      await bench().apply({ removed: [...used, ...unused] });
    });

    /** Whether every client was answered by one endpoint for longer than the affinity lasts without use. */
    const staysWhileUsed = async (entries: readonly ServicePortEntry[]): Promise<boolean> => {
      const ask = async (): Promise<string> =>
        (await Promise.all(entries.map((entry) => endpointOf("outside-1", entry, ["NodePort"], 1)))).join(" ");
      const { clock } = bench().lab;
      let [last, lastAt] = [await ask(), clock.monotonic()];
      for (let use = 0; use < uses; use++) {
        await pause(bench(), useIntervalMs);
        const began = clock.monotonic();
        const now = await ask();
        // On a machine that stood still meanwhile the time may be over.
        if (now !== last && clock.monotonic() - lastAt < usedAffinityMs) return false;
        [last, lastAt] = [now, began];
      }
      return true;
    };

    /** Whether some client of every Service was answered by another endpoint after its affinity had not been used for its time. */
    const endsWhenUnused = async (entries: readonly ServicePortEntry[]): Promise<boolean> => {
      const ask = (): Promise<string[]> =>
        Promise.all(
          entries.map(async (entry) => {
            const asked = clients.map((client) => endpointOf(client, entry, ["NodePort"], 1));
            return (await Promise.all(asked)).join(" ");
          }),
        );
      const first = await ask();
      const rounds = bench().subject.limits?.affinityOutlastsItsTime === true ? 1 : maxRounds;
      const changed = new Set<number>();
      for (let round = 1; round <= rounds && changed.size < entries.length; round++) {
        await pause(bench(), 2 * shortAffinityMs);
        for (const [index, endpoints] of (await ask()).entries()) if (endpoints !== first[index]) changed.add(index);
      }
      return changed.size === entries.length;
    };

    it("can be switched off and on", async () => {
      const sticky = services(longAffinityMs);
      await bench().apply({ added: sticky });
      const loose = sticky.map(withoutAffinity);
      await update(sticky.map((entry, index) => [entry, loose[index] as ServicePortEntry]));
      const seen = loose.map(async (entry) => {
        const answers = await bench().answers("outside-1", bench().at(entry, "NodePort"), entry.protocol, 8 * times);
        expect(new Set(answers).size).toBeGreaterThan(1);
      });
      await Promise.all(seen);
      await update(loose.map((entry, index) => [entry, sticky[index] as ServicePortEntry]));
      for (const endpoint of await Promise.all(sticky.map((entry) => endpointOf("outside-1", entry)))) {
        expect(names).toContain(endpoint);
      }
      await bench().apply({ removed: sticky });
    });
  });
}

function placed(endpoints: readonly EndpointName[]): Placement {
  return { cluster: endpoints, local: endpoints.filter((name) => name === "a" || name === "c") };
}

function withoutAffinity(entry: ServicePortEntry): ServicePortEntry {
  const { affinityMs, ...rest } = entry;
  return affinityMs === undefined ? entry : rest;
}

function sameService(entry: ServicePortEntry, other: ServicePortEntry): ServicePortEntry {
  const servicePort = servicePortKey(serviceKey(other.service.namespace, other.service.name), "second", entry.protocol);
  return {
    ...entry,
    key: entryKey(servicePort, entry.family),
    servicePort,
    service: other.service,
    portName: "second",
  };
}

function pause(bench: FlowBench, ms: number): Promise<void> {
  return new Promise((resolve) => bench.lab.clock.setTimer(ms, resolve));
}
