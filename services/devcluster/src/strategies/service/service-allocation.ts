/** Writes allocated addresses and ports into a Service. */
import { CodedError, ipAddress } from "@fairlead/types";
import type { IpAddress, IpFamily } from "@fairlead/types";
import type { Service } from "@fairlead/kube/objects";
import { ApiError, invalid } from "../../api/errors.ts";
import type { Holding, Reservation } from "../../allocation/service-allocations.ts";
import { RangeFullError } from "../../allocation/errors.ts";
import { FieldFaults } from "../field-faults.ts";
import { isAddress } from "../address-rules.ts";
import { headlessMark, needsClusterIp, needsHealthCheckNodePort, needsNodePort } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

/** What an error says that the Service is. */
export function serviceReference(service: Service): { resource: string; group: string; kind: string; name: string } {
  return { resource: "services", group: "", kind: "Service", name: service.metadata?.name ?? "" };
}

/** What the Service holds of the ranges. */
export function holdingOf(service: Service | undefined): Holding {
  const spec = service?.spec ?? {};
  const addresses = needsClusterIp(spec) ? (spec.clusterIPs ?? []).filter((text) => isAddress(text)) : [];
  const ports = new Set<number>();
  for (const port of spec.ports ?? []) if (port.nodePort !== undefined) ports.add(port.nodePort);
  if (spec.healthCheckNodePort !== undefined) ports.add(spec.healthCheckNodePort);
  return { addresses: addresses.map((text) => ipAddress(text)), ports: [...ports] };
}

/**
 * Takes what the Service asks for and fills in what it leaves open. `before` is what it holds already. Throws ApiError: Invalid with
 * the field where an asked-for value cannot be had, InternalError where a range is full.
 */
export function allocateService(service: Service, before: Holding, reservation: Reservation): void {
  const spec = service.spec ?? {};
  if (needsClusterIp(spec) && spec.clusterIPs?.[0] !== headlessMark) {
    allocateAddresses(service, spec, before, reservation);
  }
  if (needsNodePort(spec)) allocateNodePorts(service, spec, before, reservation);
  if (needsHealthCheckNodePort(spec)) allocateHealthCheckPort(service, spec, before, reservation);
}

function allocateAddresses(service: Service, spec: ServiceSpec, before: Holding, reservation: Reservation): void {
  const asked = spec.clusterIPs ?? [];
  const given: IpAddress[] = [];
  for (const [index, family] of (spec.ipFamilies ?? []).entries()) {
    const text = asked[index];
    if (text === undefined) {
      given.push(orFull("failed to allocate a serviceIP", () => reservation.anyAddress(family as IpFamily)));
      continue;
    }
    const address = ipAddress(text);
    given.push(address);
    if (before.addresses.includes(address)) continue;
    orInvalid(service, "spec.clusterIPs", asked, `failed to allocate IP ${text}: `, () => reservation.address(address));
  }
  const [first] = given;
  if (first === undefined) return;
  spec.clusterIP = first;
  spec.clusterIPs = given;
}

// Two ports of one number (TCP and UDP) share a node port unless they name two.
function allocateNodePorts(service: Service, spec: ServiceSpec, before: Holding, reservation: Reservation): void {
  const ports = spec.ports ?? [];
  const held = new Set(before.ports);
  const byNumber = new Map<number, number>();
  for (const [index, { port, nodePort }] of ports.entries()) {
    if (nodePort === undefined) continue;
    if (!byNumber.has(port)) byNumber.set(port, nodePort);
    if (held.has(nodePort)) continue;
    orInvalid(service, `spec.ports[${index}].nodePort`, nodePort, "", () => reservation.port(nodePort));
    held.add(nodePort);
  }
  if (spec.allocateLoadBalancerNodePorts === false) return;
  for (const port of ports) {
    if (port.nodePort !== undefined) continue;
    const shared = byNumber.get(port.port);
    // On update a second protocol may find its number shared already by the port before the change.
    port.nodePort = shared ?? orFull("failed to allocate a nodePort", () => reservation.anyPort());
    byNumber.set(port.port, port.nodePort);
  }
}

function allocateHealthCheckPort(service: Service, spec: ServiceSpec, before: Holding, reservation: Reservation): void {
  const asked = spec.healthCheckNodePort;
  if (asked === undefined) {
    spec.healthCheckNodePort = orFull("failed to allocate a HealthCheck NodePort", () => reservation.anyPort());
  } else if (!before.ports.includes(asked)) {
    const why = `failed to allocate requested HealthCheck NodePort ${asked}: `;
    orInvalid(service, "spec.healthCheckNodePort", asked, why, () => reservation.port(asked));
  }
}

function orInvalid(service: Service, field: string, value: unknown, prefix: string, take: () => void): void {
  try {
    take();
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const faults = new FieldFaults();
    faults.invalid(field, value, `${prefix}${error.message}`);
    throw invalid(serviceReference(service), faults.causes);
  }
}

function orFull<T>(what: string, take: () => T): T {
  try {
    return take();
  } catch (error) {
    if (!(error instanceof RangeFullError)) throw error;
    throw new ApiError(500, "InternalError", `Internal error occurred: ${what}: ${error.message}`);
  }
}
