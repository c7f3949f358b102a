import type { NodeName } from "@fairlead/types";
import { describe, expect, it } from "vitest";
import { IpvsPlan } from "../src/ipvs/ipvs-plan.ts";
import { packetElements } from "../src/ipvs/packet-elements.ts";
import { PacketLayout } from "../src/ipvs/packet-layout.ts";
import type { Place } from "../src/ipvs/place.ts";
import type { ServicePortEntry } from "../src/plan/entry.ts";
import { endpointAt, entryOf, frontendAt } from "../src/testing.ts";

const here = "node-1" as NodeName;
const pod = endpointAt({ address: "10.244.1.1", port: 8080 });
const remote = { ...endpointAt({ address: "10.244.2.1", port: 8080 }), node: "node-2" as NodeName };
const cluster = frontendAt({ address: "10.96.0.1", port: 80 });
const planOf = (excluded: readonly string[] = []): IpvsPlan =>
  new IpvsPlan({ node: here, scheduler: "wlc", isExcluded: (address) => excluded.includes(address) });
const web = (more: Partial<Parameters<typeof entryOf>[0]> = {}): ServicePortEntry =>
  entryOf({ name: "web", frontends: [cluster], endpoints: [pod], ...more });
const setsOf = (plan: IpvsPlan, entry: ServicePortEntry): readonly string[] => {
  const placed = plan.placed(entry.key);
  if (placed === undefined) return [];
  const layout = new PacketLayout("IPv4");
  const elements = packetElements(layout, entry, placed.frontends, { node: here, inward: placed.inward });
  return [...elements].map(({ set, key }) => {
    if (set === "hairpin") return set;
    const [address, , port] = layout.readPlace(key);
    return `${set} ${address}:${port}`;
  });
};

describe("the plan of virtual services", () => {
  it("has one for each address, with the endpoints of its policy", () => {
    const plan = planOf();
    const entry = web({
      frontends: [cluster, frontendAt({ address: "10.200.0.1", port: 80 }, { kind: "LoadBalancer", policy: "Local" })],
      endpoints: [pod, remote],
      local: [pod],
    });
    expect([...plan.change([], [entry]).places]).toEqual(["TCP 10.96.0.1 80", "TCP 10.200.0.1 80"]);
    expect([...(plan.want("TCP 10.96.0.1 80" as Place)?.servers.keys() ?? [])]).toEqual([pod.key, remote.key]);
    expect([...(plan.want("TCP 10.200.0.1 80" as Place)?.servers.keys() ?? [])]).toEqual([pod.key]);
  });

  it("takes the entry's scheduler, else the plane's, and affinity in whole seconds", () => {
    const plan = planOf();
    plan.change([], [web({ scheduler: "sh", affinityMs: 1_500 })]);
    const place = "TCP 10.96.0.1 80" as Place;
    expect(plan.want(place)).toMatchObject({ scheduler: "sh", persistenceSeconds: 2 });
    plan.change([], [web()]);
    expect(plan.want(place)).toMatchObject({ scheduler: "wlc" });
    const other = new IpvsPlan({ node: here, scheduler: undefined, isExcluded: () => false });
    other.change([], [web()]);
    expect(other.want(place)).toMatchObject({ scheduler: "rr" });
  });

  it("binds every address but those of nodes", () => {
    const plan = planOf();
    const node = frontendAt({ address: "10.100.0.1", port: 30_080 }, { kind: "NodePort" });
    plan.change([], [web({ frontends: [cluster, node] })]);
    expect(plan.isBound("TCP 10.96.0.1 80" as Place)).toBe(true);
    expect(plan.isBound("TCP 10.100.0.1 30080" as Place)).toBe(false);
  });

  it("gives an address to one of those who want it, and to the next when that one goes", () => {
    const plan = planOf();
    const [first, second] = [web({ name: "a" }), web({ name: "b", endpoints: [remote] })];
    plan.change([], [second]);
    plan.change([], [first]);
    const place = "TCP 10.96.0.1 80" as Place;
    expect(plan.entryAt(place)?.service.name).toBe("a");
    expect(plan.ownerOf(second, cluster)?.service.name).toBe("a");
    const { places, entries } = plan.change([first.key], []);
    expect([...places]).toEqual([place]);
    expect([...entries.keys()]).toContain(second.key);
    expect([...(plan.want(place)?.servers.keys() ?? [])]).toEqual([remote.key]);
  });

  it("does nothing at addresses that are to be left alone", () => {
    const plan = planOf(["10.96.0.1"]);
    const entry = web();
    plan.change([], [entry]);
    expect([...plan.places()]).toEqual([]);
    expect(setsOf(plan, entry)).toEqual(["hairpin"]);
  });

  it("leads pods from addresses of external policy Local to the cluster IP, or to a hidden port where that is Local as well", () => {
    const plan = planOf();
    const balancer = frontendAt({ address: "10.200.0.1", port: 80 }, { kind: "LoadBalancer", policy: "Local" });
    const open = web({ frontends: [cluster, balancer], endpoints: [pod, remote], local: [pod] });
    plan.change([], [open]);
    expect(plan.placed(open.key)?.inward).toMatchObject({ address: "10.96.0.1", port: 80 });
    const closed = web({
      frontends: [frontendAt({ address: "10.96.0.1", port: 80 }, { policy: "Local" }), balancer],
      endpoints: [pod, remote],
      local: [pod],
    });
    plan.change([], [closed]);
    expect(plan.placed(closed.key)?.inward).toMatchObject({ address: "10.96.0.1", port: 65_535 });
    const hidden = "TCP 10.96.0.1 65535" as Place;
    expect([...(plan.want(hidden)?.servers.keys() ?? [])]).toEqual([pod.key, remote.key]);
    expect(setsOf(plan, closed)).not.toContain("open 10.96.0.1:65535");
    // A Service that wants that very port gets it.
    const rival = web({ name: "rival", frontends: [frontendAt({ address: "10.96.0.1", port: 65_535 })] });
    plan.change([], [rival]);
    expect(plan.entryAt(hidden)?.service.name).toBe("rival");
    expect(plan.placed(closed.key)?.inward).toMatchObject({ port: 65_534 });
    plan.change([closed.key], []);
    expect([...plan.places()]).toEqual([hidden]);
  });

  it("hides it at the node's address where there is no other, and lets nobody else reach it", () => {
    const plan = planOf();
    const entry = web({
      frontends: [frontendAt({ address: "10.100.0.1", port: 30_080 }, { kind: "NodePort", policy: "Local" })],
    });
    plan.change([], [entry]);
    expect(plan.placed(entry.key)?.inward).toMatchObject({ address: "10.100.0.1", port: 65_535 });
    expect(plan.isBound("TCP 10.100.0.1 65535" as Place)).toBe(false);
    expect(setsOf(plan, entry)).toContain("no-endpoints 10.100.0.1:65535");
  });
});

describe("what an entry wants of the table", () => {
  const setsFor = (entry: ServicePortEntry): readonly string[] => {
    const plan = planOf();
    plan.change([], [entry]);
    return setsOf(plan, entry);
  };
  const external = (kind: "ExternalIP" | "LoadBalancer" | "NodePort", policy: "Cluster" | "Local") =>
    frontendAt({ address: "10.200.0.1", port: 80 }, { kind, policy });

  it("tells cluster IPs from other addresses, which are masqueraded always", () => {
    expect(setsFor(web())).toEqual(["open 10.96.0.1:80", "internal 10.96.0.1:80", "hairpin"]);
    expect(setsFor(web({ frontends: [external("NodePort", "Cluster")] }))).toContain("external 10.200.0.1:80");
    expect(setsFor(web({ frontends: [external("LoadBalancer", "Local")] }))).not.toContain("external 10.200.0.1:80");
  });

  it("refuses where nobody is, and drops where others are", () => {
    expect(setsFor(web({ endpoints: [] }))).toContain("no-endpoints 10.96.0.1:80");
    expect(setsFor(web({ endpoints: [{ ...pod, weight: 0 }] }))).toContain("no-endpoints 10.96.0.1:80");
    const elsewhere = { endpoints: [remote], local: [], hasAnyEndpoints: true };
    const local = web({ frontends: [external("ExternalIP", "Local")], ...elsewhere });
    expect(setsFor(local)).toContain("no-local-endpoints 10.200.0.1:80");
    expect(setsFor(local)).toContain("inward 10.200.0.1:80");
    const none = web({ frontends: [external("ExternalIP", "Local")], endpoints: [], local: [] });
    expect(setsFor(none)).toContain("no-endpoints 10.200.0.1:80");
    expect(setsFor(none)).not.toContain("inward 10.200.0.1:80");
  });

  it("knows endpoints that may be their own clients: those of this node", () => {
    expect(setsFor(web({ endpoints: [remote], local: [] }))).not.toContain("hairpin");
  });
});
