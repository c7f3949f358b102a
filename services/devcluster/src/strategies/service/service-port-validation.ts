/** Rules of `spec.ports`. */
import { protocols } from "@fairlead/types";
import type { FieldFaults } from "../field-faults.ts";
import { dnsLabel, portName, portNumber, qualifiedName } from "../name-formats.ts";
import { isHeadless } from "./service-type.ts";
import type { ServiceSpec } from "./service-type.ts";

type ServicePort = NonNullable<ServiceSpec["ports"]>[number];

const supportedProtocols = [...protocols].sort();

/** Notes every fault of the ports, alone and among each other. */
export function checkPorts(spec: ServiceSpec, faults: FieldFaults): void {
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== "ExternalName") faults.required("spec.ports");
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const field = `spec.ports[${index}]`;
    checkName(port, field, ports.length > 1, names, faults);
    checkNumbers(port, field, faults);
    if (port.nodePort !== undefined && spec.type === "ClusterIP") {
      faults.forbidden(`${field}.nodePort`, "may not be used when `type` is 'ClusterIP'");
    }
  }
  checkDuplicates(ports, faults);
}

function checkName(port: ServicePort, field: string, required: boolean, names: Set<string>, faults: FieldFaults): void {
  const name = port.name ?? "";
  if (name === "") {
    if (required) faults.required(`${field}.name`);
    return;
  }
  faults.invalidAll(`${field}.name`, name, dnsLabel(name));
  if (names.has(name)) faults.duplicate(`${field}.name`, name);
  names.add(name);
}

function checkNumbers(port: ServicePort, field: string, faults: FieldFaults): void {
  // An absent number is Go's zero.
  const number = port.port ?? 0;
  faults.invalidAll(`${field}.port`, number, portNumber(number));
  const protocol = port.protocol ?? "";
  if (protocol === "") faults.required(`${field}.protocol`);
  else if (!(protocols as readonly string[]).includes(protocol)) {
    faults.notSupported(`${field}.protocol`, protocol, supportedProtocols);
  }
  const target = port.targetPort ?? number;
  // The default copies the port: a bad number there is one mistake, told once.
  if (typeof target === "string") faults.invalidAll(`${field}.targetPort`, target, portName(target));
  else if (target !== number) faults.invalidAll(`${field}.targetPort`, target, portNumber(target));
  if (port.nodePort !== undefined && (!Number.isInteger(port.nodePort) || port.nodePort < 0)) {
    faults.invalidAll(`${field}.nodePort`, port.nodePort, portNumber(port.nodePort));
  }
  if (port.appProtocol !== undefined) {
    faults.invalidAll(`${field}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol));
  }
}

function checkDuplicates(ports: readonly ServicePort[], faults: FieldFaults): void {
  const nodePorts = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, { port, protocol, nodePort }] of ports.entries()) {
    const field = `spec.ports[${index}]`;
    if (nodePort !== undefined) {
      if (nodePorts.has(`${protocol}/${nodePort}`)) faults.duplicate(`${field}.nodePort`, nodePort);
      nodePorts.add(`${protocol}/${nodePort}`);
    }
    if (numbers.has(`${protocol}/${port}`)) faults.duplicate(field, { protocol, port });
    numbers.add(`${protocol}/${port}`);
  }
}
