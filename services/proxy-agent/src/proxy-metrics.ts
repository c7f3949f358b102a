/** What the agent counts, under kube-proxy's names where it has them. */
import type { Counter, Gauge, Histogram, Metrics } from "@fairlead/host";
import type { FeedStatus } from "@fairlead/bus";
import type { ServicePortKey } from "@fairlead/types";
import type { ServicePortCounters } from "@fairlead/relay";

const feedStatuses: readonly FeedStatus[] = ["connecting", "live", "stale", "closed"];

/** Label of everything that is counted for a Service port. */
type Label = "service_port";

/** Gives the counters of every Service port that is planned right now. */
export type CounterSource = () => Iterable<readonly [ServicePortKey, ServicePortCounters]>;

interface Exported {
  readonly field: keyof ServicePortCounters;
  readonly metric: Counter<Label> | Gauge<Label>;
}

/** Bounds of kube-proxy's own histogram of the programming latency, in seconds. */
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

/** See the module. The relay counts in plain numbers; they are carried over to Prometheus when somebody asks. */
export class ProxyMetrics {
  readonly #source: CounterSource;
  readonly #exported: readonly Exported[];
  readonly #programming: Histogram;
  readonly #sync: Histogram;
  readonly #lastSync: Gauge;
  readonly #feed: Gauge<"status">;

  constructor(options: { metrics: Metrics; counters: CounterSource }) {
    const { metrics } = options;
    this.#source = options.counters;
    const counter = (field: keyof ServicePortCounters, name: string, help: string): Exported => ({
      field,
      metric: metrics.counter<Label>(`fairlead_proxy_${name}`, help, ["service_port"]),
    });
    this.#exported = [
      counter("connections", "connections_total", "TCP connections accepted"),
      {
        field: "active",
        metric: metrics.gauge<Label>("fairlead_proxy_connections_active", "TCP connections and UDP flows open now", [
          "service_port",
        ]),
      },
      counter("bytesToEndpoints", "sent_bytes_total", "Bytes from clients to endpoints"),
      counter("bytesToClients", "received_bytes_total", "Bytes from endpoints to clients"),
      counter("connectFailures", "connect_failures_total", "Connects to an endpoint that failed"),
      counter("retries", "connect_retries_total", "Connects made again to another endpoint"),
      counter("unserved", "unserved_total", "Clients turned away because no endpoint took them"),
      counter("refusedBySource", "refused_by_source_total", "Clients outside loadBalancerSourceRanges"),
      counter("refusedByLimit", "refused_by_limit_total", "Clients turned away because the agent was full"),
      counter("udpFlows", "udp_flows_total", "UDP flows begun"),
      counter("datagramsToEndpoints", "sent_datagrams_total", "Datagrams from clients to endpoints"),
      counter("datagramsToClients", "received_datagrams_total", "Datagrams from endpoints to clients"),
    ];
    this.#programming = metrics.histogram(
      "kubeproxy_network_programming_duration_seconds",
      "From the cause of a change (last-change-trigger-time) until it is in force on this node",
      { buckets: programmingBuckets },
    );
    this.#sync = metrics.histogram("kubeproxy_sync_proxy_rules_duration_seconds", "Time of one programming run", {
      buckets: syncBuckets,
    });
    this.#lastSync = metrics.gauge(
      "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
      "End of the last successful programming run, in seconds since 1970",
    );
    this.#feed = metrics.gauge("fairlead_proxy_feed_status", "1 for the present state of the change feed", ["status"]);
  }

  /** A programming run has ended well. `now` and `triggers` are wall times in milliseconds since 1970. */
  programmed(run: { readonly ms: number; readonly now: number; readonly triggers: readonly number[] }): void {
    this.#sync.observe(run.ms / 1000);
    this.#lastSync.set(run.now / 1000);
    for (const trigger of run.triggers) this.#programming.observe(Math.max(0, run.now - trigger) / 1000);
  }

  feedStatus(status: FeedStatus): void {
    for (const known of feedStatuses) this.#feed.set({ status: known }, known === status ? 1 : 0);
  }

  /** Brings the metrics up to date. Service ports that are gone leave them, so their number stays that of the cluster. */
  collect(): void {
    for (const { metric } of this.#exported) metric.reset();
    for (const [key, counters] of this.#source()) {
      for (const { field, metric } of this.#exported) metric.inc({ service_port: key }, counters[field]);
    }
  }
}

/** The same metrics, brought up to date whenever they are read. */
export function collectedMetrics(metrics: Metrics, collect: () => void): Metrics {
  return {
    ...metrics,
    text() {
      collect();
      return metrics.text();
    },
  };
}
