/** What each Service port carries, and what a plane in the kernel tells of its work: read from the plane when somebody reads the metrics. */
import type { Counter, Gauge, Logger, Metrics } from "@fairlead/host";
import type { ServicePortCounters } from "@fairlead/relay";
import type { Clock, ServicePortKey } from "@fairlead/types";
import type { KernelPlaneStatus } from "./kernel/kernel-plane-options.ts";
import type { TrafficCounters } from "./plane.ts";
import { seriesText } from "./service-series.ts";
import type { SeriesRow, SeriesRows } from "./service-series.ts";

/** Counts that were read from the kernel are given again for this time, in milliseconds: a second reader costs the kernel nothing. */
export const COUNTS_REUSED_MS = 1_000;

/** Where the counts of a plane come from; a plane gives what it has. */
export interface CountSource {
  readonly mode: string;
  /** Of a relay in this process. */
  readonly relayed?: () => Iterable<readonly [ServicePortKey, ServicePortCounters]>;
  /** Of the kernel. */
  readonly counted?: () => Promise<Iterable<readonly [ServicePortKey, TrafficCounters]>>;
  readonly status?: () => KernelPlaneStatus;
}

/** See the module. Service ports that are gone leave the metrics, so their number stays that of the cluster. */
export class TrafficMetrics {
  readonly #metrics: Metrics;
  readonly #source: () => CountSource | undefined;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #plane: Gauge<"mode">;
  readonly #drift: Counter;
  readonly #verifications: Counter;
  /** What was read last. */
  #shown: SeriesRows = [];
  /** The last reading of the kernel, or the one under way. */
  #reading: { readonly source: CountSource; readonly at: number; readonly rows: Promise<SeriesRows> } | undefined;

  /** `source` gives that of the plane in force, the same object as long as it is. */
  constructor(options: {
    readonly metrics: Metrics;
    readonly source: () => CountSource | undefined;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    const { metrics } = options;
    this.#metrics = metrics;
    this.#source = options.source;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#plane = metrics.gauge("fairlead_proxy_plane", "1 for the plane in force", ["mode"]);
    this.#drift = metrics.counter(
      "fairlead_proxy_drift_repaired_total",
      "Things in the kernel that somebody else had changed, and that were put right",
    );
    this.#verifications = metrics.counter(
      "fairlead_proxy_verifications_total",
      "Comparisons of what the kernel holds with what it should",
    );
  }

  /** The registry's metrics and the series of every Service port, up to date. Counts that cannot be read stay as they were read last. */
  async text(): Promise<string> {
    const source = this.#source();
    if (source !== undefined) {
      this.#shown = (await this.#rows(source)) ?? this.#shown;
      this.#tellOf(source);
    }
    const all = await this.#metrics.text();
    return `${all}\n${await seriesText(this.#shown, () => this.#giveWay())}`;
  }

  #tellOf({ mode, status }: CountSource): void {
    this.#plane.reset();
    this.#plane.set({ mode }, 1);
    const work = status?.();
    for (const [metric, value] of [
      [this.#drift, work?.driftRepaired],
      [this.#verifications, work?.verifications],
    ] as const) {
      metric.reset();
      metric.inc(value ?? 0);
    }
  }

  #giveWay(): Promise<void> {
    return new Promise((resolve) => void this.#clock.setTimer(0, resolve));
  }

  async #rows(source: CountSource): Promise<SeriesRows | undefined> {
    if (source.relayed !== undefined)
      return Array.from(source.relayed(), ([key, counters]) => [key, relayedRow(counters)]);
    if (source.counted === undefined) return [];
    try {
      return await this.#read(source, source.counted);
    } catch (error) {
      this.#log.warn("the kernel's counts could not be read", { error });
      return undefined;
    }
  }

  /** One reading at a time, and none sooner than {@link COUNTS_REUSED_MS} after the one before began. */
  #read(source: CountSource, counted: NonNullable<CountSource["counted"]>): Promise<SeriesRows> {
    const now = this.#clock.monotonic();
    const last = this.#reading;
    if (last?.source === source && now - last.at < COUNTS_REUSED_MS) return last.rows;
    // A reading that is slow is shared by all who ask meanwhile.
    const rows = (last?.source === source ? last.rows.catch(() => undefined) : Promise.resolve())
      .then(counted)
      .then((all): SeriesRows => Array.from(all, ([key, counters]) => [key, countedRow(counters)]));
    this.#reading = { source, at: now, rows };
    return rows;
  }
}

function relayedRow(counters: ServicePortCounters): SeriesRow {
  return {
    connections_total: counters.connections,
    connections_active: counters.active,
    sent_bytes_total: counters.bytesToEndpoints,
    received_bytes_total: counters.bytesToClients,
    connect_failures_total: counters.connectFailures,
    connect_retries_total: counters.retries,
    unserved_total: counters.unserved,
    refused_by_source_total: counters.refusedBySource,
    refused_by_limit_total: counters.refusedByLimit,
    udp_flows_total: counters.udpFlows,
    sent_datagrams_total: counters.datagramsToEndpoints,
    received_datagrams_total: counters.datagramsToClients,
  };
}

function countedRow(counters: TrafficCounters): SeriesRow {
  return {
    connections_total: counters.connections,
    sent_packets_total: counters.sentPackets,
    sent_bytes_total: counters.sentBytes,
    received_packets_total: counters.receivedPackets,
    received_bytes_total: counters.receivedBytes,
  };
}
