/** Names and keys. A key is made by one function and taken apart by one function; nobody else knows its spelling. */
import type { Brand } from "./brand.ts";
import { InvalidInputError } from "./errors.ts";
import type { Protocol } from "./net.ts";

/** `<namespace>/<name>` of a Service. */
export type ServiceKey = Brand<string, "ServiceKey">;
/** `<namespace>/<name>:<port name>/<protocol>`: one port of a Service. The port name may be empty. */
export type ServicePortKey = Brand<string, "ServicePortKey">;
/** Name of a Node object. */
export type NodeName = Brand<string, "NodeName">;

// RFC 1123 names as Kubernetes bounds them: a label has 63 characters at most, a name of several 253 in all. It does not
// bound the parts of the latter, so a slice or node may bear a name of 70 characters without a dot.
const labelPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const maxLabelLength = 63;
const maxSubdomainLength = 253;

/** Whether the text is a DNS label (RFC 1123): what a namespace, a Service and a port may be called. */
export function isDnsLabel(text: string): boolean {
  return text.length <= maxLabelLength && labelPattern.test(text);
}

/** Whether the text is a DNS subdomain (RFC 1123): labels with dots between them, 253 characters in all at most. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= maxSubdomainLength && text.split(".").every((label) => labelPattern.test(label));
}

/** Checks a namespace's name. */
export function namespaceName(text: string, field = "namespace"): string {
  if (typeof text === "string" && isDnsLabel(text)) return text;
  throw new InvalidInputError(field, `must be a DNS label (a-z, 0-9 and '-', 63 at most), not ${JSON.stringify(text)}`);
}

/** Checks the name of an object. */
export function objectName(text: string, field = "name"): string {
  if (typeof text === "string" && isDnsSubdomain(text)) return text;
  throw new InvalidInputError(field, `must be a DNS subdomain (a-z, 0-9, '-' and '.'), not ${JSON.stringify(text)}`);
}

/** Checks a node's name. */
export function nodeName(text: string, field = "nodeName"): NodeName {
  return objectName(text, field) as NodeName;
}

/** The key of a Service. */
export function serviceKey(namespace: string, name: string): ServiceKey {
  return `${namespace}/${name}` as ServiceKey;
}

/** Namespace and name out of a {@link ServiceKey}. */
export function splitServiceKey(key: ServiceKey): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf("/");
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The key of one port of a Service. */
export function servicePortKey(service: ServiceKey, portName: string, protocol: Protocol): ServicePortKey {
  return `${service}:${portName}/${protocol}` as ServicePortKey;
}
