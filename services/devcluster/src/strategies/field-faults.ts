/** Collects what is wrong with an object, in the words of the Kubernetes API. */
import type { FieldCause } from "../api/errors.ts";

/** Gathers faults in the order they are found. Paths are written as in `spec.ports[0].port`. */
export class FieldFaults {
  readonly causes: FieldCause[] = [];

  invalid(field: string, value: unknown, detail: string): void {
    this.#add("FieldValueInvalid", field, `Invalid value: ${shown(value)}${suffix(detail)}`);
  }

  required(field: string, detail = ""): void {
    this.#add("FieldValueRequired", field, `Required value${suffix(detail)}`);
  }

  forbidden(field: string, detail: string): void {
    this.#add("FieldValueForbidden", field, `Forbidden${suffix(detail)}`);
  }

  duplicate(field: string, value: unknown): void {
    this.#add("FieldValueDuplicate", field, `Duplicate value: ${shown(value)}`);
  }

  notSupported(field: string, value: unknown, supported: readonly string[]): void {
    const list = supported.map((one) => JSON.stringify(one)).join(", ");
    this.#add("FieldValueNotSupported", field, `Unsupported value: ${shown(value)}: supported values: ${list}`);
  }

  tooLong(field: string, maxBytes: number): void {
    this.#add("FieldValueTooLong", field, `Too long: may not be more than ${maxBytes} bytes`);
  }

  tooMany(field: string, actual: number, max: number): void {
    this.#add("FieldValueInvalid", field, `Too many: ${actual}: must have at most ${max} items`);
  }

  /** Notes every message of a check that answers with a list of them. */
  invalidAll(field: string, value: unknown, details: readonly string[]): void {
    for (const detail of details) this.invalid(field, value, detail);
  }

  #add(reason: FieldCause["reason"], field: string, message: string): void {
    this.causes.push({ reason, field, message });
  }
}

/** A refused value as kubectl prints it: text quoted, lists of text as Go writes them, cut where it is long. */
function shown(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) {
    return cut(`[]string{${value.map((one) => JSON.stringify(one)).join(", ")}}`);
  }
  return cut(JSON.stringify(value) ?? "null");
}

// A refused value may be as large as the request; the answer should stay readable.
const shownLimit = 1024;

function cut(text: string): string {
  return text.length > shownLimit ? `${text.slice(0, shownLimit)}…` : text;
}

function suffix(detail: string): string {
  return detail === "" ? "" : `: ${detail}`;
}
