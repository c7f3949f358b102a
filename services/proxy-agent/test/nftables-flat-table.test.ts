import { cidr, IpFamily } from "@fairlead/types";
import type { IpAddress, NodeName } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { FlatTable, type TableDifference } from "../src/nftables/flat-table.ts";
import { chainName } from "../src/nftables/handler.ts";
import { wordAt } from "../src/kernel/element-bytes.ts";
import { FamilyLayout, type FlatElement } from "../src/nftables/layout.ts";
import { endpointAt, entryOf, frontendAt } from "../src/testing.ts";

const layout = new FamilyLayout(IpFamily.v4);
const table = (): FlatTable => new FlatTable(layout, { node: "node-1" as NodeName, trafficCounters: false });
const service = { address: "10.96.0.1", port: 80 };
const other = { address: "10.96.0.2", port: 80 };
const pod = (last: number, node = "node-1") => ({
  ...endpointAt({ address: `10.244.1.${last}`, port: 8080 }),
  node: node as NodeName,
});
const web = (...lasts: readonly number[]) =>
  entryOf({ name: "web", frontends: [frontendAt(service)], endpoints: lasts.map((last) => pod(last)) });

/** Which elements, as `set key value` in words. */
function words(elements: readonly FlatElement[]): string[] {
  return elements.map(({ set, key, data, goto }) => {
    switch (set) {
      case "services":
      case "pod-services":
        return `${set} ${addressOf(key)}`;
      case "groups":
      case "pod-groups":
        return `${set} ${addressOf(key)} ${(wordAt(data ?? key) & 0xffff).toString()}`;
      case "endpoints":
        return `${set} ${wordAt(key, 0) & 0xffff}.${wordAt(key, 4)} ${layout.endpointName(data ?? key)}`;
      case "handlers":
      case "pod-handlers":
        return `${set} ${goto}`;
      default:
        return `${set} ${addressOf(key)}`;
    }
  });
}

function addressOf(key: Uint8Array): IpAddress {
  return layout.address.read(key, 0);
}

function both({ added, deleted }: TableDifference): { added: string[]; deleted: string[] } {
  return { added: words(added).sort(), deleted: words(deleted).sort() };
}

describe("what changes in the table", () => {
  it("is all of a Service when it comes, and all of it when it goes", () => {
    const used = table();
    const come = both(used.change([], [web(1, 2)]));
    expect(come).toEqual({
      added: [
        "cluster-ips 10.96.0.1",
        "endpoints 1.0 10.244.1.1:8080",
        "endpoints 1.1 10.244.1.2:8080",
        "groups 10.96.0.1 1",
        "hairpin 10.244.1.1",
        "hairpin 10.244.1.2",
        "handlers internal-random-2",
        "services 10.96.0.1",
      ],
      deleted: [],
    });
    const gone = both(used.change([web().key], []));
    expect(gone.added).toEqual([]);
    // The chain stays for a while: another Service may want it.
    expect(gone.deleted).toEqual(come.added.filter((element) => !element.startsWith("handlers")));
    expect([...used.elements()].map(({ set }) => set)).toEqual(["handlers"]);
  });

  it("is one element where one endpoint takes another's place on another node", () => {
    const used = table();
    const remote = (last: number) => ({ ...web(1), cluster: [pod(1), pod(last, "node-2")], local: [] });
    used.change([], [remote(2)]);
    expect(both(used.change([], [remote(3)]))).toEqual({
      deleted: ["endpoints 1.1 10.244.1.2:8080"],
      added: ["endpoints 1.1 10.244.1.3:8080"],
    });
  });

  it("is the count's handler and the last number where an endpoint goes", () => {
    const used = table();
    used.change([], [web(1, 2, 3)]);
    expect(both(used.change([], [web(2, 3)]))).toEqual({
      deleted: [
        "endpoints 1.0 10.244.1.1:8080",
        "endpoints 1.2 10.244.1.3:8080",
        "hairpin 10.244.1.1",
        "services 10.96.0.1",
      ],
      added: ["endpoints 1.0 10.244.1.3:8080", "handlers internal-random-2", "services 10.96.0.1"],
    });
  });

  it("is nothing where an entry comes again as it was", () => {
    const used = table();
    used.change([], [web(1, 2)]);
    expect(both(used.change([], [web(1, 2)]))).toEqual({ added: [], deleted: [] });
  });

  it("makes no chain twice: Services of as many endpoints share one", () => {
    const used = table();
    const api = entryOf({ name: "api", frontends: [frontendAt(other)], endpoints: [pod(5), pod(6)] });
    expect(used.change([], [web(1, 2)]).handlers).toHaveLength(1);
    expect(used.change([], [api]).handlers).toHaveLength(0);
  });

  it("keeps shared elements until the last Service that wants them has gone", () => {
    const used = table();
    const ports = [80, 443].map((port) =>
      entryOf({ name: `web-${port}`, frontends: [frontendAt({ ...service, port })], endpoints: [pod(1)] }),
    );
    used.change([], ports);
    const first = both(used.change([ports[0]!.key], []));
    expect(first.deleted.filter((element) => /cluster-ips|hairpin/.test(element))).toEqual([]);
    const second = both(used.change([ports[1]!.key], []));
    expect(second.deleted.filter((element) => /cluster-ips|hairpin/.test(element))).toEqual([
      "cluster-ips 10.96.0.1",
      "hairpin 10.244.1.1",
    ]);
  });

  it("hands an address that two Services name from the first by name to the next, as one element", () => {
    const used = table();
    const [a, b] = ["a", "b"].map((name, index) =>
      entryOf({ name, frontends: [frontendAt(service)], endpoints: [pod(index + 1)] }),
    ) as [ReturnType<typeof web>, ReturnType<typeof web>];
    used.change([], [b]);
    expect(used.ownerOf(b, b.frontends[0]!)).toBeUndefined();
    used.change([], [a]);
    expect(used.ownerOf(b, b.frontends[0]!)?.service.name).toBe("a");
    const places = [...used.elements()].filter(({ set }) => set === "groups");
    expect(places).toHaveLength(1);
    const { added, deleted } = both(used.change([a.key], []));
    expect(added.filter((element) => element.startsWith("groups"))).toHaveLength(1);
    expect(deleted.filter((element) => element.startsWith("cluster-ips"))).toEqual([]);
    expect(used.ownerOf(b, b.frontends[0]!)).toBeUndefined();
  });
});

describe("what becomes of a connection", () => {
  const handlers = (...entries: Parameters<FlatTable["change"]>[1]): string[] =>
    table().change([], entries).handlers.map(chainName).sort();
  const external = (options: Parameters<typeof frontendAt>[1]) =>
    frontendAt(other, { kind: "LoadBalancer", ...options });

  it("is a refusal where nobody could take it, and nothing where another node could", () => {
    expect(handlers(web())).toEqual(["reject"]);
    const elsewhere = entryOf({
      name: "web",
      frontends: [frontendAt(service, { policy: "Local" })],
      endpoints: [pod(1, "node-2")],
      local: [],
    });
    expect(handlers(elsewhere)).toEqual(["drop"]);
  });

  it("keeps the client's address under policy Local, where pods go their own way", () => {
    const both = entryOf({
      name: "web",
      frontends: [external({ policy: "Local" })],
      endpoints: [pod(1), pod(2, "node-2"), pod(3, "node-2")],
      local: [pod(1)],
    });
    expect(handlers(both)).toEqual(["local-random-1", "pod-random-3"]);
    expect(handlers({ ...both, local: [] })).toEqual(["local-none", "pod-random-3"]);
    expect(handlers({ ...both, cluster: [], local: [], hasAnyEndpoints: false })).toEqual(["reject"]);
  });

  it("depends on its source only where ranges are given", () => {
    const guarded = [external({ sourceRanges: [cidr("192.0.2.0/24")] })];
    expect(handlers(entryOf({ name: "web", frontends: guarded, endpoints: [pod(1)] }))).toEqual([
      "guarded-external-random-1",
    ]);
    expect(handlers(entryOf({ name: "web", frontends: guarded, endpoints: [] }))).toEqual(["guarded-reject"]);
  });

  it("has turns of its own for rr, and a time for affinity", () => {
    expect(handlers({ ...web(1, 2), scheduler: "rr" })).toEqual(["internal-turn-2-of-fa000001"]);
    expect(handlers({ ...web(1, 2), affinityMs: 60_000 })).toEqual(["internal-random-2-sticky-60000"]);
  });
});

describe("ids of endpoints that clients stay with", () => {
  const sticky = (...lasts: readonly number[]) => ({ ...web(...lasts), affinityMs: 60_000 });
  const ids = (used: FlatTable): Map<string, number> =>
    new Map(
      [...used.elements()]
        .filter(({ set }) => set === "sticky")
        .map(({ key, data }) => [layout.endpointName(data ?? key), wordAt(key)]),
    );

  it("stay while endpoints come and go, and are not given to another", () => {
    const used = table();
    used.change([], [sticky(1, 2, 3)]);
    const before = ids(used);
    used.change([], [sticky(2, 3)]);
    used.change([], [sticky(2, 3, 4)]);
    const after = ids(used);
    expect(after.get("10.244.1.2:8080")).toBe(before.get("10.244.1.2:8080"));
    expect(after.get("10.244.1.3:8080")).toBe(before.get("10.244.1.3:8080"));
    expect([...before.values()]).not.toContain(after.get("10.244.1.4:8080"));
  });

  it("are no lists' numbers, so that one taken for the other leads nowhere", () => {
    const used = table();
    used.change([], [sticky(1, 2), entryOf({ name: "api", frontends: [frontendAt(other)], endpoints: [pod(1)] })]);
    const lists = [...used.elements()].filter(({ set }) => set === "groups").map(({ data }) => wordAt(data!));
    const handlers = [...used.elements()].filter(({ set }) => set === "services").map(({ data }) => wordAt(data!));
    const all = [...lists, ...handlers, ...ids(used).values()];
    expect(new Set(all).size).toBe(all.length);
  });
});
