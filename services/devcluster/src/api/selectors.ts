/** Label and field selectors in kubectl's syntax, compiled to a test of one object. */
import { badRequest } from "./errors.ts";

/** Tests one object's labels or fields. */
export type Matcher = (values: Readonly<Record<string, string>> | undefined) => boolean;

/** Longest selector, in characters: far above what fits into a URL of any client. */
export const maxSelectorLength = 16_384;

const labelName = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const labelPrefix = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

/** Whether the text may be the key of a label: an optional DNS prefix with a slash, and a name. */
export function isLabelKey(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash < 0) return labelName.test(text);
  return labelPrefix.test(text.slice(0, slash)) && labelName.test(text.slice(slash + 1));
}

/** Whether the text may be the value of a label. */
export function isLabelValue(text: string): boolean {
  return text === "" || labelName.test(text);
}

/**
 * Compiles a label selector: `a=b`, `a==b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`, `a>1`, `a<1`, joined by
 * commas. As in Kubernetes, `!=` and `notin` hold for an object without the key. Throws BadRequest.
 */
export function labelMatcher(text: string): Matcher {
  const tests = split(text, "label selector").map((part) => labelTest(part));
  return (labels = {}) => tests.every((test) => test(labels));
}

/** Compiles a field selector: `a=b`, `a==b`, `a!=b`, joined by commas; `\` takes away the meaning of `,`, `=` and `\`. Throws BadRequest. */
export function fieldMatcher(text: string): { readonly matches: Matcher; readonly fields: readonly string[] } {
  const terms = split(text, "field selector").map((part) => fieldTerm(part));
  return {
    fields: terms.map(({ field }) => field),
    matches: (values = {}) => terms.every(({ field, value, equal }) => ((values[field] ?? "") === value) === equal),
  };
}

type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

function labelTest(part: string): LabelTest {
  const set = /^([^\s!=<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part);
  if (set) {
    const [, key = "", operator, list = ""] = set;
    const values = new Set(list.split(",").map((value) => labelValue(value.trim(), part)));
    labelKey(key, part);
    return operator === "in"
      ? (labels) => Object.hasOwn(labels, key) && values.has(labels[key] ?? "")
      : (labels) => !Object.hasOwn(labels, key) || !values.has(labels[key] ?? "");
  }
  const compare = /^([^\s!=<>(),]+)\s*(==|=|!=|<|>)\s*([^\s!=<>(),]*)$/.exec(part);
  if (compare) {
    const [, key = "", operator = "", value = ""] = compare;
    labelKey(key, part);
    return comparison(key, operator, labelValue(value, part), part);
  }
  const presence = /^(!?)\s*([^\s!=<>(),]+)$/.exec(part);
  if (!presence) throw unreadable("label selector", part);
  const [, not, key = ""] = presence;
  labelKey(key, part);
  return (labels) => Object.hasOwn(labels, key) === (not === "");
}

function comparison(key: string, operator: string, value: string, part: string): LabelTest {
  switch (operator) {
    case "!=":
      return (labels) => labels[key] !== value || !Object.hasOwn(labels, key);
    case "<":
    case ">": {
      const bound = integer(value);
      if (bound === undefined) throw unreadable("label selector", part);
      return (labels) => {
        const number = Object.hasOwn(labels, key) ? integer(labels[key] ?? "") : undefined;
        return number !== undefined && (operator === ">" ? number > bound : number < bound);
      };
    }
    default:
      return (labels) => Object.hasOwn(labels, key) && labels[key] === value;
  }
}

function fieldTerm(part: string): { field: string; value: string; equal: boolean } {
  const term = /^([^=!]+?)\s*(==|=|!=)((?:[^\\=]|\\[\\,=])*)$/.exec(part);
  if (!term) throw unreadable("field selector", part);
  const [, field = "", operator, value = ""] = term;
  return { field, value: value.trim().replaceAll(/\\([\\,=])/g, "$1"), equal: operator !== "!=" };
}

/** Splits at the commas that are neither in parentheses nor escaped. */
function split(text: string, what: string): string[] {
  if (text.length > maxSelectorLength) throw badRequest(`the ${what} is longer than ${maxSelectorLength} characters`);
  if (text.trim() === "") return [];
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "(") depth++;
    else if (character === ")") depth--;
    else if (character === "," && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  parts.push(text.slice(start).trim());
  return parts;
}

function integer(text: string): number | undefined {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function labelKey(key: string, part: string): void {
  if (!isLabelKey(key)) throw unreadable("label selector", part);
}

function labelValue(value: string, part: string): string {
  if (!isLabelValue(value)) throw unreadable("label selector", part);
  return value;
}

function unreadable(what: string, part: string): Error {
  return badRequest(`unable to parse the ${what} at ${JSON.stringify(part)}`);
}
