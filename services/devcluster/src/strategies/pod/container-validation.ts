/** Rules of containers. */
import type { Container } from "@fairlead/kube/objects";
import { protocols } from "@fairlead/types";
import type { FieldFaults } from "../field-faults.ts";
import { dnsLabel, environmentName, portName, portNumber } from "../name-formats.ts";
import type { PodSpec } from "./pod-defaults.ts";
import { checkProbes } from "./probe-validation.ts";

const pullPolicies = ["Always", "IfNotPresent", "Never"];
const sources = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef"] as const;

/** Notes every fault of all containers of a pod. */
export function checkContainers(spec: PodSpec, field: string, faults: FieldFaults): void {
  const containers = spec.containers ?? [];
  if (containers.length === 0) faults.required(`${field}.containers`);
  const names = new Set<string>();
  const volumes = new Set((spec.volumes ?? []).map((volume) => volume.name));
  for (const [list, members] of [
    ["initContainers", spec.initContainers ?? []],
    ["containers", containers],
  ] as const) {
    for (const [index, container] of members.entries()) {
      const at = `${field}.${list}[${index}]`;
      checkContainer(container, at, names, faults);
      checkMounts(container, at, volumes, faults);
      if (list === "initContainers") checkInitContainer(container, at, faults);
    }
  }
  checkHostPorts(containers, field, faults);
}

function checkContainer(container: Container, field: string, names: Set<string>, faults: FieldFaults): void {
  if (!container.name) faults.required(`${field}.name`);
  else {
    faults.invalidAll(`${field}.name`, container.name, dnsLabel(container.name));
    if (names.has(container.name)) faults.duplicate(`${field}.name`, container.name);
    names.add(container.name);
  }
  if (!container.image) faults.required(`${field}.image`);
  else if (container.image !== container.image.trim()) {
    faults.invalid(`${field}.image`, container.image, "must not have leading or trailing whitespace");
  }
  if (container.imagePullPolicy && !pullPolicies.includes(container.imagePullPolicy)) {
    faults.notSupported(`${field}.imagePullPolicy`, container.imagePullPolicy, pullPolicies);
  }
  checkPorts(container, field, faults);
  checkEnvironment(container, field, faults);
  checkProbes(container, field, faults);
}

function checkInitContainer(container: Container, field: string, faults: FieldFaults): void {
  if (container.restartPolicy !== undefined && container.restartPolicy !== "Always") {
    faults.notSupported(`${field}.restartPolicy`, container.restartPolicy, ["Always"]);
  }
  // A sidecar (restartPolicy Always) runs beside the others and may be probed; a step that ends may not.
  if (container.restartPolicy === "Always") return;
  for (const key of ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] as const) {
    if (container[key])
      faults.forbidden(`${field}.${key}`, "may not be set for init containers without restartPolicy=Always");
  }
}

function checkPorts(container: Container, field: string, faults: FieldFaults): void {
  const names = new Set<string>();
  for (const [index, port] of (container.ports ?? []).entries()) {
    const at = `${field}.ports[${index}]`;
    if (port.name) {
      faults.invalidAll(`${at}.name`, port.name, portName(port.name));
      if (names.has(port.name)) faults.duplicate(`${at}.name`, port.name);
      names.add(port.name);
    }
    if (!port.containerPort) faults.required(`${at}.containerPort`);
    else faults.invalidAll(`${at}.containerPort`, port.containerPort, portNumber(port.containerPort));
    if (port.hostPort !== undefined) faults.invalidAll(`${at}.hostPort`, port.hostPort, portNumber(port.hostPort));
    if (!(protocols as readonly string[]).includes(port.protocol ?? "")) {
      faults.notSupported(`${at}.protocol`, port.protocol, [...protocols].sort());
    }
  }
}

function checkHostPorts(containers: readonly Container[], field: string, faults: FieldFaults): void {
  const seen = new Set<string>();
  for (const [index, container] of containers.entries()) {
    for (const [portIndex, port] of (container.ports ?? []).entries()) {
      if (port.hostPort === undefined) continue;
      const key = `${port.protocol}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (seen.has(key)) faults.duplicate(`${field}.containers[${index}].ports[${portIndex}].hostPort`, key);
      seen.add(key);
    }
  }
}

function checkEnvironment(container: Container, field: string, faults: FieldFaults): void {
  for (const [index, variable] of (container.env ?? []).entries()) {
    const at = `${field}.env[${index}]`;
    if (!variable.name) faults.required(`${at}.name`);
    else faults.invalidAll(`${at}.name`, variable.name, environmentName(variable.name));
    const from = variable.valueFrom;
    if (from === undefined) continue;
    const given = sources.filter((source) => from[source] !== undefined);
    if (given.length === 0) {
      const fault = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
      faults.invalid(`${at}.valueFrom`, "", fault);
    } else if (variable.value) {
      faults.invalid(`${at}.valueFrom`, "", "may not be specified when `value` is not empty");
    } else if (given.length > 1) {
      faults.invalid(`${at}.valueFrom`, "", "may not have more than one field specified at a time");
    }
    if (from.fieldRef && !from.fieldRef.fieldPath) faults.required(`${at}.valueFrom.fieldRef.fieldPath`);
    for (const source of ["configMapKeyRef", "secretKeyRef"] as const) {
      const reference = from[source];
      if (!reference) continue;
      if (!reference.name) faults.required(`${at}.valueFrom.${source}.name`);
      if (!reference.key) faults.required(`${at}.valueFrom.${source}.key`);
    }
  }
}

function checkMounts(container: Container, field: string, volumes: ReadonlySet<string>, faults: FieldFaults): void {
  const paths = new Set<string>();
  for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${field}.volumeMounts[${index}]`;
    if (!mount.name) faults.required(`${at}.name`);
    else if (!volumes.has(mount.name)) {
      faults.causes.push({
        reason: "FieldValueInvalid",
        field: `${at}.name`,
        message: `Not found: ${JSON.stringify(mount.name)}`,
      });
    }
    if (!mount.mountPath) faults.required(`${at}.mountPath`);
    else if (paths.has(mount.mountPath)) faults.invalid(`${at}.mountPath`, mount.mountPath, "must be unique");
    paths.add(mount.mountPath);
  }
}
