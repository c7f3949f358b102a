/** EndpointSlices. */
import { isIPv4, isIPv6 } from "node:net";
import type { EndpointSlice } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { checkAddress, checkEndpointAddress } from "../address-rules.ts";
import type { AddressRules } from "../address-rules.ts";
import { FieldFaults } from "../field-faults.ts";
import { bumpGeneration, startGeneration } from "../generation.ts";
import { checkMetadata } from "../metadata.ts";
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from "../name-formats.ts";

/** Kubernetes' own bounds of one slice. */
export const sliceLimits = { endpoints: 1000, ports: 100, addresses: 100, zoneHints: 8, nodeHints: 8 } as const;

const addressTypes = ["FQDN", "IPv4", "IPv6"];
const portProtocols = ["SCTP", "TCP", "UDP"];

type Endpoint = NonNullable<EndpointSlice["endpoints"]>[number];

/** See the module and {@link Strategy}. */
export class EndpointSliceStrategy implements Strategy<EndpointSlice> {
  readonly #rules: AddressRules;

  constructor({ rules }: { readonly rules: AddressRules }) {
    this.#rules = rules;
  }

  default(slice: EndpointSlice): void {
    slice.endpoints ??= [];
    for (const port of slice.ports ?? []) {
      port.name ??= "";
      port.protocol ??= "TCP";
    }
  }

  prepareCreate(slice: EndpointSlice): void {
    startGeneration(slice);
  }

  prepareUpdate(slice: EndpointSlice, old: EndpointSlice): void {
    bumpGeneration(slice, old, ({ endpoints, ports }) => ({ endpoints, ports }));
  }

  validateCreate(slice: EndpointSlice): FieldCause[] {
    return this.#faults(slice).causes;
  }

  validateUpdate(slice: EndpointSlice, old: EndpointSlice): FieldCause[] {
    const faults = this.#faults(slice);
    if (slice.addressType !== old.addressType) faults.invalid("addressType", slice.addressType, "field is immutable");
    return faults.causes;
  }

  #faults(slice: EndpointSlice): FieldFaults {
    const faults = new FieldFaults();
    checkMetadata(slice.metadata, { namespaced: true }, faults);
    if (!slice.addressType) faults.required("addressType");
    else if (!addressTypes.includes(slice.addressType))
      faults.notSupported("addressType", slice.addressType, addressTypes);
    checkPorts(slice, faults);
    const endpoints = slice.endpoints ?? [];
    if (endpoints.length > sliceLimits.endpoints) {
      faults.tooMany("endpoints", endpoints.length, sliceLimits.endpoints);
      return faults;
    }
    for (const [index, endpoint] of endpoints.entries()) {
      this.#checkAddresses(endpoint, slice.addressType, `endpoints[${index}]`, faults);
      checkPlace(endpoint, `endpoints[${index}]`, faults);
    }
    return faults;
  }

  #checkAddresses(endpoint: Endpoint, type: string, field: string, faults: FieldFaults): void {
    const addresses = endpoint.addresses ?? [];
    if (addresses.length === 0) faults.required(`${field}.addresses`, "must contain at least 1 address");
    if (addresses.length > sliceLimits.addresses) {
      faults.tooMany(`${field}.addresses`, addresses.length, sliceLimits.addresses);
      return;
    }
    for (const [index, text] of addresses.entries()) {
      const at = `${field}.addresses[${index}]`;
      if (type === "FQDN") {
        faults.invalidAll(at, text, dnsSubdomain(text));
        continue;
      }
      if (!checkAddress(text, at, faults)) continue;
      if (type === "IPv4" && !isIPv4(text)) faults.invalid(at, text, "must be an IPv4 address");
      if (type === "IPv6" && !isIPv6(text)) faults.invalid(at, text, "must be an IPv6 address");
      checkEndpointAddress(text, at, this.#rules, faults);
    }
  }
}

function checkPorts(slice: EndpointSlice, faults: FieldFaults): void {
  const ports = slice.ports ?? [];
  if (ports.length > sliceLimits.ports) {
    faults.tooMany("ports", ports.length, sliceLimits.ports);
    return;
  }
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `ports[${index}]`;
    const name = port.name ?? "";
    if (name !== "") faults.invalidAll(`${at}.name`, name, dnsLabel(name));
    if (names.has(name)) faults.duplicate(`${at}.name`, name);
    names.add(name);
    if (!port.protocol) faults.required(`${at}.protocol`);
    else if (!portProtocols.includes(port.protocol))
      faults.notSupported(`${at}.protocol`, port.protocol, portProtocols);
    if (port.port !== undefined) faults.invalidAll(`${at}.port`, port.port, portNumber(port.port));
    if (port.appProtocol !== undefined) {
      faults.invalidAll(`${at}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol));
    }
  }
}

function checkPlace(endpoint: Endpoint, field: string, faults: FieldFaults): void {
  if (endpoint.hostname) faults.invalidAll(`${field}.hostname`, endpoint.hostname, dnsLabel(endpoint.hostname));
  if (endpoint.nodeName) faults.invalidAll(`${field}.nodeName`, endpoint.nodeName, dnsSubdomain(endpoint.nodeName));
  for (const [key, label, limit] of [
    ["forZones", "zoneHints", sliceLimits.zoneHints],
    ["forNodes", "nodeHints", sliceLimits.nodeHints],
  ] as const) {
    const hints = endpoint.hints?.[key] ?? [];
    if (hints.length > limit) faults.tooMany(`${field}.hints.${key}`, hints.length, sliceLimits[label]);
    const names = new Set<string>();
    for (const [index, { name }] of hints.entries()) {
      if (names.has(name)) faults.duplicate(`${field}.hints.${key}[${index}].name`, name);
      names.add(name);
    }
  }
}
