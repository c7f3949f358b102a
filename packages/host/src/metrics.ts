/** Prometheus metrics. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export type { Counter, Gauge, Histogram, Registry } from "prom-client";

/**
 * The metrics of one service. Names are `fairlead_<service>_<what>_<unit>`, or the name that kube-proxy or CoreDNS gives the
 * same thing; a name is registered once, a second time throws. Labels must have few values: each combination is kept for ever
 * unless removed.
 */
export interface Metrics {
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string = never>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  histogram<L extends string = never>(
    name: string,
    help: string,
    options?: { readonly labels?: readonly L[]; readonly buckets?: readonly number[] },
  ): Histogram<L>;
  /** Everything, in the Prometheus text format. */
  text(): Promise<string>;
  readonly registry: Registry;
}

/** A registry of its own. With `process: true` it also holds prom-client's metrics of the process (memory, CPU, event loop). */
export function createMetrics(options: { process?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.process === true) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    counter: (name, help, labelNames = []) => new Counter({ name, help, labelNames, registers }),
    gauge: (name, help, labelNames = []) => new Gauge({ name, help, labelNames, registers }),
    histogram: (name, help, { labels = [], buckets } = {}) =>
      new Histogram({ name, help, labelNames: labels, registers, ...(buckets && { buckets: [...buckets] }) }),
    text: () => registry.metrics(),
    registry,
  };
}
