/** Endpoints, the elder of EndpointSlices; people still make them by hand for Services without a selector. */
import type { Endpoints } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { checkAddress, checkEndpointAddress } from "../address-rules.ts";
import type { AddressRules } from "../address-rules.ts";
import { FieldFaults } from "../field-faults.ts";
import { checkMetadata } from "../metadata.ts";
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from "../name-formats.ts";

const portProtocols = ["SCTP", "TCP", "UDP"];

type Subset = NonNullable<Endpoints["subsets"]>[number];
type Address = NonNullable<Subset["addresses"]>[number];

/** See the module and {@link Strategy}. */
export class EndpointsStrategy implements Strategy<Endpoints> {
  readonly #rules: AddressRules;

  constructor({ rules }: { readonly rules: AddressRules }) {
    this.#rules = rules;
  }

  default(endpoints: Endpoints): void {
    for (const subset of endpoints.subsets ?? []) {
      for (const port of subset.ports ?? []) {
        port.protocol ??= "TCP";
        if (port.name === "") delete port.name;
      }
    }
  }

  validateCreate(endpoints: Endpoints): FieldCause[] {
    const faults = new FieldFaults();
    checkMetadata(endpoints.metadata, { namespaced: true }, faults);
    for (const [index, subset] of (endpoints.subsets ?? []).entries()) {
      this.#checkSubset(subset, `subsets[${index}]`, faults);
    }
    return faults.causes;
  }

  validateUpdate(endpoints: Endpoints): FieldCause[] {
    return this.validateCreate(endpoints);
  }

  #checkSubset(subset: Subset, field: string, faults: FieldFaults): void {
    const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
    if (addresses.length + notReadyAddresses.length === 0) {
      faults.required(field, "must specify `addresses` or `notReadyAddresses`");
    }
    for (const [list, members] of [
      ["addresses", addresses],
      ["notReadyAddresses", notReadyAddresses],
    ] as const) {
      for (const [index, address] of members.entries())
        this.#checkAddress(address, `${field}.${list}[${index}]`, faults);
    }
    const names = new Set<string>();
    for (const [index, port] of ports.entries()) {
      const at = `${field}.ports[${index}]`;
      const name = port.name ?? "";
      if (name === "" && ports.length > 1) faults.required(`${at}.name`);
      else if (name !== "") faults.invalidAll(`${at}.name`, name, dnsLabel(name));
      if (name !== "" && names.has(name)) faults.duplicate(`${at}.name`, name);
      names.add(name);
      faults.invalidAll(`${at}.port`, port.port ?? 0, portNumber(port.port ?? 0));
      if (!portProtocols.includes(port.protocol ?? ""))
        faults.notSupported(`${at}.protocol`, port.protocol, portProtocols);
      if (port.appProtocol !== undefined) {
        faults.invalidAll(`${at}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol));
      }
    }
  }

  #checkAddress(address: Address, field: string, faults: FieldFaults): void {
    const ip = address.ip ?? "";
    if (checkAddress(ip, `${field}.ip`, faults)) checkEndpointAddress(ip, `${field}.ip`, this.#rules, faults);
    if (address.hostname) faults.invalidAll(`${field}.hostname`, address.hostname, dnsLabel(address.hostname));
    if (address.nodeName) faults.invalidAll(`${field}.nodeName`, address.nodeName, dnsSubdomain(address.nodeName));
  }
}
