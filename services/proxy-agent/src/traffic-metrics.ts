/** What each Service port carries, and what a plane in the kernel tells of its work: read from the plane when somebody reads the metrics. */
import type { Counter, Gauge, Logger, Metrics } from "@fairlead/host";
import type { ServicePortCounters } from "@fairlead/relay";
import type { Clock, ServicePortKey } from "@fairlead/types";
import type { KernelPlaneStatus } from "./kernel/kernel-plane-options.ts";
import type { TrafficCounters } from "./plane.ts";

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

type Label = "service_port";
type Series = Counter<Label> | Gauge<Label>;
type Row = Readonly<Partial<Record<SeriesName, number>>>;
type Reading = readonly (readonly [ServicePortKey, Row])[];

const series = {
  connections_total: "New connections; in the kernel also UDP flows",
  connections_active: "TCP connections and UDP flows open now",
  sent_bytes_total: "Bytes from clients to endpoints",
  received_bytes_total: "Bytes from endpoints to clients",
  sent_packets_total: "Packets from clients to endpoints",
  received_packets_total: "Packets from endpoints to clients",
  connect_failures_total: "Connects to an endpoint that failed",
  connect_retries_total: "Connects made again to another endpoint",
  unserved_total: "Clients turned away because no endpoint took them",
  refused_by_source_total: "Clients outside loadBalancerSourceRanges",
  refused_by_limit_total: "Clients turned away because the agent was full",
  udp_flows_total: "UDP flows begun",
  sent_datagrams_total: "Datagrams from clients to endpoints",
  received_datagrams_total: "Datagrams from endpoints to clients",
} as const;
type SeriesName = keyof typeof series;

/** See the module. Service ports that are gone leave the metrics, so their number stays that of the cluster. */
export class TrafficMetrics {
  readonly #source: () => CountSource | undefined;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #series: ReadonlyMap<SeriesName, Series>;
  readonly #plane: Gauge<"mode">;
  readonly #drift: Counter;
  readonly #verifications: Counter;
  /** The last reading of the kernel, or the one under way. */
  #reading: { readonly source: CountSource; readonly at: number; readonly rows: Promise<Reading> } | undefined;

  /** `source` gives that of the plane in force, the same object as long as it is. */
  constructor(options: {
    readonly metrics: Metrics;
    readonly source: () => CountSource | undefined;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    const { metrics } = options;
    this.#source = options.source;
    this.#clock = options.clock;
    this.#log = options.log;
    const make = (name: SeriesName): Series => {
      const full = `fairlead_proxy_${name}`;
      return name.endsWith("_total")
        ? metrics.counter<Label>(full, series[name], ["service_port"])
        : metrics.gauge<Label>(full, series[name], ["service_port"]);
    };
    this.#series = new Map((Object.keys(series) as SeriesName[]).map((name) => [name, make(name)]));
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

  /** Brings the metrics up to date. Never rejects: counts that cannot be read stay as they were read last. */
  async collect(): Promise<void> {
    const source = this.#source();
    if (source === undefined) return;
    const rows = await this.#rows(source);
    if (rows !== undefined) {
      for (const metric of this.#series.values()) metric.reset();
      for (const [key, row] of rows) {
        for (const [name, value] of Object.entries(row)) {
          this.#series.get(name as SeriesName)?.inc({ service_port: key }, value);
        }
      }
    }
    this.#plane.reset();
    this.#plane.set({ mode: source.mode }, 1);
    const status = source.status?.();
    for (const [metric, value] of [
      [this.#drift, status?.driftRepaired],
      [this.#verifications, status?.verifications],
    ] as const) {
      metric.reset();
      metric.inc(value ?? 0);
    }
  }

  async #rows(source: CountSource): Promise<Reading | undefined> {
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
  #read(source: CountSource, counted: NonNullable<CountSource["counted"]>): Promise<Reading> {
    const now = this.#clock.monotonic();
    const last = this.#reading;
    if (last?.source === source && now - last.at < COUNTS_REUSED_MS) return last.rows;
    // A reading that is slow is shared by all who ask meanwhile.
    const rows = (last?.source === source ? last.rows.catch(() => undefined) : Promise.resolve())
      .then(counted)
      .then((all): Reading => Array.from(all, ([key, counters]) => [key, countedRow(counters)]));
    this.#reading = { source, at: now, rows };
    return rows;
  }
}

/** The same metrics, brought up to date whenever they are read. */
export function collectedMetrics(metrics: Metrics, collect: () => Promise<void>): Metrics {
  return {
    ...metrics,
    async text() {
      await collect();
      return metrics.text();
    },
  };
}

function relayedRow(counters: ServicePortCounters): Row {
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

function countedRow(counters: TrafficCounters): Row {
  return {
    connections_total: counters.connections,
    sent_packets_total: counters.sentPackets,
    sent_bytes_total: counters.sentBytes,
    received_packets_total: counters.receivedPackets,
    received_bytes_total: counters.receivedBytes,
  };
}
