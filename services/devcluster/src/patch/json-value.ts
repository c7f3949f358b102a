/** Plain JSON as the patches see it: what is an object, how to copy, compare, and put a key that came from a client. */

export type JsonObject = Record<string, unknown>;

/**
 * Deepest nesting of a patch and of its result. Kubernetes objects stay below 20; the bound keeps the recursion of the
 * patches, the validation and the serialiser far from the stack's end.
 */
export const MAX_NESTING = 100;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether lists and objects nest at most `limit` deep. Does not recurse, so it may be asked about anything. */
export function nestsWithin(value: unknown, limit: number = MAX_NESTING): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > limit) return false;
    const next: unknown[] = [];
    for (const item of level) {
      if (typeof item !== "object" || item === null) continue;
      for (const child of Object.values(item)) if (typeof child === "object" && child !== null) next.push(child);
    }
    level = next;
  }
  return true;
}

/** A deep copy; nesting must have been checked. */
export function copyOf<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => copyOf(item)) as T;
  if (!isObject(value)) return value;
  const copy: JsonObject = {};
  for (const [key, child] of Object.entries(value)) put(copy, key, copyOf(child));
  return copy as T;
}

/** Sets a key that a client chose: `__proto__` becomes a property like any other, instead of the prototype. */
export function put(target: JsonObject, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else target[key] = value;
}

/** The value of an own key, else undefined: nothing inherited is ever read. */
export function own(target: JsonObject, key: string): unknown {
  return Object.hasOwn(target, key) ? target[key] : undefined;
}

/** Equality as RFC 6902 section 4.6 defines it: the order of keys does not matter, that of lists does. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}
