/** Reads annotation values, each by a closed grammar: what does not match is refused by name. */
import { CodedError } from "@fairlead/types";

/** Prefix of the annotations that we share with ingress-nginx. */
export const annotationPrefix = "nginx.ingress.kubernetes.io/";
/** Longest value that is read at all, in characters. */
export const MAX_ANNOTATION_LENGTH = 4096;

/** Thrown where a value is refused: `annotation` is its full name. */
export class AnnotationError extends CodedError {
  readonly code = "INGRESS_ANNOTATION";
  readonly annotation: string;
  readonly reason: string;

  constructor(annotation: string, reason: string) {
    super(`annotation ${annotation}: ${reason}`);
    this.name = "AnnotationError";
    this.annotation = annotation;
    this.reason = reason;
  }
}

/** The annotations of one Ingress. Names are given without the prefix. Every method throws AnnotationError. */
export class AnnotationReader {
  readonly #values: Readonly<Record<string, string>>;

  constructor(values: Readonly<Record<string, string>>) {
    this.#values = values;
  }

  /** The value as it stands; only for a grammar that checks it. */
  raw(name: string): string | undefined {
    const value = this.#values[annotationPrefix + name];
    if (value !== undefined && value.length > MAX_ANNOTATION_LENGTH) {
      this.refuse(name, `is longer than ${MAX_ANNOTATION_LENGTH} characters`);
    }
    return value;
  }

  refuse(name: string, reason: string): never {
    throw new AnnotationError(annotationPrefix + name, reason);
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (value === "true") return true;
    return value === "false" ? false : this.refuse(name, `must be "true" or "false", not ${show(value)}`);
  }

  whole(name: string, min: number, max: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const number = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    return this.refuse(name, `must be a whole number from ${min} to ${max}, not ${show(value)}`);
  }

  choice<const V extends string>(name: string, values: readonly V[]): V | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    const found = values.find((one) => one === value);
    return found ?? this.refuse(name, `must be one of ${values.join(", ")}, not ${show(value)}`);
  }

  /** `pattern` must be anchored at both ends. */
  matching(name: string, pattern: RegExp, what: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || pattern.test(value)) return value;
    return this.refuse(name, `must be ${what}, not ${show(value)}`);
  }
}

/** A value as shown in a message. */
export function show(value: string): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

/** Adds a member only where there is a value, as exact optional properties want it. */
export function given<K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } {
  const found: { [P in K]?: V } = {};
  if (value !== undefined) found[name] = value;
  return found;
}
