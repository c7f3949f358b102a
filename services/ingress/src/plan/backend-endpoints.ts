/** Where the requests for a backend may go, by what the feed says of its Service and endpoints. Pure. */
import type { FeedView } from "@fairlead/bus";
import { serviceKey } from "@fairlead/types";
import type { Endpoint, Protocol, Service, ServicePort } from "@fairlead/types";
import type { BackendRef } from "./route.ts";

/** Endpoints of one backend that are used. */
export const MAX_BACKEND_ENDPOINTS = 5_000;

/** One place to connect to. */
export interface BackendEndpoint {
  /** An IP address; of an ExternalName Service the name it stands for, to be looked up when connecting. */
  readonly address: string;
  readonly port: number;
  readonly weight: number;
}

/**
 * The ready endpoints of a backend, else those that still serve while terminating, as kube-proxy does. A Service of type
 * ExternalName has one, whose readiness nobody knows. Empty where the Service, or its port of that protocol, is not there.
 */
export function resolveBackend(
  ref: Pick<BackendRef, "namespace" | "service" | "port">,
  view: Pick<FeedView, "services" | "slicesOf">,
  protocol: Protocol = "TCP",
): BackendEndpoint[] {
  const key = serviceKey(ref.namespace, ref.service);
  const service = view.services.get(key);
  if (service === undefined) return [];
  const servicePort = portOf(service, ref.port, protocol);
  if (service.type === "ExternalName") return externalEndpoint(service, servicePort?.port ?? ref.port);
  if (servicePort === undefined) return [];
  const pairs = view.slicesOf(key).flatMap((slice) => {
    const named = slice.ports.find((port) => port.protocol === protocol && port.name === servicePort.name);
    return named?.port === undefined ? [] : slice.endpoints.map((endpoint) => ({ endpoint, port: Number(named.port) }));
  });
  const ready = pairs.filter(({ endpoint }) => endpoint.ready);
  const usable = ready.length > 0 ? ready : pairs.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
  const byKey = new Map(usable.map((pair) => [`${first(pair.endpoint)}:${pair.port}`, pair]));
  return [...byKey.values()]
    .slice(0, MAX_BACKEND_ENDPOINTS)
    .map(({ endpoint, port }) => ({ address: first(endpoint), port, weight: endpoint.weight }));
}

/** The port of a Service that a reference means, by number or by name. */
export function portOf(service: Service, port: number | string, protocol: Protocol): ServicePort | undefined {
  return service.ports.find((one) => one.protocol === protocol && (one.name === port || one.port === port));
}

/** As in ingress-nginx a number need not be among the ports of an ExternalName Service, but a name must be. */
function externalEndpoint({ externalName = "" }: Service, port: number | string): BackendEndpoint[] {
  return externalName === "" || typeof port === "string" ? [] : [{ address: externalName, port, weight: 1 }];
}

function first(endpoint: Endpoint): string {
  return endpoint.addresses[0] ?? "";
}
