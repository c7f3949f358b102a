/** What is counted for each port of `tcp-services` and `udp-services`. */
import type { Counter, Gauge, Metrics } from "@fairlead/host";
import type { ServicePortCounters } from "@fairlead/relay";
import type { PortMapping } from "./port-map.ts";

const labels = ["port", "protocol", "namespace", "service"] as const;
type Label = (typeof labels)[number];

/** The counters of every port that is served now. */
export type CounterSource = () => Iterable<readonly [PortMapping, ServicePortCounters]>;

/** See the module. The relay counts in plain numbers; they are carried over when somebody asks. */
export class PortMetrics {
  readonly #exported: readonly (readonly [keyof ServicePortCounters, Counter<Label> | Gauge<Label>])[];
  readonly #refused: Gauge;

  constructor(metrics: Metrics) {
    const counter = (what: string, help: string): Counter<Label> =>
      metrics.counter(`fairlead_ingress_port_${what}`, help, labels);
    this.#exported = [
      ["connections", counter("connections_total", "TCP connections accepted")],
      ["udpFlows", counter("udp_flows_total", "UDP flows begun")],
      [
        "active",
        metrics.gauge("fairlead_ingress_port_connections_active", "TCP connections and UDP flows open now", labels),
      ],
      ["bytesToEndpoints", counter("sent_bytes_total", "Bytes from clients to endpoints")],
      ["bytesToClients", counter("received_bytes_total", "Bytes from endpoints to clients")],
      ["connectFailures", counter("connect_failures_total", "Connects to an endpoint that failed")],
      ["unserved", counter("unserved_total", "Clients turned away because no endpoint took them")],
      ["refusedByLimit", counter("refused_by_limit_total", "Clients turned away because there were too many")],
      ["refusedByHeader", counter("refused_by_header_total", "Clients without the PROXY header that must be there")],
    ];
    this.#refused = metrics.gauge(
      "fairlead_ingress_ports_refused",
      "Entries of tcp-services and udp-services that are not served",
    );
  }

  refused(count: number): void {
    this.#refused.set(count);
  }

  /** Brings the metrics up to date. Ports that are gone leave them. */
  collect(source: CounterSource): void {
    for (const [, metric] of this.#exported) metric.reset();
    for (const [{ port, protocol, namespace, service }, counters] of source()) {
      for (const [field, metric] of this.#exported) metric.inc({ port, protocol, namespace, service }, counters[field]);
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
