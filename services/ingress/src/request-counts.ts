/**
 * Requests by Ingress and status, and how long they took, in the form of prom-client. Its own counters look their labels up by a text that
 * they build for every request; here one object for each Ingress is found once, and the texts are built when somebody asks.
 */
import type { Registry } from "@fairlead/host";

/** Upper ends of the buckets, in seconds. */
const bounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/** What prom-client reads of a metric. */
interface MetricValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName: string;
}

/** Counts of one Ingress. */
class IngressCounts {
  readonly labels: { readonly ingress: string; readonly namespace: string };
  readonly statuses = new Map<number, number>();
  /** Not cumulative; the last one is for what took longer than all bounds. */
  readonly buckets: number[] = bounds.map(() => 0).concat(0);
  seconds = 0;

  constructor(options: { ingress: string }) {
    const { ingress } = options;
    const slash = ingress.indexOf("/");
    this.labels = { ingress: ingress.slice(slash + 1), namespace: ingress.slice(0, Math.max(0, slash)) };
  }

  add(status: number, seconds: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    let at = 0;
    while (at < bounds.length && seconds > (bounds[at] ?? 0)) at += 1;
    this.buckets[at] = (this.buckets[at] ?? 0) + 1;
    this.seconds += seconds;
  }
}

/** See the module. One entry for each Ingress that was ever asked for, like a counter with labels. */
export class RequestCounts {
  readonly #ingresses = new Map<string, IngressCounts>();

  constructor(options: { readonly registry: Registry; readonly requests: string; readonly durations: string }) {
    const { registry, requests, durations } = options;
    register(registry, {
      name: requests,
      help: "Requests, by Ingress and status",
      type: "counter",
      values: () => [...this.#ingresses.values()].flatMap((counts) => requestValues(requests, counts)),
    });
    register(registry, {
      name: durations,
      help: "From the head of a request to the end of its response",
      type: "histogram",
      values: () => [...this.#ingresses.values()].flatMap((counts) => durationValues(durations, counts)),
    });
  }

  /** Counts a request; `ingress` is `namespace/name`, empty where no route matched. */
  add(ingress: string, status: number, seconds: number): void {
    let counts = this.#ingresses.get(ingress);
    if (counts === undefined) {
      counts = new IngressCounts({ ingress });
      this.#ingresses.set(ingress, counts);
    }
    counts.add(status, seconds);
  }
}

function requestValues(metricName: string, { statuses, labels }: IngressCounts): MetricValue[] {
  return [...statuses].map(([status, value]) => ({ value, labels: { ...labels, status }, metricName }));
}

function durationValues(name: string, { buckets, seconds, labels }: IngressCounts): MetricValue[] {
  let sum = 0;
  const values = buckets.map((count, at): MetricValue => {
    sum += count;
    return { value: sum, labels: { le: bounds[at] ?? "+Inf", ...labels }, metricName: `${name}_bucket` };
  });
  values.push(
    { value: seconds, labels, metricName: `${name}_sum` },
    { value: sum, labels, metricName: `${name}_count` },
  );
  return values;
}

function register(
  registry: Registry,
  metric: { name: string; help: string; type: string; values: () => readonly MetricValue[] },
): void {
  const { name, help, type, values } = metric;
  const get = (): Promise<unknown> => Promise.resolve({ name, help, type, values: values(), aggregator: "sum" });
  // A registry asks its metrics for nothing but their name and this.
  registry.registerMetric({ name, get } as unknown as Parameters<Registry["registerMetric"]>[0]);
}
