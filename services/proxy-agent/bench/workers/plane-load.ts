/**
 * What one plane takes to program a number of Services, in the network namespace in which it is started. Prints one line of JSON:
 * milliseconds by what was done, and megabytes.
 *
 *     node plane-load.ts nftables|ipvs <services> <endpoints each>
 */
import { silentLogger, systemClock } from "@fairlead/host";
import { thisNetworkNamespace } from "@fairlead/sockets";
import { cidr, nodeName } from "@fairlead/types";
import type { KernelPlaneOptions } from "../../src/kernel/kernel-plane-options.ts";
import type { Plane } from "../../src/plane.ts";
import { adding, updating } from "../../src/testing.ts";
import { DesiredState } from "../../src/desired-state.ts";
import { sampleService, sampleSnapshot } from "./sample-services.ts";

const [mode = "nftables", servicesText = "1000", endpointsText = "2", changesText = "200"] = process.argv.slice(2);
const [services, endpoints, changes] = [servicesText, endpointsText, changesText].map(Number) as [
  number,
  number,
  number,
];

const options: KernelPlaneOptions = {
  node: nodeName("node-1"),
  namespace: thisNetworkNamespace,
  observer: { serving: () => undefined, problem: () => undefined },
  clock: systemClock,
  log: silentLogger,
  localTraffic: { kind: "ranges", ranges: [cidr("10.128.0.0/9")] },
  masqueradeBit: 14,
  masqueradeAll: false,
  trafficCounters: true,
  verifyIntervalMs: 3_600_000,
};

type KernelPlane = Plane & { verify(): Promise<void>; counters(): Promise<unknown> };

async function makePlane(): Promise<KernelPlane> {
  if (mode === "nftables") {
    const { NftablesPlane } = await import("../../src/nftables/nftables-plane.ts");
    return new NftablesPlane(options);
  }
  const { IpvsPlane } = await import("../../src/ipvs/ipvs-plane.ts");
  return new IpvsPlane({ ...options, strictArp: false, excludeCidrs: [], drainTimeoutMs: 1_000 });
}

const took: Record<string, number> = {};
const megabytes = (): number => {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1e6;
};

async function once(what: string, run: () => Promise<unknown>): Promise<void> {
  globalThis.gc?.();
  const begin = performance.now();
  await run();
  took[what] = performance.now() - begin;
}

async function often(what: string, times: number, run: (round: number) => Promise<unknown>): Promise<void> {
  const each: number[] = [];
  for (let round = 0; round < times; round++) {
    const begin = performance.now();
    await run(round);
    each.push(performance.now() - begin);
  }
  each.sort((a, b) => a - b);
  took[`${what}, p50`] = each[times >> 1] ?? 0;
  took[`${what}, p99`] = each[Math.floor(times * 0.99)] ?? 0;
}

// Code is warm in an agent that has been up for a second; a plane of its own warms it here.
const warm = await makePlane();
await warm.start();
await warm.apply(adding(...Array.from({ length: 200 }, (_, number) => sampleService(number, endpoints))));
await warm.cleanup();
await warm.stop();

await (async () => {
  // In a block of its own, so that what the feed told is not counted as the plane's memory.
  const batch = sampleSnapshot(services, endpoints);
  const node = nodeName("node-1");
  const state = new DesiredState({
    node,
    proxyName: "",
    sharedHost: false,
    nodePortRanges: [],
    machineAddresses: () => [],
  });
  await once("planning, from the feed's snapshot", async () => {
    state.feed(batch);
    state.take();
  });
})();

const before = megabytes();
const entries = Array.from({ length: services }, (_, number) => sampleService(number, endpoints));
const plane = await makePlane();
await plane.start();
await once("cold load", () => plane.apply(adding(...entries)));
took["memory"] = megabytes() - before;
await often("one endpoint changed", changes, async (round) => {
  const number = (round * 37) % services;
  const current = entries[number] as (typeof entries)[number];
  const next = sampleService(number, endpoints, 20_000 + round);
  entries[number] = next;
  await plane.apply(updating(current, next));
});
await often("one endpoint less, then more", changes, async (round) => {
  const number = (round * 41) % services;
  const current = entries[number] as (typeof entries)[number];
  const less = { ...current, cluster: current.cluster.slice(1) };
  await plane.apply(updating(current, less));
  await plane.apply(updating(less, current));
});
await often("one Service added", changes, (round) => plane.apply(adding(sampleService(services + round, endpoints))));
await once("full verify", () => plane.verify());
await once("all counters read", () => plane.counters());
await plane.stop();
const again = await makePlane();
await again.start();
const all = [...entries, ...Array.from({ length: changes }, (_, round) => sampleService(services + round, endpoints))];
await once("restart", () => again.apply(adding(...all)));
await once("cleanup", () => again.cleanup());
await again.stop();
process.stdout.write(`${JSON.stringify(took)}\n`);
process.exit(0);
