/** What is measured. Names are ingress-nginx's where it has the same thing. */
import type { Counter, Gauge, Histogram, Metrics } from "@fairlead/host";

/** See the module. */
export class IngressMetrics {
  readonly routes: Gauge;
  readonly refused: Gauge;
  readonly reloads: Counter;
  readonly leader: Gauge;
  readonly #requests: Counter<"ingress" | "namespace" | "status">;
  readonly #durations: Histogram<"ingress" | "namespace">;

  constructor(metrics: Metrics) {
    const labels = ["ingress", "namespace"] as const;
    this.#requests = metrics.counter("nginx_ingress_controller_requests", "Requests, by Ingress and status", [
      ...labels,
      "status",
    ]);
    this.#durations = metrics.histogram(
      "nginx_ingress_controller_request_duration_seconds",
      "From the head of a request to the end of its response",
      { labels, buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] },
    );
    this.routes = metrics.gauge("fairlead_ingress_routes", "Routes in the table");
    this.refused = metrics.gauge("fairlead_ingress_refused", "Ingresses that are not served, in whole or in part");
    this.leader = metrics.gauge("fairlead_ingress_leader", "1 while this process writes the status of Ingresses");
    this.reloads = metrics.counter("fairlead_ingress_table_swaps_total", "Times that a new table was put in place");
  }

  /** Counts a request; `ingress` is `namespace/name`, empty where no route matched. */
  request(ingress: string, status: number, seconds: number): void {
    const slash = ingress.indexOf("/");
    const namespace = ingress.slice(0, Math.max(0, slash));
    const name = ingress.slice(slash + 1);
    this.#requests.inc({ ingress: name, namespace, status });
    this.#durations.observe({ ingress: name, namespace }, seconds);
  }
}
