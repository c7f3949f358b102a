/** canary, canary-by-header, -value, -pattern, canary-by-cookie, canary-weight, canary-weight-total. */
import { InvalidInputError } from "@fairlead/types";
import { pathPattern } from "../plan/path-pattern.ts";
import type { AnnotationReader } from "./annotation-reader.ts";
import { given } from "./annotation-reader.ts";
import type { CanaryPolicy } from "./policy.ts";

const token = /^[A-Za-z0-9_.-]{1,64}$/;
const headerValue = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/;
const mostWeight = 1_000_000;

/** Reads the group; undefined where the Ingress is no canary. */
export function readCanary(read: AnnotationReader): CanaryPolicy | undefined {
  const weightTotal = read.whole("canary-weight-total", 1, mostWeight) ?? 100;
  const header = read.matching("canary-by-header", token, "a header name");
  const policy: CanaryPolicy = {
    weight: read.whole("canary-weight", 0, weightTotal) ?? 0,
    weightTotal,
    ...given("header", header?.toLowerCase()),
    ...given("headerValue", read.matching("canary-by-header-value", headerValue, "a header value")),
    ...given("headerPattern", pattern(read)),
    ...given("cookie", read.matching("canary-by-cookie", token, "a cookie name")),
  };
  return read.flag("canary") === true ? policy : undefined;
}

function pattern(read: AnnotationReader): RegExp | undefined {
  const name = "canary-by-header-pattern";
  const value = read.raw(name);
  if (value === undefined) return undefined;
  try {
    // The grammar of paths keeps its matching time in bounds; a header's pattern may match anywhere and minds case.
    return new RegExp(pathPattern(value, name).pattern.source.slice(1));
  } catch (error) {
    if (error instanceof InvalidInputError) return read.refuse(name, error.reason);
    throw error;
  }
}
