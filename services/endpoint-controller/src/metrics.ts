/** Every metric of the service. */
import type { Gauge, Metrics } from "@fairlead/host";

/** Declared once; see the README for their meaning. */
export function endpointControllerMetrics(metrics: Metrics) {
  return {
    /** Names as in Kubernetes' own endpoint slice controller. */
    sliceChanges: metrics.counter("endpoint_slice_controller_changes", "EndpointSlice writes by operation", [
      "operation",
    ]),
    endpointsChanges: metrics.counter(
      "fairlead_endpoint_controller_endpoints_changes_total",
      "Writes of v1 Endpoints by operation",
      ["operation"],
    ),
    syncs: metrics.counter("endpoint_slice_controller_syncs", "Syncs of a Service by result", ["result"]),
    queued: metrics.gauge("fairlead_endpoint_controller_queued_services", "Services that wait for a sync"),
    published: metrics.counter(
      "fairlead_endpoint_controller_published_total",
      "Changes published on the feed by kind",
      ["kind"],
    ),
    lastPublish: metrics.gauge(
      "fairlead_endpoint_controller_last_publish_timestamp_seconds",
      "When the bus last took a change",
    ),
    refused: metrics.counter(
      "fairlead_endpoint_controller_refused_total",
      "Values that the bus would not take, by kind",
      ["kind"],
    ),
    feedSize: metrics.gauge("fairlead_endpoint_controller_feed_objects", "Objects on the feed by kind", ["kind"]),
    rejected: metrics.counter(
      "fairlead_endpoint_controller_rejected_fields_total",
      "Parts of API objects found to be unreadable and left out, each once, by kind",
      ["kind"],
    ),
    apiErrors: metrics.counter("fairlead_endpoint_controller_api_errors_total", "Failed calls to the API by resource", [
      "resource",
    ]),
  };
}

/** Has a gauge ask for its value whenever it is read. */
export function showWhenRead(gauge: Gauge, value: () => number): void {
  // prom-client calls `collect` before it reads a metric; its own types know it only as an option.
  Object.assign(gauge, { collect: () => gauge.set(value()) });
}

export type EndpointControllerMetrics = ReturnType<typeof endpointControllerMetrics>;
