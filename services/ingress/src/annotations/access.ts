/** whitelist-source-range (allowlist-source-range), denylist-source-range. */
import { cidr, InvalidInputError } from "@fairlead/types";
import type { Cidr } from "@fairlead/types";
import type { AnnotationReader } from "./annotation-reader.ts";
import { given } from "./annotation-reader.ts";

/** Most ranges in one annotation. */
export const MAX_SOURCE_RANGES = 256;

/** Reads the group. */
export function readAccess(read: AnnotationReader): { allow?: readonly Cidr[]; deny?: readonly Cidr[] } {
  // Both names are read, so that a mistake under either is told.
  const [named, renamed] = [ranges(read, "whitelist-source-range"), ranges(read, "allowlist-source-range")];
  return {
    ...given("allow", renamed ?? named),
    ...given("deny", ranges(read, "denylist-source-range")),
  };
}

function ranges(read: AnnotationReader, name: string): readonly Cidr[] | undefined {
  const value = read.raw(name);
  if (value === undefined) return undefined;
  const items = value.split(",").map((item) => item.trim());
  if (items.length > MAX_SOURCE_RANGES) read.refuse(name, `holds more than ${MAX_SOURCE_RANGES} ranges`);
  return items.map((item) => {
    try {
      return cidr(item.includes("/") ? item : `${item}/${item.includes(":") ? 128 : 32}`, "range");
    } catch (error) {
      if (error instanceof InvalidInputError) return read.refuse(name, error.reason);
      throw error;
    }
  });
}
