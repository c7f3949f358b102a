/** What a model looks like: the part of the schemas that validation needs, and that is kept in memory. */

/** A single value. `time` is RFC 3339, `micro-time` the same with a fraction, `bytes` base64, `any` whatever JSON can hold. */
export type Scalar =
  | "string"
  | "boolean"
  | "int32"
  | "int64"
  | "number"
  | "int-or-string"
  | "quantity"
  | "time"
  | "micro-time"
  | "bytes"
  | "any";

/** Type of a field. `of` is a {@link Scalar} or, with `model: true`, the name of a model. */
export interface FieldType {
  /** `one` value, a `list` of them, or a `map` from names to them. */
  readonly shape: "one" | "list" | "map";
  readonly of: string;
  readonly model: boolean;
  readonly required: boolean;
}

export interface Model {
  /** Name in the OpenAPI documents, for example `io.k8s.api.core.v1.ServiceSpec`. */
  readonly schemaName: string;
  readonly fields: Readonly<Record<string, FieldType>>;
}

/** Models by their names in the client library. */
export type Structure = Readonly<Record<string, Model>>;

/** Descriptions by model and field; the model's own under the empty name. */
export type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Names of every model that can be reached from the given ones, themselves included, in order of first reach. */
export function reachable(structure: Structure, roots: readonly string[]): string[] {
  const seen = new Set(roots);
  for (const name of seen) {
    for (const field of Object.values(structure[name]?.fields ?? {})) if (field.model) seen.add(field.of);
  }
  return [...seen];
}
