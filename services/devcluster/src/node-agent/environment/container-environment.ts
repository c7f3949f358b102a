/** The environment of a container, put together in a kubelet's order. */
import type { ConfigMap, Container, Pod, Secret, Service } from "@fairlead/kube/objects";
import { ContainerPlanError } from "../plan-error.ts";
import { expand } from "./expansion.ts";
import { fieldReference } from "./field-reference.ts";
import type { PodPlace } from "./field-reference.ts";
import { serviceVariables } from "./service-variables.ts";

/** What a container's variables may refer to, read when the container starts. */
export interface EnvironmentSources {
  configMap(namespace: string, name: string): ConfigMap | undefined;
  secret(namespace: string, name: string): Secret | undefined;
  services(): readonly Service[];
}

type EnvVar = NonNullable<Container["env"]>[number];

/**
 * The variables that the container asked for and those of the Services; of two with one name the container's own `env`
 * wins over `envFrom`, and both over the Services'. Throws {@link ContainerPlanError} for a reference to what does not
 * exist and is not optional.
 */
export function containerEnvironment(options: {
  pod: Pod;
  container: Container;
  place: PodPlace;
  sources: EnvironmentSources;
}): Record<string, string> {
  const { pod, container, place, sources } = options;
  const namespace = pod.metadata?.namespace ?? "";
  const services = serviceVariables(sources.services(), namespace, pod.spec?.enableServiceLinks ?? true);
  const own: Record<string, string> = {};
  for (const source of container.envFrom ?? []) {
    for (const [key, value] of Object.entries(tableOf(source, namespace, sources))) {
      own[`${source.prefix ?? ""}${key}`] = value;
    }
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, pod, place, sources);
    if (value !== undefined) own[variable.name] = expand(value, (name) => own[name] ?? services[name]);
  }
  return { ...services, ...own };
}

function tableOf(
  source: NonNullable<Container["envFrom"]>[number],
  namespace: string,
  sources: EnvironmentSources,
): Record<string, string> {
  const { configMapRef, secretRef } = source;
  if (configMapRef) {
    const found = sources.configMap(namespace, configMapRef.name ?? "");
    if (!found && !configMapRef.optional) throw missing("configmap", configMapRef.name);
    return found?.data ?? {};
  }
  if (secretRef) {
    const found = sources.secret(namespace, secretRef.name ?? "");
    if (!found && !secretRef.optional) throw missing("secret", secretRef.name);
    return Object.fromEntries(Object.entries(found?.data ?? {}).map(([key, value]) => [key, decode(value)]));
  }
  return {};
}

function valueOf(variable: EnvVar, pod: Pod, place: PodPlace, sources: EnvironmentSources): string | undefined {
  const from = variable.valueFrom;
  if (!from) return variable.value ?? "";
  const namespace = pod.metadata?.namespace ?? "";
  if (from.fieldRef) {
    const value = fieldReference(pod, place, from.fieldRef.fieldPath);
    if (value === undefined) throw refused(variable, `fieldRef ${from.fieldRef.fieldPath} is not supported`);
    return value;
  }
  if (from.configMapKeyRef) {
    const { name, key, optional } = from.configMapKeyRef;
    const found = sources.configMap(namespace, name ?? "");
    if (!found && !optional) throw missing("configmap", name);
    const value = found?.data?.[key];
    if (value === undefined && !optional) throw missingKey(key, "ConfigMap", namespace, name);
    return value;
  }
  if (from.secretKeyRef) {
    const { name, key, optional } = from.secretKeyRef;
    const found = sources.secret(namespace, name ?? "");
    if (!found && !optional) throw missing("secret", name);
    const value = found?.data?.[key];
    if (value === undefined && !optional) throw missingKey(key, "Secret", namespace, name);
    return value === undefined ? undefined : decode(value);
  }
  throw refused(variable, "resourceFieldRef and fileKeyRef are not supported by the development node agent");
}

function decode(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}

function missing(kind: string, name: string | undefined): ContainerPlanError {
  return new ContainerPlanError("CreateContainerConfigError", `${kind} ${JSON.stringify(name ?? "")} not found`);
}

function missingKey(key: string, kind: string, namespace: string, name: string | undefined): ContainerPlanError {
  return new ContainerPlanError(
    "CreateContainerConfigError",
    `couldn't find key ${key} in ${kind} ${namespace}/${name ?? ""}`,
  );
}

function refused(variable: EnvVar, why: string): ContainerPlanError {
  return new ContainerPlanError("CreateContainerConfigError", `variable ${variable.name}: ${why}`);
}
