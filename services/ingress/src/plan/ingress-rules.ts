/** Takes one Ingress apart: its rules with every field checked. Refused as a whole, never half applied. */
import type { Ingress } from "@fairlead/kube";
import { InvalidInputError, isDnsSubdomain, objectName } from "@fairlead/types";
import { readAnnotations } from "../annotations/read-annotations.ts";
import type { RoutePolicy } from "../annotations/policy.ts";
import { pathPattern } from "./path-pattern.ts";
import { requestPath } from "./request-path.ts";
import { backendRef } from "./route.ts";
import type { BackendRef, PathType, Route } from "./route.ts";

/** Most paths in one Ingress, all rules together. */
export const MAX_PATHS = 2000;
/** Longest path, in characters. */
export const MAX_PATH_LENGTH = 1024;

/** One entry of `spec.tls`. */
export interface TlsRule {
  /** Empty means the certificate for names that have none of their own. */
  readonly hosts: readonly string[];
  readonly secret?: string;
}

/** An Ingress as planned with. */
export interface IngressRules {
  readonly ingress: Ingress;
  readonly namespace: string;
  readonly name: string;
  readonly policy: RoutePolicy;
  readonly ignored: readonly string[];
  readonly routes: readonly Route[];
  readonly tls: readonly TlsRule[];
  readonly defaultBackend?: BackendRef;
  /** Every host that a rule names; empty text where one names none. */
  readonly hosts: readonly string[];
}

type Spec = NonNullable<Ingress["spec"]>;
type Backend = NonNullable<Spec["defaultBackend"]>;

/** Throws AnnotationError or InvalidInputError naming the field. */
export function readIngress(ingress: Ingress): IngressRules {
  const namespace = ingress.metadata?.namespace ?? "";
  const name = ingress.metadata?.name ?? "";
  const { policy, ignored } = readAnnotations(ingress.metadata?.annotations ?? {});
  const tls = (ingress.spec?.tls ?? []).map((entry, index): TlsRule => {
    const hosts = (entry.hosts ?? []).map((host) => hostName(host, `spec.tls[${index}].hosts`));
    const secret = entry.secretName;
    if (secret === undefined || secret === "") return { hosts };
    return { hosts, secret: objectName(secret, `spec.tls[${index}].secretName`) };
  });
  const secured = (host: string): boolean =>
    tls.some(({ hosts }) => (hosts.length === 0 ? true : hosts.some((one) => coversHost(one, host))));
  const rules = ingress.spec?.rules ?? [];
  if (rules.reduce((sum, { http }) => sum + (http?.paths.length ?? 0), 0) > MAX_PATHS) {
    throw new InvalidInputError("spec.rules", `hold more than ${MAX_PATHS} paths`);
  }
  const hosts = rules.map(({ host }, index) =>
    host === undefined || host === "" ? "" : hostName(host, `spec.rules[${index}].host`),
  );
  const routes = rules.flatMap(({ http }, index) =>
    (http?.paths ?? []).map((entry, at): Route => {
      const field = `spec.rules[${index}].http.paths[${at}]`;
      const host = hosts[index] ?? "";
      const common = { ingress: `${namespace}/${name}`, host, policy, tls: secured(host) };
      const pathType = readPathType(entry.pathType, `${field}.pathType`);
      const path = entry.path === undefined || entry.path === "" ? "/" : entry.path;
      const backend = readBackend(entry.backend, namespace, `${field}.backend`);
      if (!path.startsWith("/")) throw new InvalidInputError(`${field}.path`, "must begin with a slash");
      if (policy.useRegex && pathType !== "Exact") {
        const { pattern, reach } = pathPattern(path, `${field}.path`);
        return { ...common, path, pathType, backend, pattern, patternReach: reach };
      }
      return { ...common, path: plainPath(path, `${field}.path`), pathType, backend };
    }),
  );
  const spec = ingress.spec?.defaultBackend;
  return {
    ingress,
    namespace,
    name,
    policy,
    ignored,
    routes,
    tls,
    hosts,
    ...(spec === undefined ? {} : { defaultBackend: readBackend(spec, namespace, "spec.defaultBackend") }),
  };
}

/** Whether a host of `spec.tls` or a certificate, exact or with a wildcard for one label, covers a host. */
export function coversHost(pattern: string, host: string): boolean {
  if (pattern === host) return true;
  const dot = host.indexOf(".");
  return pattern.startsWith("*.") && dot > 0 && pattern.slice(1) === host.slice(dot);
}

function hostName(text: string, field: string): string {
  const host = text.toLowerCase();
  const plain = host.startsWith("*.") ? host.slice(2) : host;
  if (isDnsSubdomain(plain) && !/^\d+(\.\d+){3}$/.test(plain)) return host;
  throw new InvalidInputError(field, `must be a DNS name, or one after "*.", not ${JSON.stringify(text)}`);
}

function readPathType(text: string | undefined, field: string): PathType {
  switch (text) {
    case "Exact":
    case "Prefix":
    case "ImplementationSpecific":
      return text;
    case undefined:
      return "ImplementationSpecific";
    default:
      throw new InvalidInputError(
        field,
        `must be Exact, Prefix or ImplementationSpecific, not ${JSON.stringify(text)}`,
      );
  }
}

function plainPath(text: string, field: string): string {
  if (text.length > MAX_PATH_LENGTH) throw new InvalidInputError(field, `is longer than ${MAX_PATH_LENGTH} characters`);
  if (/[^\x21-\x7e]|[?#]/.test(text)) throw new InvalidInputError(field, "holds a character that a path cannot hold");
  const path = requestPath(text);
  if (path === undefined) throw new InvalidInputError(field, "is no path");
  return path;
}

function readBackend(backend: Backend, namespace: string, field: string): BackendRef {
  const { service, resource } = backend;
  if (resource !== undefined && resource !== null) {
    throw new InvalidInputError(`${field}.resource`, "is not supported: only Services are");
  }
  if (service === undefined) throw new InvalidInputError(`${field}.service`, "is missing");
  const { number, name } = service.port ?? {};
  const port = number ?? name;
  if (port === undefined || port === "" || port === 0)
    throw new InvalidInputError(`${field}.service.port`, "is missing");
  if (number !== undefined && !(Number.isInteger(number) && number >= 1 && number <= 65_535)) {
    throw new InvalidInputError(`${field}.service.port.number`, `must be a port from 1 to 65535, not ${number}`);
  }
  if (number !== undefined && name !== undefined && name !== "") {
    throw new InvalidInputError(`${field}.service.port`, "must have a name or a number, not both");
  }
  return backendRef(namespace, objectName(service.name, `${field}.service.name`), port);
}
