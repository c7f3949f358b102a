/** What the dev cluster counts. */
import type { Metrics } from "@fairlead/host";

/** One request and how it went. */
export interface AnsweredRequest {
  readonly method: string;
  readonly code: number;
  /** From its head to the end of its answer, in ms; for a watch the time it stood. */
  readonly durationMs: number;
  readonly watch: boolean;
}

/** Methods that have a label of their own; others are counted together, so that clients cannot make new ones. */
const knownMethods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]);

/** See the module. Names are listed in the README. */
export class ClusterMetrics {
  /** For the health server: counts the objects each time it is read. */
  readonly exposed: Metrics;
  readonly #requests;
  readonly #durations;

  constructor({ metrics, objects }: { metrics: Metrics; objects: () => Iterable<readonly [string, number]> }) {
    this.#requests = metrics.counter("fairlead_devcluster_requests_total", "API requests answered.", [
      "method",
      "code",
    ]);
    this.#durations = metrics.histogram(
      "fairlead_devcluster_request_duration_seconds",
      "Time from a request's head to the end of its answer, watches and logs left out.",
      { labels: ["method"], buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10] },
    );
    const stored = metrics.gauge("fairlead_devcluster_objects", "Objects stored.", ["resource"]);
    this.exposed = {
      ...metrics,
      text: () => {
        for (const [resource, count] of objects()) stored.set({ resource }, count);
        return metrics.text();
      },
    };
  }

  count({ method, code, durationMs, watch }: AnsweredRequest): void {
    const label = knownMethods.has(method) ? method : "other";
    this.#requests.inc({ method: label, code: String(code) });
    if (!watch) this.#durations.observe({ method: label }, durationMs / 1000);
  }
}
