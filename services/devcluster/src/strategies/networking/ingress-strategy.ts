/** Ingresses. */
import { isIP } from "node:net";
import type { Ingress } from "@fairlead/kube/objects";
import type { FieldCause } from "../../api/errors.ts";
import type { Strategy } from "../../api/strategy.ts";
import { checkAddress } from "../address-rules.ts";
import { FieldFaults } from "../field-faults.ts";
import { bumpGeneration, startGeneration } from "../generation.ts";
import { checkMetadata } from "../metadata.ts";
import { dns1035Label, dnsSubdomain, portName, portNumber } from "../name-formats.ts";
import type { DefaultIngressClass } from "./default-ingress-class.ts";

type IngressSpec = NonNullable<Ingress["spec"]>;
type Backend = NonNullable<IngressSpec["defaultBackend"]>;
type Path = NonNullable<NonNullable<IngressSpec["rules"]>[number]["http"]>["paths"][number];

const pathTypes = ["Exact", "ImplementationSpecific", "Prefix"];
// What a path may not hold, because servers and proxies read it in different ways.
const badSequences = ["//", "/./", "/../", "%2f", "%2F"];
const badEndings = ["/..", "/."];

/** How an Ingress named its class before v1: one that does gets no class by default. */
const classAnnotation = "kubernetes.io/ingress.class";

/** See the module and {@link Strategy}. */
export class IngressStrategy implements Strategy<Ingress> {
  readonly #defaultClass: DefaultIngressClass;

  constructor(options: { defaultClass: DefaultIngressClass }) {
    this.#defaultClass = options.defaultClass;
  }

  default(): void {
    // The API has no defaults for Ingresses: pathType is required.
  }

  prepareCreate(ingress: Ingress): void {
    const named =
      ingress.spec?.ingressClassName !== undefined || classAnnotation in (ingress.metadata?.annotations ?? {});
    const { name } = this.#defaultClass;
    if (!named && name !== undefined) (ingress.spec ??= {}).ingressClassName = name;
    ingress.status = { loadBalancer: {} };
    startGeneration(ingress);
  }

  prepareUpdate(ingress: Ingress, old: Ingress): void {
    ingress.status = structuredClone(old.status ?? { loadBalancer: {} });
    bumpGeneration(ingress, old, ({ spec }) => spec);
  }

  validateCreate(ingress: Ingress): FieldCause[] {
    const faults = new FieldFaults();
    checkMetadata(ingress.metadata, { namespaced: true }, faults);
    checkSpec(ingress.spec ?? {}, faults);
    return faults.causes;
  }

  validateUpdate(ingress: Ingress): FieldCause[] {
    return this.validateCreate(ingress);
  }

  validateStatus(ingress: Ingress): FieldCause[] {
    const faults = new FieldFaults();
    for (const [index, { ip, hostname }] of (ingress.status?.loadBalancer?.ingress ?? []).entries()) {
      const field = `status.loadBalancer.ingress[${index}]`;
      if (ip) checkAddress(ip, `${field}.ip`, faults);
      if (hostname) faults.invalidAll(`${field}.hostname`, hostname, dnsSubdomain(hostname));
    }
    return faults.causes;
  }
}

function checkSpec(spec: IngressSpec, faults: FieldFaults): void {
  const rules = spec.rules ?? [];
  if (rules.length === 0 && !spec.defaultBackend) {
    faults.invalid("spec", spec.rules, "either `defaultBackend` or `rules` must be specified");
  }
  if (spec.ingressClassName !== undefined) {
    faults.invalidAll("spec.ingressClassName", spec.ingressClassName, dnsSubdomain(spec.ingressClassName));
  }
  if (spec.defaultBackend) checkBackend(spec.defaultBackend, "spec.defaultBackend", faults);
  for (const [index, rule] of rules.entries()) {
    const field = `spec.rules[${index}]`;
    if (rule.host) checkHost(rule.host, `${field}.host`, faults);
    if (!rule.http) continue;
    const paths = rule.http.paths ?? [];
    if (paths.length === 0) faults.required(`${field}.http.paths`);
    for (const [at, path] of paths.entries()) checkPath(path, `${field}.http.paths[${at}]`, faults);
  }
  for (const [index, tls] of (spec.tls ?? []).entries()) {
    for (const [at, host] of (tls.hosts ?? []).entries()) checkHost(host, `spec.tls[${index}].hosts[${at}]`, faults);
    if (tls.secretName) {
      faults.invalidAll(`spec.tls[${index}].secretName`, tls.secretName, dnsSubdomain(tls.secretName));
    }
  }
}

function checkHost(host: string, field: string, faults: FieldFaults): void {
  if (isIP(host) !== 0) faults.invalid(field, host, "must be a DNS name, not an IP address");
  else if (host.includes("*")) {
    // A wildcard stands for exactly one label, the first.
    if (!host.startsWith("*.") || dnsSubdomain(host.slice(2)).length > 0) {
      faults.invalid(
        field,
        host,
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain",
      );
    }
  } else faults.invalidAll(field, host, dnsSubdomain(host));
}

function checkPath({ path = "", pathType, backend }: Path, field: string, faults: FieldFaults): void {
  if (!pathType) faults.required(`${field}.pathType`, "pathType must be specified");
  else if (!pathTypes.includes(pathType)) faults.notSupported(`${field}.pathType`, pathType, pathTypes);
  else if (pathType !== "ImplementationSpecific" || path !== "") {
    if (!path.startsWith("/")) faults.invalid(`${field}.path`, path, "must be an absolute path");
    for (const bad of pathType === "ImplementationSpecific" ? [] : badSequences) {
      if (path.includes(bad)) faults.invalid(`${field}.path`, path, `must not contain '${bad}'`);
    }
    for (const bad of pathType === "ImplementationSpecific" ? [] : badEndings) {
      if (path.endsWith(bad)) faults.invalid(`${field}.path`, path, `cannot end with '${bad}'`);
    }
  }
  checkBackend(backend ?? {}, `${field}.backend`, faults);
}

function checkBackend({ service, resource }: Backend, field: string, faults: FieldFaults): void {
  if (service && resource) {
    faults.invalid(field, "", "cannot set both resource and service backends");
    return;
  }
  if (resource) {
    if (!resource.kind) faults.required(`${field}.resource.kind`);
    if (!resource.name) faults.required(`${field}.resource.name`);
    return;
  }
  if (!service) {
    faults.required(field, "a service or a resource must be specified");
    return;
  }
  const at = `${field}.service`;
  if (!service.name) faults.required(`${at}.name`);
  else faults.invalidAll(`${at}.name`, service.name, dns1035Label(service.name));
  const { name, number } = service.port ?? {};
  if (name && number) faults.invalid(`${at}.port`, service.port, "cannot set both port name & port number");
  else if (name) faults.invalidAll(`${at}.port.name`, name, portName(name));
  else if (number) faults.invalidAll(`${at}.port.number`, number, portNumber(number));
  else faults.required(`${at}.port`, "port name or number is required");
}
