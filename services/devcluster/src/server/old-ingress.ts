/**
 * Ingresses in the shapes from before networking.k8s.io/v1 (`serviceName`, `servicePort`, `backend`), which older manifests have. They are
 * stored as v1; who asks at an old path gets the old shape, so that `kubectl apply` compares like with like.
 */
import { isObject } from "../patch/json-value.ts";
import type { ResourceNames } from "../api/strategy.ts";
import type { KindName } from "./parts.ts";
import { apiVersionOf } from "./parts.ts";

type Json = Readonly<Record<string, unknown>>;

const storedVersion = { group: "networking.k8s.io", version: "v1" };
const oldVersions = [
  { group: "networking.k8s.io", version: "v1beta1" },
  { group: "extensions", version: "v1beta1" },
];
const kindName = "Ingress";

/** The old versions beside the present one. They come last and without short names: who asks for `ingress` gets v1. */
export function withOldIngresses(resources: readonly ResourceNames[]): readonly ResourceNames[] {
  const present = resources.find(({ kind, group }) => kind === kindName && group === storedVersion.group);
  if (!present) return resources;
  return [...resources, ...oldVersions.map((version) => ({ ...present, ...version, shortNames: [], categories: [] }))];
}

/** Whether a kind is an Ingress of an old version. */
export function isOldIngress({ group, version, kind }: KindName): boolean {
  return kind === kindName && oldVersions.some((old) => old.group === group && old.version === version);
}

/** The kind that objects of a kind are stored as: its own, unless it is old. */
export function storedKind(kind: KindName): KindName {
  return isOldIngress(kind) ? { ...storedVersion, kind: kindName } : kind;
}

/** What a client is told that uses an old version; in the words of Kubernetes, which clients know. */
export function oldIngressWarning(kind: KindName): string {
  const since = kind.group === "extensions" ? "v1.14+" : "v1.19+";
  return `${apiVersionOf(kind)} Ingress is deprecated in ${since}, unavailable in v1.22+; use networking.k8s.io/v1 Ingress`;
}

/** An Ingress of an old version as v1. Whatever does not look as it should stays as it is, for validation to name. */
export function fromOldIngress(object: Json): Json {
  const { spec } = object;
  const converted = isObject(spec)
    ? { spec: convertSpec(spec, ["backend", "defaultBackend"], { backend: backendFromOld, path: withPathType }) }
    : {};
  return {
    ...object,
    ...(object["apiVersion"] === undefined ? {} : { apiVersion: apiVersionOf(storedVersion) }),
    ...converted,
  };
}

/** A stored Ingress as one of the old version that `kind` names. */
export function toOldIngress(kind: KindName, object: Json): Json {
  const { spec } = object;
  const converted = isObject(spec)
    ? { spec: convertSpec(spec, ["defaultBackend", "backend"], { backend: backendToOld, path: withoutPathType }) }
    : {};
  return { ...object, apiVersion: apiVersionOf(kind), ...converted };
}

/** How the parts that differ are converted. */
interface Convert {
  backend(backend: Json): Json;
  path(path: Json): Json;
}

function convertSpec(spec: Json, [from, to]: readonly [string, string], convert: Convert): Json {
  const { [from]: fallback, rules, ...rest } = spec;
  return {
    ...rest,
    ...(fallback === undefined ? {} : { [to]: isObject(fallback) ? convert.backend(fallback) : fallback }),
    ...(rules === undefined ? {} : { rules: each(rules, (rule) => convertRule(rule, convert)) }),
  };
}

function convertRule(rule: Json, convert: Convert): Json {
  const { http } = rule;
  if (!isObject(http)) return rule;
  const { paths } = http as Json;
  if (paths === undefined) return rule;
  return {
    ...rule,
    http: {
      ...http,
      paths: each(paths, (path) => {
        const { backend } = path;
        return { ...convert.path(path), ...(isObject(backend) ? { backend: convert.backend(backend) } : {}) };
      }),
    },
  };
}

function each(list: unknown, change: (item: Json) => Json): unknown {
  return Array.isArray(list) ? list.map((item) => (isObject(item) ? change(item as Json) : (item as unknown))) : list;
}

/** What a path is matched by where an old manifest does not say; v1 has no default. */
const oldPathType = "ImplementationSpecific";

function withPathType(path: Json): Json {
  return { ...path, pathType: path["pathType"] ?? oldPathType };
}

// So that an old manifest that does not say is what the cluster has.
function withoutPathType({ pathType, ...path }: Json): Json {
  return pathType === oldPathType ? path : { ...path, pathType };
}

function backendFromOld(backend: Json): Json {
  const { serviceName, servicePort, ...rest } = backend;
  if (serviceName === undefined && servicePort === undefined) return backend;
  const port = typeof servicePort === "number" ? { number: servicePort } : { name: servicePort };
  return { ...rest, service: { name: serviceName, ...(servicePort === undefined ? {} : { port }) } };
}

function backendToOld(backend: Json): Json {
  const { service, ...rest } = backend;
  if (!isObject(service)) return backend;
  const { name, port } = service as Json;
  const servicePort = isObject(port) ? ((port as Json)["number"] ?? (port as Json)["name"]) : undefined;
  return { ...rest, serviceName: name, ...(servicePort === undefined ? {} : { servicePort }) };
}
