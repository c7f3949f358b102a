/** What is wrong with a single value: the sentence that kubectl prints after the field's path. */
import { isObject } from "../patch/json-value.ts";

/** Characters of a refused value that a message repeats. */
export const MAX_SHOWN_VALUE = 80;

const SHAPES = { object: "an object", list: "a list", map: "a map from names to values" } as const;

const QUANTITY = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/;
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:\d{2})$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Undefined if the value has the shape. */
export function shapeFault(value: unknown, shape: keyof typeof SHAPES): string | undefined {
  const fits = shape === "list" ? Array.isArray(value) : isObject(value);
  return fits ? undefined : `Invalid value: ${shown(value)}: must be ${SHAPES[shape]}, got ${kindOf(value)}`;
}

/** Undefined if the value is one of the scalar type. */
export function itemFault(value: unknown, scalar: string): string | undefined {
  const wanted = unmet(value, scalar);
  return wanted === undefined ? undefined : `Invalid value: ${shown(value)}: must be ${wanted}, got ${kindOf(value)}`;
}

/** What the value should have been; undefined if it is. */
function unmet(value: unknown, scalar: string): string | undefined {
  switch (scalar) {
    case "string":
      return typeof value === "string" ? undefined : "a string";
    case "boolean":
      return typeof value === "boolean" ? undefined : "true or false";
    case "int32":
      return isInt32(value) ? undefined : "a 32-bit integer";
    case "int64":
      // Beyond 2^53 JSON.parse has lost digits already, but the value is still one a client may send.
      return Number.isInteger(value) && Math.abs(value as number) < 2 ** 63 ? undefined : "a 64-bit integer";
    case "number":
      return typeof value === "number" ? undefined : "a number";
    case "int-or-string":
      return typeof value === "string" || isInt32(value) ? undefined : "a 32-bit integer or a string";
    case "quantity":
      return typeof value === "number" || (typeof value === "string" && QUANTITY.test(value))
        ? undefined
        : "a quantity such as 500m or 1Gi";
    case "time":
    case "micro-time":
      return typeof value === "string" && TIMESTAMP.test(value) && !Number.isNaN(Date.parse(value))
        ? undefined
        : "a time such as 2006-01-02T15:04:05Z";
    case "bytes":
      return isBase64(value) ? undefined : "base64 text";
    default:
      return undefined;
  }
}

function isInt32(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= -(2 ** 31) && (value as number) < 2 ** 31;
}

/** Line breaks may stand anywhere, as Go's decoder lets them. */
function isBase64(value: unknown): boolean {
  if (typeof value !== "string") return false;
  const text = value.replaceAll(/[\r\n]/g, "");
  return text.length % 4 === 0 && BASE64.test(text);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "boolean") return "a boolean";
  return `a ${typeof value}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > MAX_SHOWN_VALUE ? `${text.slice(0, MAX_SHOWN_VALUE)}…` : text;
}
