/** From the client library's type names to ours, and the facts they have lost. */
import type { FieldType, Scalar } from "./structure.ts";

/** An entry of a model's attribute map. */
export interface Attribute {
  readonly name: string;
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

/** Fields that are quantities (`500m`, `1Gi`); the library calls them strings. The same names mean nothing else elsewhere. */
const QUANTITIES: ReadonlySet<string> = new Set([
  "V1ContainerStatus.allocatedResources",
  "V1EmptyDirVolumeSource.sizeLimit",
  "V1NodeAllocatableResourceClaimStatus.resources",
  "V1NodeStatus.allocatable",
  "V1NodeStatus.capacity",
  "V1PodSpec.overhead",
  "V1PodStatus.allocatedResources",
  "V1ResourceFieldSelector.divisor",
  "V1ResourceRequirements.limits",
  "V1ResourceRequirements.requests",
  "V1VolumeResourceRequirements.limits",
  "V1VolumeResourceRequirements.requests",
]);

const NAMED: Readonly<Record<string, Scalar>> = {
  string: "string",
  boolean: "boolean",
  any: "any",
  object: "any",
  Date: "time",
  V1MicroTime: "micro-time",
  IntOrString: "int-or-string",
};

/** The type of a model's attribute. Throws if the library uses a notation that is not known here. */
export function fieldType(model: string, attribute: Attribute, required: boolean): FieldType {
  const list = /^Array<(?<of>.+)>$/.exec(attribute.type)?.groups?.["of"];
  const map = /^\{ \[key: string\]: (?<of>.+); \}$/.exec(attribute.type)?.groups?.["of"];
  const name = list ?? map ?? attribute.type;
  const shape = list === undefined ? (map === undefined ? "one" : "map") : "list";
  const scalar = scalarOf(name, attribute.format);
  if (scalar === undefined && !/^(?:[A-Z][a-z]+)?V\d\w*$/.test(name)) {
    throw new Error(`unknown type ${attribute.type} of ${model}.${attribute.baseName}`);
  }
  const of = QUANTITIES.has(`${model}.${attribute.baseName}`) ? "quantity" : (scalar ?? name);
  return { shape, of, model: scalar === undefined, required };
}

function scalarOf(name: string, format: string): Scalar | undefined {
  if (name === "number") return format === "int32" || format === "int64" ? format : "number";
  if (name === "string" && format === "byte") return "bytes";
  return Object.hasOwn(NAMED, name) ? NAMED[name] : undefined;
}
