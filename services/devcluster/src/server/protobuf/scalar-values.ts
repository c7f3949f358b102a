/** Single values of Kubernetes' protobuf as JSON has them. */
import type { WireScalar } from "./message-table.ts";
import { readFields, unreadable } from "./wire-reader.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// RFC 3339 has four digits for the year: 0001-01-01 to 9999-12-31, in s.
const firstSecond = -62_135_596_800n;
const lastSecond = 253_402_300_799n;

/** The value in JSON; undefined for a point in time that is not set. Throws BadRequest naming the field. */
export function scalarValue(of: WireScalar, value: bigint | Uint8Array, path: string): unknown {
  if (of === "boolean" || of === "int32" || of === "int64") {
    if (typeof value !== "bigint") throw unreadable(path, "it must be a number");
    return of === "boolean" ? value !== 0n : whole(value, of, path);
  }
  if (typeof value === "bigint") throw unreadable(path, "it must not be a number");
  if (of === "string") return text(value, path);
  if (of === "bytes") return Buffer.from(value).toString("base64");
  const parts = partsOf(value, path);
  if (of === "quantity") return stringPart(parts.get(1), path) || "0";
  if (of === "int-or-string") return intOrString(parts, path);
  if (of === "time" || of === "micro-time") return time(parts, of, path);
  return fieldSet(stringPart(parts.get(1), path), path);
}

/** Whether Go leaves the value out of JSON where the field is no pointer. */
export function isEmptyScalar(value: unknown): boolean {
  return value === undefined || value === "" || value === 0 || value === false;
}

function partsOf(bytes: Uint8Array, path: string): Map<number, bigint | Uint8Array> {
  const parts = new Map<number, bigint | Uint8Array>();
  for (const { number, value } of readFields(bytes, path)) {
    if (number > 3 || parts.has(number)) throw unreadable(path, `field ${number} is not known, or there twice`);
    parts.set(number, value);
  }
  return parts;
}

function whole(value: bigint, of: "int32" | "int64", path: string): number {
  const signed = BigInt.asIntN(64, value);
  const fits = of === "int32" ? BigInt.asIntN(32, signed) === signed : Number.isSafeInteger(Number(signed));
  if (!fits) throw unreadable(path, `${signed} is out of range`);
  return Number(signed);
}

function text(bytes: Uint8Array, path: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw unreadable(path, "it is not UTF-8");
  }
}

function numberPart(value: bigint | Uint8Array | undefined, of: "int32" | "int64", path: string): number {
  return value === undefined ? 0 : (scalarValue(of, value, path) as number);
}

function stringPart(value: bigint | Uint8Array | undefined, path: string): string {
  return value === undefined ? "" : (scalarValue("string", value, path) as string);
}

/** `type` 0 is the number, 1 the text. */
function intOrString(parts: ReadonlyMap<number, bigint | Uint8Array>, path: string): number | string {
  const type = numberPart(parts.get(1), "int32", path);
  if (type !== 0 && type !== 1) throw unreadable(path, `${type} is neither the number nor the text`);
  return type === 0 ? numberPart(parts.get(2), "int32", path) : stringPart(parts.get(3), path);
}

/** The zero of both parts is a time that is not set, as in Go. */
function time(
  parts: ReadonlyMap<number, bigint | Uint8Array>,
  of: "time" | "micro-time",
  path: string,
): string | undefined {
  const seconds = BigInt(numberPart(parts.get(1), "int64", path));
  const nanos = numberPart(parts.get(2), "int32", path);
  if (seconds === 0n && nanos === 0) return undefined;
  if (seconds < firstSecond || seconds > lastSecond || nanos < 0 || nanos > 999_999_999) {
    throw unreadable(path, "it is no point in time");
  }
  const toSecond = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const micros = Math.floor(nanos / 1000);
  return of === "time" ? `${toSecond}Z` : `${toSecond}.${String(micros).padStart(6, "0")}Z`;
}

function fieldSet(json: string, path: string): unknown {
  try {
    return json === "" ? {} : (JSON.parse(json) as unknown);
  } catch {
    throw unreadable(path, "it is not JSON");
  }
}
