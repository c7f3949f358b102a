/** Rules of probes and of the actions that probes and lifecycle hooks may take. */
import type { Container, Probe } from "@fairlead/kube/objects";
import type { FieldFaults } from "../field-faults.ts";
import { portName, portNumber } from "../name-formats.ts";

/** Notes every fault of a container's three probes. */
export function checkProbes(container: Container, field: string, faults: FieldFaults): void {
  for (const name of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
    const probe = container[name];
    if (!probe) continue;
    checkProbe(probe, `${field}.${name}`, faults);
    if (name === "readinessProbe") {
      if (probe.terminationGracePeriodSeconds !== undefined) {
        const fault = "must not be set for readinessProbes";
        faults.invalid(`${field}.${name}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds, fault);
      }
    } else if (probe.successThreshold !== undefined && probe.successThreshold !== 1) {
      faults.invalid(`${field}.${name}.successThreshold`, probe.successThreshold, "must be 1");
    }
  }
}

function checkProbe(probe: Probe, field: string, faults: FieldFaults): void {
  checkAction(probe, field, faults);
  for (const key of [
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
  ] as const) {
    const value = probe[key] ?? 0;
    if (value < 0) faults.invalid(`${field}.${key}`, value, "must be greater than or equal to 0");
  }
}

type Action = Pick<Probe, "exec" | "httpGet" | "tcpSocket" | "grpc">;

function checkAction(action: Action, field: string, faults: FieldFaults): void {
  const given = (["exec", "httpGet", "tcpSocket", "grpc"] as const).filter((kind) => action[kind] !== undefined);
  if (given.length === 0) faults.required(field, "must specify a handler type");
  for (const second of given.slice(1)) {
    faults.forbidden(`${field}.${second}`, "may not specify more than 1 handler type");
  }
  const { exec, httpGet, tcpSocket, grpc } = action;
  if (exec && (exec.command ?? []).length === 0) faults.required(`${field}.exec.command`);
  if (httpGet) {
    checkPort(httpGet.port, `${field}.httpGet.port`, faults);
    if (!httpGet.path) faults.required(`${field}.httpGet.path`);
    if (httpGet.scheme !== "HTTP" && httpGet.scheme !== "HTTPS") {
      faults.notSupported(`${field}.httpGet.scheme`, httpGet.scheme, ["HTTP", "HTTPS"]);
    }
    for (const header of httpGet.httpHeaders ?? []) {
      if (!/^[-A-Za-z0-9]+$/.test(header.name)) {
        const fault =
          "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
        faults.invalid(`${field}.httpGet.httpHeaders`, header.name, fault);
      }
    }
  }
  if (tcpSocket) checkPort(tcpSocket.port, `${field}.tcpSocket.port`, faults);
  if (grpc) checkPort(grpc.port, `${field}.grpc.port`, faults);
}

function checkPort(port: number | string | undefined, field: string, faults: FieldFaults): void {
  if (typeof port === "string") faults.invalidAll(field, port, portName(port));
  else faults.invalidAll(field, port ?? 0, portNumber(port ?? 0));
}
