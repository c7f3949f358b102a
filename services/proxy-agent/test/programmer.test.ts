import { createMemoryFeed } from "@fairlead/bus";
import type { Metrics } from "@fairlead/host";
import { createMetrics, silentLogger } from "@fairlead/host";
import { eventually, FakeClock, RecordingLogger } from "@fairlead/testkit";
import { feedKeyOf, nodeName, port } from "@fairlead/types";
import type { ServiceKey } from "@fairlead/types";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DesiredState } from "../src/desired-state.ts";
import { HealthCheckServers } from "../src/health-check-servers.ts";
import type { EntryKey } from "../src/plan/entry.ts";
import type { HealthCheckPlan } from "../src/plan/service-table.ts";
import type { PlaneChange } from "../src/plane.ts";
import { Programmer, STUCK_AFTER_MS } from "../src/programmer.ts";
import type { ProgrammedPlane } from "../src/programmer.ts";
import { ProxyMetrics } from "../src/proxy-metrics.ts";
import { ServiceObserver } from "../src/service-observer.ts";
import { asValue, endpoint, node, service, slice, stateOf } from "./support/objects.ts";

/** A plane that holds entries in a map, and can be told to fail or to take its time. */
class FakePlane implements ProgrammedPlane {
  readonly mode = "nftables";
  readonly held = new Map<EntryKey, readonly string[]>();
  applied = 0;
  resumed = 0;
  cleaned = 0;
  failures = 0;
  gate: Promise<void> = Promise.resolve();

  async apply(change: PlaneChange): Promise<void> {
    this.applied++;
    await this.gate;
    for (const { key } of change.removed) this.held.delete(key);
    for (const entry of [...change.added, ...change.updated.map(({ after }) => after)]) {
      if (this.failures > 0) {
        this.failures--;
        throw new Error("half way");
      }
      this.held.set(
        entry.key,
        entry.cluster.map(({ key }) => key),
      );
    }
  }

  async resume(): Promise<void> {
    this.resumed++;
    this.held.clear();
  }

  async cleanup(): Promise<void> {
    this.cleaned++;
    this.held.clear();
  }
}

/** Writes down what is asked of it, and listens nowhere. */
class RecordedHealthChecks extends HealthCheckServers {
  readonly asked: [string, number | undefined][] = [];

  override async set(key: ServiceKey, plan: HealthCheckPlan | undefined): Promise<void> {
    this.asked.push([key, plan?.port]);
  }
}

const clock = new FakeClock();
const bus = (): ReturnType<typeof createMemoryFeed> => createMemoryFeed({ clock });
let plane: FakePlane;
let feed: ReturnType<typeof bus>;
let programmer: Programmer;
let checks: RecordedHealthChecks;
let metrics: Metrics;
let log: RecordingLogger;

beforeEach(async () => {
  plane = new FakePlane();
  feed = bus();
  metrics = createMetrics();
  log = new RecordingLogger();
  const events = { record: () => undefined };
  checks = new RecordedHealthChecks({ events, log: silentLogger, healthy: () => true });
  programmer = new Programmer({
    feed: feed.feed,
    state: new DesiredState({
      node: nodeName("node-1"),
      proxyName: "",
      sharedHost: true,
      nodePortRanges: [],
      machineAddresses: () => [],
    }),
    plane,
    healthChecks: checks,
    metrics: new ProxyMetrics({ metrics }),
    observer: new ServiceObserver({ events, log }),
    clock,
    log,
  });
  await programmer.start();
});

afterEach(() => programmer.stop());

const web = [
  asValue.node(node("node-1", "127.64.0.1")),
  asValue.service(service()),
  asValue.slice(slice([endpoint("127.244.0.1")])),
];
const other = asValue.service(service({ name: "other", uid: "uid-other" }));

/** Lets what is due now happen until the condition holds. */
async function settled(condition: () => void | Promise<void>): Promise<void> {
  await eventually(async () => {
    await clock.advance(0);
    await condition();
  });
}

describe("the programmer", () => {
  it("touches the plane only after the first snapshot", async () => {
    await clock.advance(120_000);
    expect([plane.applied, programmer.notReady()]).toEqual([0, "no state of the cluster has arrived yet"]);
    await feed.publisher().takeOver(stateOf(...web));
    await settled(() => expect(programmer.notReady()).toBeUndefined());
    expect([...plane.held]).toEqual([["default/web:/TCP IPv4", ["127.244.0.1:9090"]]]);
  });

  it("joins changes that come while the plane is busy into one", async () => {
    const publisher = feed.publisher();
    await publisher.takeOver(stateOf(...web));
    await settled(() => expect(plane.applied).toBe(1));
    const { promise, resolve } = Promise.withResolvers<void>();
    plane.gate = promise;
    await publisher.publish([{ key: feedKeyOf(other), value: other }]);
    await settled(() => expect(plane.applied).toBe(2));
    for (let last = 2; last < 30; last++) {
      const value = asValue.slice(slice([endpoint(`127.244.0.${last}`)]));
      await publisher.publish([{ key: feedKeyOf(value), value }]);
    }
    resolve();
    await settled(() => expect(plane.held.get("default/web:/TCP IPv4" as EntryKey)).toEqual(["127.244.0.29:9090"]));
    expect(plane.applied).toBe(3);
  });

  it("builds everything anew after a change that failed half way", async () => {
    const publisher = feed.publisher();
    plane.failures = 1;
    await publisher.takeOver(stateOf(...web, other));
    await settled(() => expect(plane.applied).toBe(1));
    expect(programmer.notReady()).toBeDefined();
    await clock.advance(1_000);
    await settled(() => expect(programmer.notReady()).toBeUndefined());
    expect(plane.held.size).toBe(2);
    expect(log.records.filter(({ level }) => level === "error")).toHaveLength(1);
  });

  it("tries again on top of what is there before it has all of it removed, and counts what failed", async () => {
    const publisher = feed.publisher();
    plane.failures = 5;
    await publisher.takeOver(stateOf(...web));
    await settled(() => expect(plane.applied).toBe(1));
    for (let time = 0; time < 5; time++) await clock.advance(1_000);
    await settled(() => expect(programmer.notReady()).toBeUndefined());
    expect([plane.resumed, plane.cleaned]).toEqual([3, 2]);
    const text = await metrics.text();
    expect(text).toContain('fairlead_proxy_sync_failures_total{plane="nftables"} 5');
    expect(text).toContain('kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv6"} 5');
  });

  it("has the plane take over from an earlier run also where there is nothing to serve", async () => {
    await feed.publisher().takeOver(stateOf());
    await settled(() => expect(programmer.notReady()).toBeUndefined());
    expect(plane.applied).toBe(1);
    await clock.advance(120_000);
    expect(plane.applied).toBe(1);
  });

  it("counts changes by family as they come and are programmed, and whole runs apart from partial ones", async () => {
    const publisher = feed.publisher();
    const { promise, resolve } = Promise.withResolvers<void>();
    plane.gate = promise;
    await publisher.takeOver(stateOf(...web));
    await settled(() => expect(plane.applied).toBe(1));
    await publisher.publish([{ key: feedKeyOf(other), value: other }]);
    const during = await metrics.text();
    expect(during).toContain('kubeproxy_sync_proxy_rules_service_changes_total{ip_family="IPv4"} 2');
    expect(during).toContain('kubeproxy_sync_proxy_rules_service_changes_pending{ip_family="IPv4"} 1');
    expect(during).toContain('kubeproxy_sync_proxy_rules_endpoint_changes_total{ip_family="IPv4"} 1');
    expect(during).toContain('kubeproxy_sync_proxy_rules_endpoint_changes_pending{ip_family="IPv4"} 0');
    expect(during).toContain(
      `kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv6"} ${clock.now() / 1_000}`,
    );
    resolve();
    await settled(() => expect(plane.held.size).toBe(2));
    await settled(async () =>
      expect(await metrics.text()).toContain(
        'kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1',
      ),
    );
    const after = await metrics.text();
    expect(after).toContain('kubeproxy_sync_proxy_rules_service_changes_pending{ip_family="IPv4"} 0');
    expect(after).toContain('kubeproxy_sync_full_proxy_rules_duration_seconds_count{ip_family="IPv4"} 1');
    expect(after).toContain('kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 2');
    expect(after).toContain(
      `kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} ${clock.now() / 1_000}`,
    );
  });

  it("ends a health check whose Service has gone also where the plane fails just then", async () => {
    const publisher = feed.publisher();
    const checked = service({
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      healthCheckNodePort: port(30_999),
    });
    await publisher.takeOver(stateOf(asValue.node(node("node-1", "127.64.0.1")), asValue.service(checked)));
    await settled(() => expect(checks.asked).toEqual([["default/web", 30_999]]));
    plane.failures = 1;
    await publisher.publish([
      { key: feedKeyOf(asValue.service(checked)), value: undefined },
      { key: feedKeyOf(other), value: other },
    ]);
    await settled(() => expect(checks.asked.at(-1)).toEqual(["default/web", undefined]));
  });

  it("is not live when a change waits for ever", async () => {
    const publisher = feed.publisher();
    await publisher.takeOver(stateOf(...web));
    await settled(() => expect(plane.applied).toBe(1));
    const { promise, resolve } = Promise.withResolvers<void>();
    plane.gate = promise;
    await publisher.publish([{ key: feedKeyOf(other), value: other }]);
    await settled(() => expect(plane.applied).toBe(2));
    await clock.advance(STUCK_AFTER_MS + 1);
    expect(programmer.notLive()).toMatch(/has waited 6000\d ms/);
    resolve();
    await settled(() => expect(programmer.notLive()).toBeUndefined());
  });

  it("measures the time from a cause to its being in force", async () => {
    const publisher = feed.publisher();
    await publisher.takeOver(stateOf(...web));
    await settled(() => expect(plane.applied).toBe(1));
    await publisher.publish([{ key: feedKeyOf(other), value: other, trigger: clock.now() - 400 }]);
    await settled(() => expect(plane.applied).toBe(2));
    await settled(() => expect(plane.held.size).toBe(2));
    const text = await metrics.text();
    expect(text).toContain('kubeproxy_network_programming_duration_seconds_count{ip_family="IPv4"} 1');
    expect(text).not.toContain('kubeproxy_network_programming_duration_seconds_count{ip_family="IPv6"}');
    expect(text).toContain('kubeproxy_network_programming_duration_seconds_bucket{le="0.25",ip_family="IPv4"} 0');
    expect(text).toContain('kubeproxy_network_programming_duration_seconds_bucket{le="0.5",ip_family="IPv4"} 1');
  });
});
