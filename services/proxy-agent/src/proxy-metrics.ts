/** What the agent counts of its own work, under kube-proxy's names where it has them. */
import type { Counter, Gauge, Histogram, Metrics } from "@fairlead/host";
import type { FeedStatus } from "@fairlead/bus";
import type { IpFamily } from "@fairlead/types";
import { ipFamilies } from "./feed-changes.ts";
import type { ChangeCounts, Trigger } from "./feed-changes.ts";
import type { FlowsCleaned } from "./kernel/kernel-plane-options.ts";
import { anyEligible } from "./plan/entry.ts";
import type { ServicePortEntry } from "./plan/entry.ts";

const feedStatuses: readonly FeedStatus[] = ["connecting", "live", "stale", "closed"];

/** Label of what kube-proxy counts for each of its proxiers. */
type Family = "ip_family";

/** Bounds of kube-proxy's own histogram of the programming latency, in seconds, and finer ones below its first. */
const programmingBuckets = [
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  ...Array.from({ length: 59 }, (_, index) => index + 1),
  ...Array.from({ length: 12 }, (_, index) => 60 + index * 5),
  120,
  150,
  180,
  210,
  240,
  270,
  300,
];

/** 1 ms to 16 s, doubling: kube-proxy's buckets for the time of a sync, in seconds. */
const syncBuckets = Array.from({ length: 15 }, (_, index) => 0.001 * 2 ** index);

/** A programming run that ended well. */
export interface ProgrammedRun {
  readonly ms: number;
  /** Wall time of its end, in milliseconds since 1970. */
  readonly now: number;
  readonly triggers: readonly Trigger[];
  /** Families in which something was changed. */
  readonly families: ReadonlySet<IpFamily>;
  /** Everything was programmed, not only a difference. */
  readonly full: boolean;
}

/** See the module. */
export class ProxyMetrics {
  readonly #programming: Histogram<Family>;
  readonly #sync: Histogram<Family>;
  readonly #fullSync: Histogram<Family>;
  readonly #partialSync: Histogram<Family>;
  readonly #lastSync: Gauge<Family>;
  readonly #lastQueued: Gauge<Family>;
  readonly #serviceChanges: PendingChanges;
  readonly #endpointChanges: PendingChanges;
  readonly #noLocal: Gauge<Family | "traffic_policy">;
  readonly #failures: Counter<"plane">;
  readonly #nftablesFailures: Counter<Family>;
  readonly #nftablesCleanupFailures: Counter<Family>;
  readonly #flowsCleaned: Histogram<Family>;
  readonly #flowsDeleted: Counter<Family>;
  readonly #asked: { readonly healthz: Counter<"code">; readonly livez: Counter<"code"> };
  readonly #feed: Gauge<"status">;

  constructor(options: { readonly metrics: Metrics }) {
    const { metrics } = options;
    const labels = ["ip_family"] as const;
    const sync = (name: string, help: string): Histogram<Family> =>
      metrics.histogram(`kubeproxy_sync_${name}duration_seconds`, help, { labels, buckets: syncBuckets });
    this.#programming = metrics.histogram(
      "kubeproxy_network_programming_duration_seconds",
      "From the cause of a change (last-change-trigger-time) until it is in force on this node",
      { labels, buckets: programmingBuckets },
    );
    this.#sync = sync("proxy_rules_", "Time of one programming run");
    this.#fullSync = sync("full_proxy_rules_", "Time of one programming run that built everything");
    this.#partialSync = sync("partial_proxy_rules_", "Time of one programming run that changed a part");
    this.#lastSync = metrics.gauge(
      "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
      "End of the last successful programming run, in seconds since 1970",
      labels,
    );
    this.#lastQueued = metrics.gauge(
      "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
      "When a change was last taken in to be programmed, in seconds since 1970",
      labels,
    );
    this.#serviceChanges = new PendingChanges(metrics, "service", "Services");
    this.#endpointChanges = new PendingChanges(metrics, "endpoint", "EndpointSlices");
    this.#noLocal = metrics.gauge(
      "kubeproxy_sync_proxy_rules_no_local_endpoints_total",
      "Service ports of traffic policy Local that have endpoints, but none on this node",
      ["ip_family", "traffic_policy"],
    );
    this.#failures = metrics.counter("fairlead_proxy_sync_failures_total", "Programming runs that failed", ["plane"]);
    this.#nftablesFailures = metrics.counter(
      "kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
      "Programming runs of nftables that failed",
      labels,
    );
    this.#nftablesCleanupFailures = metrics.counter(
      "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total",
      "Times that what nftables no longer needs could not be removed",
      labels,
    );
    this.#flowsCleaned = metrics.histogram(
      "kubeproxy_conntrack_reconciler_sync_duration_seconds",
      "Time of one look at the table of connections for flows whose endpoint has gone",
      { labels, buckets: syncBuckets },
    );
    this.#flowsDeleted = metrics.counter(
      "kubeproxy_conntrack_reconciler_deleted_entries_total",
      "Flows that the kernel was made to forget because their endpoint had gone",
      labels,
    );
    const asked = (path: string): Counter<"code"> =>
      metrics.counter(`kubeproxy_proxy_${path}_total`, `Answers of /${path} by status`, ["code"]);
    this.#asked = { healthz: asked("healthz"), livez: asked("livez") };
    this.#feed = metrics.gauge("fairlead_proxy_feed_status", "1 for the present state of the change feed", ["status"]);
  }

  /** Changes were taken in at this wall time, in milliseconds since 1970. */
  queued(counts: ChangeCounts, now: number): void {
    for (const family of ipFamilies) {
      this.#lastQueued.set({ ip_family: family }, now / 1_000);
      this.#serviceChanges.add(family, counts.services[family]);
      this.#endpointChanges.add(family, counts.endpoints[family]);
    }
  }

  /** A run has taken up all changes that were pending. */
  taken(): void {
    this.#serviceChanges.taken();
    this.#endpointChanges.taken();
  }

  programmed({ ms, now, triggers, families, full }: ProgrammedRun): void {
    // One commit holds both families: what it took counts for each that it changed.
    for (const family of families) {
      const labels = { ip_family: family };
      this.#sync.observe(labels, ms / 1_000);
      (full ? this.#fullSync : this.#partialSync).observe(labels, ms / 1_000);
    }
    for (const family of ipFamilies) this.#lastSync.set({ ip_family: family }, now / 1_000);
    for (const { at, family } of triggers) {
      this.#programming.observe({ ip_family: family }, Math.max(0, now - at) / 1_000);
    }
  }

  /** A programming run of a plane of this mode failed. */
  failed(mode: string): void {
    this.#failures.inc({ plane: mode });
    if (mode === "nftables") for (const family of ipFamilies) this.#nftablesFailures.inc({ ip_family: family });
  }

  /** A plane of this mode could not remove what it should. */
  cleanupFailed(mode: string): void {
    if (mode === "nftables") for (const family of ipFamilies) this.#nftablesCleanupFailures.inc({ ip_family: family });
  }

  /** A plane has looked for flows that have become wrong. One look is at both families. */
  flowsCleaned({ ms, deleted }: FlowsCleaned): void {
    for (const family of ipFamilies) {
      this.#flowsCleaned.observe({ ip_family: family }, ms / 1_000);
      this.#flowsDeleted.inc({ ip_family: family }, deleted[family]);
    }
  }

  /** /healthz or /livez answered. */
  asked(path: "healthz" | "livez", code: number): void {
    this.#asked[path].inc({ code: String(code) });
  }

  feedStatus(status: FeedStatus): void {
    for (const known of feedStatuses) this.#feed.set({ status: known }, known === status ? 1 : 0);
  }

  /** Counts what the entries in force say of local endpoints; for when somebody reads the metrics. */
  count(entries: Iterable<ServicePortEntry>): void {
    const missing = { internal: { IPv4: 0, IPv6: 0 }, external: { IPv4: 0, IPv6: 0 } };
    for (const { family, frontends, local, hasAnyEndpoints } of entries) {
      if (!hasAnyEndpoints || anyEligible(local)) continue;
      const of = (internal: boolean): boolean =>
        frontends.some(({ kind, policy }) => policy === "Local" && (kind === "ClusterIP") === internal);
      if (of(true)) missing.internal[family] += 1;
      if (of(false)) missing.external[family] += 1;
    }
    for (const family of ipFamilies) {
      for (const policy of ["internal", "external"] as const) {
        this.#noLocal.set({ ip_family: family, traffic_policy: policy }, missing[policy][family]);
      }
    }
  }
}

/** Changes of one kind: all so far, and those that no run has taken up yet. */
class PendingChanges {
  readonly #total: Counter<Family>;
  readonly #pending: Gauge<Family>;

  constructor(metrics: Metrics, what: string, words: string) {
    const name = `kubeproxy_sync_proxy_rules_${what}_changes`;
    this.#total = metrics.counter(`${name}_total`, `Changes of ${words} so far`, ["ip_family"]);
    this.#pending = metrics.gauge(`${name}_pending`, `Changes of ${words} that are not programmed yet`, ["ip_family"]);
  }

  add(family: IpFamily, count: number): void {
    this.#total.inc({ ip_family: family }, count);
    this.#pending.inc({ ip_family: family }, count);
  }

  taken(): void {
    for (const family of ipFamilies) this.#pending.set({ ip_family: family }, 0);
  }
}
