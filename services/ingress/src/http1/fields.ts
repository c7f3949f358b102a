/** The fields of one head (or trailer), in their order, and the one reader for them. */
import { MAX_FIELDS, tokenBytes, valueBytes } from "./grammar.ts";

const framing = /^(?:content-length|transfer-encoding)$/i;

/** Why a message is refused, with the status that says so to a client. */
export interface Refusal {
  readonly refused: 400 | 413 | 431 | 501 | 505;
  readonly reason: string;
}

/** Makes a {@link Refusal}. */
export function refusal(refused: Refusal["refused"], reason: string): Refusal {
  return { refused, reason };
}

/** See the module. The three lists run in parallel. */
export class Fields {
  /** As written. */
  readonly names: string[] = [];
  /** The same in lower case. */
  readonly keys: string[] = [];
  readonly values: string[] = [];

  get size(): number {
    return this.names.length;
  }

  /** Adds one at the end. Not checked: what comes from elsewhere than the reader is the caller's to check. */
  add(name: string, value: string): void {
    this.names.push(name);
    this.keys.push(name.toLowerCase());
    this.values.push(value);
  }

  /** Value of a field by its name in lower case; where it is said more than once all of it, as one list. */
  get(key: string): string | undefined {
    const { keys, values } = this;
    let found: string | undefined;
    for (let at = 0; at < keys.length; at += 1) {
      if (keys[at] !== key) continue;
      found = found === undefined ? values[at] : `${found}${key === "cookie" ? "; " : ", "}${values[at]}`;
    }
    return found;
  }

  /** Takes out those that are not to be kept. */
  keep(isKept: (key: string) => boolean): void {
    const { names, keys, values } = this;
    let kept = 0;
    for (let at = 0; at < keys.length; at += 1) {
      const key = keys[at] ?? "";
      if (!isKept(key)) continue;
      if (kept < at) {
        keys[kept] = key;
        names[kept] = names[at] ?? "";
        values[kept] = values[at] ?? "";
      }
      kept += 1;
    }
    names.length = kept;
    keys.length = kept;
    values.length = kept;
  }
}

/**
 * Reads field lines from `at` to `end`, which is behind the last line's CRLF. The text is latin1, one character a byte. Refuses
 * whatever one server might read otherwise than another: folded lines, a space before the colon, bare CR or LF, other controls.
 */
export function readFields(text: string, at: number, end: number): Fields | Refusal {
  const fields = new Fields();
  while (at < end) {
    let colon = at;
    while (tokenBytes[text.charCodeAt(colon)] === 1) colon += 1;
    if (colon === at || text.charCodeAt(colon) !== 0x3a) return refusal(400, "a field has no proper name");
    let from = colon + 1;
    let code = text.charCodeAt(from);
    while (code === 0x20 || code === 0x09) code = text.charCodeAt((from += 1));
    let to = from;
    while (valueBytes[code] === 1) code = text.charCodeAt((to += 1));
    if (code !== 0x0d || text.charCodeAt(to + 1) !== 0x0a) return refusal(400, "a field has a forbidden character");
    const next = to + 2;
    while (to > from && (text.charCodeAt(to - 1) === 0x20 || text.charCodeAt(to - 1) === 0x09)) to -= 1;
    if (fields.size === MAX_FIELDS) return refusal(431, "there are too many fields");
    const name = text.slice(at, colon);
    // Tabs around what frames a body are known to hide it from some servers.
    if ((name.length === 14 || name.length === 17) && framing.test(name) && text.slice(colon, next).includes("\t")) {
      return refusal(400, "a length stands between tabs");
    }
    fields.add(name, text.slice(from, to));
    at = next;
  }
  return fields;
}
