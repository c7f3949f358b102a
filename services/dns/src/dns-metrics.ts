/** What dns says of itself; names and labels are CoreDNS' where it has them. */
import manifest from "../package.json" with { type: "json" };
import type { FeedBatch, FeedStatus } from "@fairlead/bus";
import type { Counter, Gauge, Histogram, Logger, Metrics } from "@fairlead/host";
import type { DnsCounters } from "./dns-counters.ts";
import type { ForwardObserver } from "./forward/forwarder.ts";
import type { CacheSizes } from "./forward/response-cache.ts";
import { Rcode, RecordType } from "./wire/constants.ts";
import type { ServiceRecords } from "./zone/service-records.ts";

/** Buckets of durations, in seconds. */
const durationBuckets = [
  0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8,
];

/** Buckets of programming latencies, in seconds. */
const programmingBuckets = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4, 8, 16, 60];

const feedStatuses: readonly FeedStatus[] = ["connecting", "live", "stale", "closed"];

const serviceKinds = { cluster: "cluster_ip", headless: "headless", external: "external_name" } as const;

const typeNames = new Map<number, string>(Object.entries(RecordType).map(([name, type]) => [type, name]));
const rcodeNames = new Map<number, string>(Object.entries(Rcode).map(([name, rcode]) => [rcode, name]));

/** What the metrics are read from. */
export interface DnsMetricsOptions {
  readonly metrics: Metrics;
  readonly counters: DnsCounters;
  readonly answers: () => number;
  readonly responses: () => CacheSizes;
  readonly pods: () => number;
  readonly log: Logger;
  /** CoreDNS' names of what is at work, and for which zones. */
  readonly plugins: readonly { readonly name: string; readonly zone: string }[];
}

/** The labels that CoreDNS has everywhere and that have one value here. */
const here = { server: "dns", view: "" } as const;
const cacheLabels = { ...here, zones: "." } as const;

/** What is said of an upstream that leads back here. */
const loopAdvice = "it is left out; a machine's own resolver should not ask this server for everything";

/** See the module. */
export class DnsMetrics implements ForwardObserver {
  readonly #options: DnsMetricsOptions;
  readonly #requests: Counter<"server" | "zone" | "view" | "proto" | "family" | "type">;
  readonly #responses: Counter<"rcode" | "plugin">;
  readonly #dropped: Counter;
  readonly #duration: Histogram;
  readonly #programming: Histogram<"service_kind">;
  readonly #feed: Gauge<"status">;
  readonly #copy: Gauge;
  readonly #answers: Gauge;
  readonly #podFeed: Gauge<"status">;
  readonly #pods: Gauge;
  readonly #entries: Gauge<"server" | "type" | "zones" | "view">;
  readonly #hits: Counter<"server" | "type" | "zones" | "view">;
  readonly #lookups: Counter<"server" | "zones" | "view">;
  readonly #misses: Counter<"server" | "zones" | "view">;
  readonly #evictions: Counter<"server" | "type" | "zones" | "view">;
  readonly #checkFailures: Counter<"proxy_name" | "to">;
  readonly #loops: Gauge<"to">;
  readonly #exchange: Histogram<"proxy_name" | "to" | "rcode">;
  readonly #rejects: Counter;
  readonly #broken: Counter;

  constructor(options: DnsMetricsOptions) {
    const { metrics } = options;
    this.#options = options;
    this.#requests = metrics.counter("coredns_dns_requests_total", "Queries", [
      "server",
      "zone",
      "view",
      "proto",
      "family",
      "type",
    ]);
    this.#responses = metrics.counter("coredns_dns_responses_total", "Answers by code and by who made them", [
      "rcode",
      "plugin",
    ]);
    this.#dropped = metrics.counter(
      "fairlead_dns_dropped_messages_total",
      "Messages that are no query and got no answer",
    );
    this.#duration = metrics.histogram(
      "coredns_dns_request_duration_seconds",
      "Time of queries for which another server was asked or its kept answer used; others are answered at once",
      { buckets: durationBuckets },
    );
    this.#programming = metrics.histogram(
      "coredns_kubernetes_dns_programming_duration_seconds",
      "From the cause of a change (last-change-trigger-time) until it is answered",
      { labels: ["service_kind"], buckets: programmingBuckets },
    );
    this.#feed = metrics.gauge("fairlead_dns_feed_status", "1 for the present state of the change feed", ["status"]);
    this.#copy = metrics.gauge(
      "fairlead_dns_answers_from_copy",
      "1 while answers rest on the copy on disk: the bus was away at the start",
    );
    this.#answers = metrics.gauge(
      "fairlead_dns_prepared_answers",
      "Answers of the cluster's zone that are kept as bytes",
    );
    this.#podFeed = metrics.gauge("fairlead_dns_pod_feed_status", "1 for the present state of the feed of pods", [
      "status",
    ]);
    this.#pods = metrics.gauge("fairlead_dns_pods", "Pods whose names are answered");
    const [zonal, typed] = [
      ["server", "zones", "view"],
      ["server", "type", "zones", "view"],
    ] as const;
    this.#entries = metrics.gauge("coredns_cache_entries", "Kept answers of other servers", typed);
    this.#hits = metrics.counter("coredns_cache_hits_total", "Questions answered from what is kept", typed);
    this.#lookups = metrics.counter("coredns_cache_requests_total", "Questions for other servers", zonal);
    this.#misses = metrics.counter("coredns_cache_misses_total", "Questions of which nothing was kept", zonal);
    this.#evictions = metrics.counter("coredns_cache_evictions_total", "Kept answers that went for others", typed);
    this.#checkFailures = metrics.counter("coredns_proxy_healthcheck_failures_total", "Health checks without answer", [
      "proxy_name",
      "to",
    ]);
    this.#loops = metrics.gauge("fairlead_dns_forward_loop", "1 for an upstream that leads back here: it is left out", [
      "to",
    ]);
    this.#exchange = metrics.histogram("coredns_proxy_request_duration_seconds", "Time of an upstream to answer", {
      labels: ["proxy_name", "to", "rcode"],
      buckets: durationBuckets,
    });
    this.#rejects = metrics.counter(
      "coredns_forward_max_concurrent_rejects_total",
      "Questions refused because too many were on their way",
    );
    this.#broken = metrics.counter(
      "coredns_forward_healthcheck_broken_total",
      "Questions asked though all upstreams seemed down",
    );
    this.#constants();
  }

  asked(upstream: string, seconds: number, rcode: number | undefined): void {
    const code = rcode === undefined ? "timeout" : (rcodeNames.get(rcode) ?? String(rcode));
    this.#exchange.observe({ proxy_name: "forward", to: upstream, rcode: code }, seconds);
  }

  cached(hit: boolean, negative: boolean): void {
    this.#lookups.inc(cacheLabels);
    if (hit) this.#hits.inc({ ...cacheLabels, type: cacheType(negative) });
    else this.#misses.inc(cacheLabels);
  }

  evicted(negative: boolean): void {
    this.#evictions.inc({ ...cacheLabels, type: cacheType(negative) });
  }

  checkFailed(upstream: string): void {
    this.#checkFailures.inc({ proxy_name: "forward", to: upstream });
  }

  looping(upstream: string, loops: boolean): void {
    this.#loops.set({ to: upstream }, loops ? 1 : 0);
    const { log } = this.#options;
    if (loops) log.error(`an upstream leads back to this server: ${loopAdvice}`, { upstream });
    else log.info("an upstream leads back here no more", { upstream });
  }

  rejected(): void {
    this.#rejects.inc();
  }

  broken(): void {
    this.#broken.inc();
  }

  /** A query that was not answered at once took this long, in seconds. */
  waited(seconds: number): void {
    this.#duration.observe(seconds);
  }

  feedStatus(status: FeedStatus): void {
    for (const known of feedStatuses) this.#feed.set({ status: known }, known === status ? 1 : 0);
  }

  podFeedStatus(status: FeedStatus): void {
    for (const known of feedStatuses) this.#podFeed.set({ status: known }, known === status ? 1 : 0);
  }

  /** A batch is answered from now on; `now` in milliseconds since 1970. */
  applied(
    batch: FeedBatch,
    now: number,
    kindOf: (namespace: string, name: string) => ServiceRecords["kind"] | undefined,
  ): void {
    this.#copy.set(batch.source === "disk" ? 1 : 0);
    // What a snapshot holds happened at any time before.
    if (batch.source !== "live") return;
    for (const change of batch.changes) {
      if (change.trigger === undefined || change.op === "delete") continue;
      const { value } = change;
      if (value.kind !== "slice" && value.kind !== "service") continue;
      const [namespace, name] =
        value.kind === "slice"
          ? [value.slice.namespace, value.slice.service]
          : [value.service.namespace, value.service.name];
      const kind = kindOf(namespace, name);
      if (kind === undefined) continue;
      this.#programming.observe({ service_kind: serviceKinds[kind] }, Math.max(0, now - change.trigger) / 1_000);
    }
  }

  /** Brings the counts up to date, for a reading. */
  collect(): void {
    const { counters, answers, responses, pods } = this.#options;
    this.#requests.reset();
    for (const { tcp, v6, type, count } of counters.requests()) {
      const labels = { server: "dns", zone: ".", view: "", proto: tcp ? "tcp" : "udp", family: v6 ? "2" : "1" };
      this.#requests.inc({ ...labels, type: typeNames.get(type) ?? "other" }, count);
    }
    this.#responses.reset();
    for (const { source, rcode, count } of counters.responses()) {
      const plugin = source === "none" ? "" : source;
      this.#responses.inc({ rcode: rcodeNames.get(rcode) ?? String(rcode), plugin }, count);
    }
    this.#dropped.reset();
    this.#dropped.inc(counters.dropped);
    this.#answers.set(answers());
    const { success, denial } = responses();
    this.#entries.set({ ...cacheLabels, type: "success" }, success);
    this.#entries.set({ ...cacheLabels, type: "denial" }, denial);
    this.#pods.set(pods());
  }

  /** What does not change while the process lives. */
  #constants(): void {
    const { metrics, plugins } = this.#options;
    metrics
      .gauge("coredns_build_info", "1; the labels tell what runs", ["version", "revision", "goversion"])
      .set({ version: manifest.version, revision: "", goversion: `node ${process.version}` }, 1);
    metrics.counter("coredns_panics_total", "Always 0: an error that reaches nobody ends the process");
    const enabled = metrics.gauge("coredns_plugin_enabled", "1 for what is at work, by CoreDNS' names", [
      "server",
      "zone",
      "view",
      "name",
    ]);
    for (const plugin of plugins) enabled.set({ ...here, ...plugin }, 1);
  }
}

function cacheType(negative: boolean): "denial" | "success" {
  return negative ? "denial" : "success";
}
