/** An EndpointSlice of the API as the network sees it. Pure. */
import type { EndpointSlice as ApiSlice } from "@fairlead/kube";
import {
  familyOf,
  InvalidInputError,
  ipAddress,
  namespaceName,
  nodeName,
  objectName,
  port,
  protocol,
} from "@fairlead/types";
import type { Endpoint, EndpointSlice, IpFamily, SlicePort } from "@fairlead/types";
import { headlessLabel, serviceNameLabel } from "../plan/labels.ts";
import { lenient } from "./lenient.ts";
import type { Complaint } from "./lenient.ts";

type ApiEndpoint = NonNullable<ApiSlice["endpoints"]>[number];

/**
 * The normalised slice, or `undefined` for one that belongs to no Service or whose addresses are names (FQDN). `weight` gives the
 * weight of the pod that an endpoint stands for.
 */
export function normaliseSlice(
  slice: ApiSlice,
  weight: (target: NonNullable<Endpoint["target"]>) => number,
  complain: Complaint,
): EndpointSlice | undefined {
  const { metadata = {}, addressType } = slice;
  const service = metadata.labels?.[serviceNameLabel];
  if (service === undefined || service === "" || (addressType !== "IPv4" && addressType !== "IPv6")) return undefined;
  const keep = lenient(complain);
  return {
    namespace: namespaceName(metadata.namespace ?? "", "metadata.namespace"),
    name: objectName(metadata.name ?? "", "metadata.name"),
    service: objectName(service, `metadata.labels[${serviceNameLabel}]`),
    family: addressType,
    headless: metadata.labels?.[headlessLabel] !== undefined,
    ports: keep.each(slice.ports ?? [], "ports", slicePort),
    endpoints: keep.each(slice.endpoints ?? [], "endpoints", (endpoint, field) =>
      endpointOf(endpoint, field, addressType, weight),
    ),
  };
}

function slicePort(item: NonNullable<ApiSlice["ports"]>[number], field: string): SlicePort {
  return {
    name: item.name ?? "",
    protocol: protocol(item.protocol ?? "TCP", `${field}.protocol`),
    ...(item.port === undefined || item.port === null ? {} : { port: port(item.port, `${field}.port`) }),
    ...(item.appProtocol === undefined ? {} : { appProtocol: item.appProtocol }),
  };
}

/** Conditions that a hand-made slice leaves out have the API's meaning: ready and serving unless said otherwise, not terminating. */
function endpointOf(
  endpoint: ApiEndpoint,
  field: string,
  family: IpFamily,
  weight: (target: NonNullable<Endpoint["target"]>) => number,
): Endpoint {
  const addresses = (endpoint.addresses ?? []).map((text, index) => {
    const address = ipAddress(text, `${field}.addresses[${index}]`);
    if (familyOf(address) !== family) throw new InvalidInputError(`${field}.addresses[${index}]`, `is not ${family}`);
    return address;
  });
  if (addresses.length === 0) throw new InvalidInputError(`${field}.addresses`, "must not be empty");
  const ready = endpoint.conditions?.ready ?? true;
  const reference = endpoint.targetRef;
  const target =
    reference?.kind === undefined || reference.name === undefined
      ? undefined
      : {
          kind: reference.kind,
          namespace: reference.namespace ?? "",
          name: reference.name,
          uid: reference.uid ?? "",
        };
  const zones = (endpoint.hints?.forZones ?? []).map(({ name }) => name);
  const nodes = (endpoint.hints?.forNodes ?? []).map(({ name }) => nodeName(name, `${field}.hints.forNodes`));
  return {
    addresses,
    ready,
    serving: endpoint.conditions?.serving ?? ready,
    terminating: endpoint.conditions?.terminating ?? false,
    ...(endpoint.nodeName ? { nodeName: nodeName(endpoint.nodeName, `${field}.nodeName`) } : {}),
    ...(endpoint.zone ? { zone: endpoint.zone } : {}),
    ...(endpoint.hostname ? { hostname: endpoint.hostname } : {}),
    ...(zones.length + nodes.length > 0 ? { hints: { zones, nodes } } : {}),
    ...(target === undefined ? {} : { target }),
    weight: target === undefined ? 1 : weight(target),
  };
}
