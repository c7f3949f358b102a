/** What is measured. Names are ingress-nginx's where it has the same thing. */
import type { Counter, Gauge, Metrics } from "@fairlead/host";
import { RequestCounts } from "./request-counts.ts";

/** See the module. */
export class IngressMetrics {
  readonly routes: Gauge;
  readonly refused: Gauge;
  readonly reloads: Counter;
  readonly leader: Gauge;
  readonly #requests: RequestCounts;

  constructor(metrics: Metrics) {
    this.#requests = new RequestCounts({
      registry: metrics.registry,
      requests: "nginx_ingress_controller_requests",
      durations: "nginx_ingress_controller_request_duration_seconds",
    });
    this.routes = metrics.gauge("fairlead_ingress_routes", "Routes in the table");
    this.refused = metrics.gauge("fairlead_ingress_refused", "Ingresses that are not served, in whole or in part");
    this.leader = metrics.gauge("fairlead_ingress_leader", "1 while this process writes the status of Ingresses");
    this.reloads = metrics.counter("fairlead_ingress_table_swaps_total", "Times that a new table was put in place");
  }

  /** Counts a request; `ingress` is `namespace/name`, empty where no route matched. */
  request(ingress: string, status: number, seconds: number): void {
    this.#requests.add(ingress, status, seconds);
  }
}
