/** Every metric of the service but those of a provider. */
import type { Metrics } from "@fairlead/host";

/** Declared once; see the README for their meaning. */
export function cloudLbMetrics(metrics: Metrics) {
  return {
    leader: metrics.gauge("fairlead_cloud_lb_leader", "1 while this process holds the lease"),
    syncs: metrics.counter("fairlead_cloud_lb_syncs_total", "Syncs of a Service by operation and result", [
      "operation",
      "result",
    ]),
    pending: metrics.gauge("fairlead_cloud_lb_pending_services", "Services that wait for an address"),
    queued: metrics.gauge("fairlead_cloud_lb_queued_services", "Services with work outstanding"),
    /** Names as in the cloud providers' service controller. */
    nodes: metrics.gauge("service_controller_loadbalancer_nodes", "Nodes that load balancers may send traffic to"),
    apiErrors: metrics.counter("fairlead_cloud_lb_api_errors_total", "Failed lists and watches by resource", [
      "resource",
    ]),
  };
}

export type CloudLbMetrics = ReturnType<typeof cloudLbMetrics>;
