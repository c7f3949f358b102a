import { createMetrics } from "@fairlead/host";
import type { Metrics } from "@fairlead/host";
import type { Service } from "@fairlead/kube";
import { RecordingLogger } from "@fairlead/testkit";
import { cidr } from "@fairlead/types";
import { expect, test } from "vitest";
import { PoolProvider } from "../src/providers/pool/pool-provider.ts";
import { maxPoolFileLength, maxPools, maxRangesPerPool, readPools, solePool } from "../src/providers/pool/pool.ts";
import type { Pool } from "../src/providers/pool/pool.ts";
import type { LoadBalancerRequest } from "../src/provider.ts";
import { FakeLoadBalancerProvider, providerCompliance } from "../src/testing.ts";
import type { FakeLoadBalancer } from "../src/testing.ts";
import { pools } from "./support/claims.ts";

const four = solePool("127.200.0.0/30");

function open(from: readonly Pool[] = four) {
  const notes: string[] = [];
  const log = new RecordingLogger();
  const metrics = createMetrics();
  let calls = 0;
  const provider = new PoolProvider({
    pools: from,
    metrics,
    log,
    notify: ({ metadata }, { reason, message }) => notes.push(`${metadata?.name} ${reason}: ${message}`),
  });
  provider.onCapacity(() => (calls += 1));
  return { provider, notes, log, metrics, calls: () => calls };
}

function service(name: string, more: Service["spec"] = {}, annotations: Record<string, string> = {}): Service {
  return {
    metadata: { namespace: "default", name, uid: name, annotations, creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { type: "LoadBalancer", ports: [{ port: 80 }], ...more },
  };
}

const holding = (of: Service, ip: string): Service => ({ ...of, status: { loadBalancer: { ingress: [{ ip }] } } });

const request = (of: Service): LoadBalancerRequest => ({
  service: of,
  nodes: [],
  sourceRanges: [cidr("0.0.0.0/0")],
  healthCheck: { port: 10_256, path: "/healthz" },
});

// Whole lines: the text of a HELP line must not pass for a sample.
const lines = async (metrics: Metrics): Promise<string[]> => (await metrics.text()).split("\n");

providerCompliance("pool", () => ({
  make: () => open(pools("name: p, addresses: [127.200.0.1-127.200.0.9]")).provider,
}));

providerCompliance("fake", () => {
  const balancers = new Map<string, FakeLoadBalancer>();
  return { make: () => new FakeLoadBalancerProvider({ balancers }) };
});

test("an address is given back once, and whoever waits hears of it", async () => {
  const { provider, calls } = open();
  for (const name of ["a", "b", "c"]) await provider.ensure(request(service(name)));
  await expect(provider.ensure(request(service("d")))).rejects.toMatchObject({
    code: "ALLOCATION_REFUSED",
    withdrawn: false,
  });
  expect(calls()).toBe(0);
  await provider.ensureDeleted(service("b"));
  await provider.ensureDeleted(service("b"));
  expect(calls()).toBe(1);
  expect(await provider.ensure(request(service("d")))).toEqual({ ingress: [{ ip: "127.200.0.2", ipMode: "VIP" }] });
});

test("an address that two have stays with the older, and the other loses it when there is no other", async () => {
  const { provider, notes } = open(pools("name: one, addresses: [127.200.0.1]"));
  const [old, young] = [holding(service("a"), "127.200.0.1"), holding(service("b"), "127.200.0.1")];
  provider.restore({ services: [young, old], namespaceLabels: () => ({}) });
  await expect(provider.ensure(request(young))).rejects.toMatchObject({ withdrawn: true });
  expect(notes).toEqual([expect.stringContaining("b ClearAssignment: lost 127.200.0.1")]);
  expect(await provider.ensure(request(old))).toMatchObject({ ingress: [{ ip: "127.200.0.1" }] });
});

test("another controller's address from the same range is not given", async () => {
  const { provider } = open();
  const foreign = holding(service("foreign", { loadBalancerClass: "example.org/other" }), "127.200.0.1");
  // An address in the status of a Service of another type is nobody's.
  const former = holding(service("former", { type: "NodePort" }), "127.200.0.2");
  provider.restore({ services: [foreign, former], namespaceLabels: () => ({}) });
  expect(await provider.ensure(request(service("a")))).toMatchObject({ ingress: [{ ip: "127.200.0.2" }] });
});

test("an address that another controller takes or gives back meanwhile is taken, or free", async () => {
  const { provider, calls } = open();
  const foreign = service("foreign", { loadBalancerClass: "example.org/other" });
  provider.noteOther(holding(foreign, "127.200.0.1"), false);
  expect(await provider.ensure(request(service("a")))).toMatchObject({ ingress: [{ ip: "127.200.0.2" }] });
  // What one of ours has it keeps, whatever another's status says; addresses of no pool are nobody's business.
  provider.noteOther(holding(service("thief"), "127.200.0.2"), false);
  provider.noteOther(holding(service("far"), "192.0.2.1"), false);
  expect(await provider.ensure(request(service("a")))).toMatchObject({ ingress: [{ ip: "127.200.0.2" }] });
  expect(calls()).toBe(0);
  provider.noteOther(holding(foreign, "127.200.0.1"), true);
  expect(calls()).toBe(1);
  expect(await provider.ensure(request(service("b")))).toMatchObject({ ingress: [{ ip: "127.200.0.1" }] });
  provider.noteOther(holding(foreign, "127.200.0.3"), false);
  await expect(provider.ensure(request(service("c")))).rejects.toMatchObject({ code: "ALLOCATION_REFUSED" });
  provider.noteOther({ ...holding(foreign, "127.200.0.3"), spec: { type: "NodePort" } }, false);
  expect(calls()).toBe(2);
  expect(await provider.ensure(request(service("c")))).toMatchObject({ ingress: [{ ip: "127.200.0.3" }] });
});

test("a Service that moves to another address leaves its own to who waits", async () => {
  const { provider, calls } = open();
  await provider.ensure(request(service("a")));
  await provider.ensure(request(service("a", { loadBalancerIP: "127.200.0.3" })));
  expect(calls()).toBe(1);
  expect(await provider.ensure(request(service("b", { loadBalancerIP: "127.200.0.1" })))).toMatchObject({
    ingress: [{ ip: "127.200.0.1" }],
  });
});

test("whoever waits for a port of a shared address hears when it comes free", async () => {
  const { provider, calls } = open();
  const key = { "metallb.io/allow-shared-ip": "k" };
  const asks = service("b", { loadBalancerIP: "127.200.0.1" }, key);
  await provider.ensure(request(service("a", {}, key)));
  await expect(provider.ensure(request(asks))).rejects.toMatchObject({ code: "ALLOCATION_REFUSED" });
  await provider.ensure(request(service("a", { externalTrafficPolicy: "Cluster" }, key)));
  expect(calls()).toBe(0);
  await provider.ensure(request(service("a", { ports: [{ port: 81 }] }, key)));
  expect(calls()).toBe(1);
  expect(await provider.ensure(request(asks))).toMatchObject({ ingress: [{ ip: "127.200.0.1" }] });
});

test("a second family is added to the address there is, and told of without taking anything back", async () => {
  const { provider, notes } = open(pools("name: p, addresses: [127.200.0.1-127.200.0.9, 'fd00::1-fd00::9']"));
  await provider.ensure(request(service("a", { ipFamilies: ["IPv4"] })));
  const both = service("a", { ipFamilies: ["IPv4", "IPv6"], ipFamilyPolicy: "PreferDualStack" });
  expect(await provider.ensure(request(both))).toMatchObject({ ingress: [{ ip: "127.200.0.1" }, { ip: "fd00::1" }] });
  expect(notes).toEqual([
    "a IPAllocated: assigned 127.200.0.1 from pool p",
    "a IPAllocated: assigned 127.200.0.1, fd00::1 from pool p",
  ]);
});

test("pools that are renamed and joined count what is in use, shared addresses once, and go on below what is taken", async () => {
  const { provider, metrics } = open(pools("name: p, addresses: [127.200.0.1-127.200.0.4]"));
  const key = { "metallb.io/allow-shared-ip": "k" };
  await provider.ensure(request(service("a", {}, key)));
  await provider.ensure(request(service("b", { ports: [{ port: 81 }] }, key)));
  await provider.ensure(request(service("c")));
  expect(await lines(metrics)).toContain('fairlead_cloud_lb_pool_addresses_in_use{pool="p"} 2');
  expect(provider.offer(pools("name: q, addresses: [127.200.0.0-127.200.0.9]"))).toBe(true);
  expect(await lines(metrics)).toContain('fairlead_cloud_lb_pool_addresses_in_use{pool="q"} 2');
  expect(await provider.ensure(request(service("d")))).toMatchObject({ ingress: [{ ip: "127.200.0.0" }] });
  expect(await provider.ensure(request(service("e")))).toMatchObject({ ingress: [{ ip: "127.200.0.3" }] });
  await provider.ensureDeleted(service("a"));
  expect(await lines(metrics)).toContain('fairlead_cloud_lb_pool_addresses_in_use{pool="q"} 4');
  await provider.ensureDeleted(service("b"));
  expect(await lines(metrics)).toContain('fairlead_cloud_lb_pool_addresses_in_use{pool="q"} 3');
  expect(await provider.ensure(request(service("f")))).toMatchObject({ ingress: [{ ip: "127.200.0.1" }] });
});

test("pools that were refused by a book of an earlier term are taken with the next one", async () => {
  const { provider, metrics } = open();
  await provider.ensure(request(service("a")));
  expect(provider.offer(pools("name: new, addresses: [127.201.0.1-127.201.0.3]"))).toBe(false);
  provider.restore({ services: [], namespaceLabels: () => ({}) });
  expect(await lines(metrics)).toContain("fairlead_cloud_lb_pool_config_stale 0");
  expect(await provider.ensure(request(service("a")))).toMatchObject({ ingress: [{ ip: "127.201.0.1" }] });
});

test.each([
  ["127.200.0.0/22", true, 1016],
  ["127.200.0.0/22", false, 1024],
  ["127.200.0.255-127.200.1.0", true, 0],
  ["127.200.0.1-127.200.0.254", true, 254],
  ["0.0.0.0-0.0.1.4", true, 258],
  ["'fd00::/120'", true, 256],
])("the size of a pool of %s, avoidBuggyIPs %s, is %i", async (range, avoid, size) => {
  const { metrics } = open(pools(`name: p, addresses: [${range}], avoidBuggyIPs: ${avoid}`));
  expect(await metrics.text()).toContain(`fairlead_cloud_lb_pool_addresses{pool="p"} ${size}\n`);
});

test("an address asked for of a family that the Service does not have is refused", async () => {
  const { provider } = open(pools("name: p, addresses: [127.200.0.1, 'fd00::1']"));
  for (const asks of [
    service("a", { ipFamilies: ["IPv4"], loadBalancerIP: "fd00::1" }),
    service("b", { ipFamilies: ["IPv4"] }, { "fairlead.dev/loadBalancerIPs": "127.200.0.1,fd00::1" }),
  ]) {
    await expect(provider.ensure(request(asks))).rejects.toThrow(/the Service has no IPv6 family/);
  }
});

test("pools that would strand an address are taken only when it is given back", async () => {
  const { provider, log, metrics, calls } = open();
  await provider.ensure(request(service("a")));
  expect(provider.offer(pools("name: new, addresses: [127.201.0.1-127.201.0.3]"))).toBe(false);
  expect(log.records.at(-1)).toMatchObject({ level: "error", fields: { services: ["default/a (127.200.0.1)"] } });
  expect(await lines(metrics)).toContain("fairlead_cloud_lb_pool_config_stale 1");
  expect(await provider.ensure(request(service("b")))).toMatchObject({ ingress: [{ ip: "127.200.0.2" }] });
  await provider.ensureDeleted(service("b"));
  await provider.ensureDeleted(service("a"));
  expect(await lines(metrics)).toContain("fairlead_cloud_lb_pool_config_stale 0");
  expect(calls()).toBe(2);
  expect(await provider.ensure(request(service("a")))).toMatchObject({ ingress: [{ ip: "127.201.0.1" }] });
  expect(await metrics.text()).toContain('fairlead_cloud_lb_pool_addresses_in_use{pool="new"} 1');
});

test("a request in two places is refused with both named", async () => {
  const { provider } = open();
  const both = service("a", { loadBalancerIP: "127.200.0.1" }, { "metallb.io/loadBalancerIPs": "127.200.0.2" });
  await expect(provider.ensure(request(both))).rejects.toThrow(/loadBalancerIPs.*spec\.loadBalancerIP/);
});

test.each([
  ["pools: 3", "pools"],
  ["pools: []", "pools"],
  ["pools: [{name: a, addresses: []}]", "pools[0].addresses"],
  ["pools: [{name: a, addresses: [10.0.0.9-10.0.0.1]}]", "pools[0].addresses[0]"],
  ["pools: [{name: a, addresses: [10.0.0.1/24]}]", "pools[0].addresses[0]"],
  ["pools: [{name: a, addresses: [10.0.0.0/24], autoassign: true}]", "pools[0].autoassign"],
  ["pools: [{name: a, addresses: [10.0.0.0/24]}, {name: b, addresses: [10.0.0.7]}]", "pools"],
  [
    "pools: [{name: a, addresses: [10.0.0.0/24], serviceAllocation: {priority: -1}}]",
    "pools[0].serviceAllocation.priority",
  ],
  ["pools: [", "pools"],
  ["pools: [{name: a, addresses: [10.0.0.1]}, {name: a, addresses: [10.0.0.2]}]", "pools"],
  ["pools: [{name: a, addresses: ['10.0.0.1-fd00::1']}]", "pools[0].addresses[0]"],
  ["pools: [{name: a, addresses: [10.0.0.1-10.0.0.2-10.0.0.3]}]", "pools[0].addresses[0]"],
  ["pools: [{name: '', addresses: [10.0.0.1]}]", "pools[0].name"],
  ["pools: [{name: a, addresses: [10.0.0.1], autoAssign: 'no'}]", "pools[0].autoAssign"],
  ["pools: [{name: a, addresses: [10.0.0.1]}]\nextra: 1", "extra"],
  [`pools: [{name: a, addresses: [10.0.0.1]}]${" ".repeat(maxPoolFileLength)}`, "pools"],
  [`pools: [${"{name: a, addresses: [10.0.0.1]}, ".repeat(maxPools + 1)}]`, "pools"],
  [`pools: [{name: a, addresses: [${"10.0.0.1, ".repeat(maxRangesPerPool + 1)}]}]`, "pools[0].addresses"],
])("a pool file is refused by field: %.100s", (text, field) => {
  expect(() => readPools(text)).toThrow(expect.objectContaining({ code: "INVALID_INPUT", field }));
});
