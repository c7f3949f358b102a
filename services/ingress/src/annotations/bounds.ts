/** proxy-body-size, proxy-connect-timeout, proxy-read-timeout, proxy-send-timeout. */
import type { AnnotationReader } from "./annotation-reader.ts";
import { given, show } from "./annotation-reader.ts";

/** Longest time that may be asked for, in seconds: a day. */
export const MAX_TIMEOUT_SECONDS = 86_400;

const units: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Reads the group. */
export function readBounds(read: AnnotationReader): {
  maxBodyBytes?: number;
  connectTimeoutMs?: number;
  readTimeoutMs?: number;
  sendTimeoutMs?: number;
} {
  return {
    ...given("maxBodyBytes", bodySize(read)),
    ...given("connectTimeoutMs", seconds(read, "proxy-connect-timeout")),
    ...given("readTimeoutMs", seconds(read, "proxy-read-timeout")),
    ...given("sendTimeoutMs", seconds(read, "proxy-send-timeout")),
  };
}

function bodySize(read: AnnotationReader): number | undefined {
  const name = "proxy-body-size";
  const value = read.raw(name);
  if (value === undefined) return undefined;
  const found = /^(\d{1,9})([kmg]?)$/i.exec(value);
  if (!found) return read.refuse(name, `must be a size such as 8m, not ${show(value)}`);
  return Number(found[1]) * (units[(found[2] ?? "").toLowerCase()] ?? 1);
}

function seconds(read: AnnotationReader, name: string): number | undefined {
  const value = read.whole(name, 1, MAX_TIMEOUT_SECONDS);
  return value === undefined ? undefined : value * 1000;
}
