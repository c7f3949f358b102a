/** Reads JSON of unknown shape into typed values, one field at a time; every refusal names the path of the field. */
import { InvalidInputError } from "./errors.ts";

/** A place in a JSON document: the value there and the path to it. */
export interface Place {
  readonly value: unknown;
  readonly path: string;
}

/** Reads one place as a `T`, or throws {@link InvalidInputError}. */
export type Reader<T> = (place: Place) => T;

/** The member of an object; its value is `undefined` where it is absent. */
export function member(place: Place, name: string): Place {
  const path = place.path === "" ? name : `${place.path}.${name}`;
  return { value: objectAt(place)[name], path };
}

/** Fails unless the place holds an object (not an array, not null). */
export function objectAt(place: Place): Readonly<Record<string, unknown>> {
  const { value } = place;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refusal(place, "must be an object");
}

export const text: Reader<string> = (place) => {
  if (typeof place.value === "string") return place.value;
  throw refusal(place, "must be a string");
};

export const flag: Reader<boolean> = (place) => {
  if (typeof place.value === "boolean") return place.value;
  throw refusal(place, "must be true or false");
};

/** A whole number within bounds, both inclusive. */
export function whole(min: number, max: number): Reader<number> {
  return (place) => {
    const { value } = place;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw refusal(place, `must be a whole number from ${min} to ${max}`);
  };
}

/** One of a closed set of words. */
export function oneOf<const Words extends readonly string[]>(words: Words): Reader<Words[number]> {
  return (place) => {
    if (typeof place.value === "string" && words.includes(place.value)) return place.value;
    throw refusal(place, `must be one of ${words.join(", ")}`);
  };
}

/** An array of at most `most` items. */
export function listOf<T>(read: Reader<T>, most: number): Reader<readonly T[]> {
  return (place) => {
    if (!Array.isArray(place.value)) throw refusal(place, "must be a list");
    if (place.value.length > most) throw refusal(place, `must have at most ${most} items, not ${place.value.length}`);
    return place.value.map((value, index) => read({ value, path: `${place.path}[${index}]` }));
  };
}

/** The member read, as an object to spread: empty where the member is absent. */
export function optional<Name extends string, T>(place: Place, name: Name, read: Reader<T>): { [K in Name]?: T } {
  const found = member(place, name);
  return (found.value === undefined ? {} : { [name]: read(found) }) as { [K in Name]?: T };
}

function refusal(place: Place, reason: string): InvalidInputError {
  return new InvalidInputError(place.path === "" ? "message" : place.path, reason);
}
