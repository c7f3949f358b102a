/** Every metric of the service. */
import type { Metrics } from "@fairlead/host";

/** Declared once; see the README for their meaning. */
export function endpointControllerMetrics(metrics: Metrics) {
  return {
    /** Names as in Kubernetes' own endpoint slice controller. */
    sliceChanges: metrics.counter("endpoint_slice_controller_changes", "EndpointSlice writes by operation", [
      "operation",
    ]),
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
    feedSize: metrics.gauge("fairlead_endpoint_controller_feed_objects", "Objects on the feed by kind", ["kind"]),
    rejected: metrics.counter(
      "fairlead_endpoint_controller_rejected_fields_total",
      "Parts of API objects that were left out because they could not be read",
      ["kind"],
    ),
    apiErrors: metrics.counter("fairlead_endpoint_controller_api_errors_total", "Failed calls to the API by resource", [
      "resource",
    ]),
  };
}

export type EndpointControllerMetrics = ReturnType<typeof endpointControllerMetrics>;
