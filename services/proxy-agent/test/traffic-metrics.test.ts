import { createMetrics } from "@fairlead/host";
import { FakeClock, RecordingLogger } from "@fairlead/testkit";
import { serviceKey, servicePortKey } from "@fairlead/types";
import { ServicePortCounters } from "@fairlead/relay";
import { beforeEach, describe, expect, it } from "vitest";
import type { TrafficCounters } from "../src/plane.ts";
import { seriesText } from "../src/service-series.ts";
import { COUNTS_REUSED_MS, TrafficMetrics } from "../src/traffic-metrics.ts";
import type { CountSource } from "../src/traffic-metrics.ts";

const web = servicePortKey(serviceKey("default", "web"), "", "TCP");
const dns = servicePortKey(serviceKey("kube-system", "dns"), "dns", "UDP");
const counted = (connections: number): TrafficCounters => ({
  connections,
  sentPackets: 10,
  sentBytes: 1_000,
  receivedPackets: 9,
  receivedBytes: 90_000,
});

let clock: FakeClock;
let log: RecordingLogger;
let source: CountSource | undefined;
let readings: number;
let kernel: Map<typeof web, TrafficCounters>;
let metrics: TrafficMetrics;

beforeEach(() => {
  clock = new FakeClock();
  log = new RecordingLogger();
  readings = 0;
  kernel = new Map([[web, counted(5)]]);
  source = {
    mode: "nftables",
    counted: async () => {
      readings++;
      return new Map(kernel);
    },
    status: () => ({ driftRepaired: 2, verifications: 7, flowsDeleted: 3 }),
  };
  metrics = new TrafficMetrics({ metrics: createMetrics(), source: () => source, clock, log });
});

describe("the counts of a plane in the kernel", () => {
  it("are read when the metrics are, with what the plane tells of its work", async () => {
    const text = await metrics.text();
    for (const line of [
      'fairlead_proxy_connections_total{service_port="default/web:/TCP"} 5',
      'fairlead_proxy_sent_packets_total{service_port="default/web:/TCP"} 10',
      'fairlead_proxy_sent_bytes_total{service_port="default/web:/TCP"} 1000',
      'fairlead_proxy_received_packets_total{service_port="default/web:/TCP"} 9',
      'fairlead_proxy_received_bytes_total{service_port="default/web:/TCP"} 90000',
      'fairlead_proxy_plane{mode="nftables"} 1',
      "fairlead_proxy_drift_repaired_total 2",
      "fairlead_proxy_verifications_total 7",
    ]) {
      expect(text).toContain(line);
    }
    expect(text).not.toContain("fairlead_proxy_udp_flows_total{");
  });

  it("are read once for readers that come close together, and anew after that", async () => {
    await Promise.all([metrics.text(), metrics.text()]);
    await clock.advance(COUNTS_REUSED_MS - 1);
    await metrics.text();
    expect(readings).toBe(1);
    await clock.advance(1);
    kernel = new Map([[web, counted(6)]]);
    expect(await metrics.text()).toContain('fairlead_proxy_connections_total{service_port="default/web:/TCP"} 6');
    expect(readings).toBe(2);
  });

  it("are read by one at a time, however slow the kernel is", async () => {
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    source = {
      mode: "nftables",
      counted: async () => {
        most = Math.max(most, ++running);
        await gate.promise;
        running--;
        return [];
      },
    };
    const texts = [metrics.text()];
    for (let reader = 0; reader < 5; reader++) {
      await clock.advance(COUNTS_REUSED_MS);
      texts.push(metrics.text());
    }
    gate.resolve();
    await Promise.all(texts);
    expect(most).toBe(1);
  });

  it("are written in turns, between which other work goes on", async () => {
    const rows = Array.from(
      { length: 10_000 },
      (_, index) =>
        [servicePortKey(serviceKey("default", `s${index}`), "", "TCP"), { sent_bytes_total: index }] as const,
    );
    let turns = 0;
    const text = await seriesText(rows, async () => void turns++);
    expect(turns).toBeGreaterThan(10);
    const lines = text.split("\n").filter((line) => line.startsWith("fairlead"));
    expect(lines).toHaveLength(10_000);
    expect(lines[7]).toBe('fairlead_proxy_sent_bytes_total{service_port="default/s7:/TCP"} 7');
  });

  it("are of the kind that their name says", async () => {
    const text = await metrics.text();
    expect(text).toContain("# TYPE fairlead_proxy_sent_bytes_total counter\n");
    expect(text).toContain("# TYPE fairlead_proxy_connections_active gauge\n");
    // One block a metric, each with its head once, as readers of the format demand.
    const heads = text.match(/^# TYPE \S+/gm) ?? [];
    expect(new Set(heads).size).toBe(heads.length);
  });

  it("leave with their Service", async () => {
    await metrics.text();
    kernel = new Map([[dns, counted(1)]]);
    await clock.advance(COUNTS_REUSED_MS);
    const text = await metrics.text();
    expect(text).toContain('{service_port="kube-system/dns:dns/UDP"} 1');
    expect(text).not.toContain("default/web");
  });

  it("stay as they were where the kernel does not answer, and the page is there", async () => {
    await metrics.text();
    const broken = source;
    source = { ...broken, mode: "nftables", counted: () => Promise.reject(new Error("no buffer")) };
    const text = await metrics.text();
    expect(text).toContain('fairlead_proxy_connections_total{service_port="default/web:/TCP"} 5');
    expect(log.messages("warn")).toEqual(["the kernel's counts could not be read"]);
  });
});

describe("the counts of the plane in user space", () => {
  it("take the place of the kernel's when the plane changes", async () => {
    await metrics.text();
    const relay = new ServicePortCounters();
    relay.connections = 2;
    relay.udpFlows = 1;
    source = { mode: "userspace", relayed: () => [[web, relay]] };
    const text = await metrics.text();
    expect(text).toContain('fairlead_proxy_connections_total{service_port="default/web:/TCP"} 2');
    expect(text).toContain('fairlead_proxy_udp_flows_total{service_port="default/web:/TCP"} 1');
    expect(text).toContain('fairlead_proxy_plane{mode="userspace"} 1');
    expect(text).not.toContain('mode="nftables"');
    expect(text).not.toContain("fairlead_proxy_sent_packets_total{");
  });

  it("are none before a plane has started", async () => {
    source = undefined;
    expect(await metrics.text()).not.toContain("default/web");
  });
});
