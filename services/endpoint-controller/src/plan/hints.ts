/** Topology hints by `spec.trafficDistribution` (KEP-2433, KEP-3015). Pure. */
import type { Service } from "@fairlead/kube";
import type { ApiEndpoint } from "./endpoint-groups.ts";

/**
 * The endpoint with the hints that the Service's traffic distribution asks for: a ready endpoint is hinted to its own zone, with
 * PreferSameNode to its own node too. Without a known distribution, and for an endpoint that is not ready, there are none.
 */
export function withHints(service: Service, endpoint: ApiEndpoint): ApiEndpoint {
  const { hints: _dropped, ...bare } = endpoint;
  const distribution = service.spec?.trafficDistribution;
  const zonal =
    distribution === "PreferClose" || distribution === "PreferSameZone" || distribution === "PreferSameNode";
  if (!zonal || endpoint.conditions?.ready !== true) return bare;
  const nodes =
    distribution === "PreferSameNode" && endpoint.nodeName !== undefined ? [{ name: endpoint.nodeName }] : [];
  const zones = endpoint.zone === undefined ? [] : [{ name: endpoint.zone }];
  if (zones.length === 0 && nodes.length === 0) return bare;
  return {
    ...bare,
    hints: { ...(zones.length > 0 ? { forZones: zones } : {}), ...(nodes.length > 0 ? { forNodes: nodes } : {}) },
  };
}
