/**
 * Regular expressions as paths (`use-regex`, `rewrite-target`), in a closed grammar whose matching time is bounded: no look-around, no
 * back-reference, no repetition of what repeats itself, and few repetitions without end.
 */
import { InvalidInputError } from "@fairlead/types";

/** Longest expression, in characters. */
export const MAX_PATTERN_LENGTH = 512;
/** Repetitions without an upper bound in one expression: matching takes the path's length to this power at worst. */
export const MAX_OPEN_REPETITIONS = 3;
/** Longest path that an expression with up to two such repetitions is tried on, in characters. */
export const PATTERN_REACH = 4096;
/** Longest path for one with three. */
export const WIDE_PATTERN_REACH = 384;

/** An expression ready to match from the beginning of a path, in either case, as ingress-nginx does. */
export interface PathPattern {
  readonly pattern: RegExp;
  readonly reach: number;
}

const atom =
  /^(?:\\[dDwWsS.\-/$^*+?()[\]{}|\\]|\[\^?(?:[A-Za-z0-9_.~%!$&'*+,;=:@/ -]|\\[dDwWsS.\-/\]\\^])+\]|[A-Za-z0-9_.~%!&',;=:@/-])/;
const quantifier = /^(?:[*+?]|\{\d{1,3}(?:,\d{0,3})?\})\??/;

/** Compiles a path; throws InvalidInputError naming `field`. */
export function pathPattern(text: string, field: string): PathPattern {
  const refuse = (reason: string): never => {
    throw new InvalidInputError(field, `${JSON.stringify(text)} ${reason}`);
  };
  if (text.length > MAX_PATTERN_LENGTH) refuse(`is longer than ${MAX_PATTERN_LENGTH} characters`);
  let rest = text;
  let open = 0;
  // For each open group: whether something in it repeats or branches.
  const groups: { varies: boolean }[] = [];
  while (rest !== "") {
    let repeatable = true;
    let varies = false;
    const step = atom.exec(rest)?.[0];
    if (step !== undefined) rest = rest.slice(step.length);
    else if (rest.startsWith("(")) {
      const head = rest.startsWith("(?:") ? 3 : 1;
      if (head === 1 && rest[1] === "?") refuse("has a group of a kind that is not supported");
      groups.push({ varies: false });
      rest = rest.slice(head);
      continue;
    } else if (rest.startsWith(")")) {
      const group = groups.pop() ?? refuse("closes a group that is not open");
      varies = group.varies;
      const outer = groups.at(-1);
      if (outer && varies) outer.varies = true;
      rest = rest.slice(1);
    } else if (rest.startsWith("|") || rest.startsWith("^") || rest.startsWith("$")) {
      const outer = groups.at(-1);
      if (outer && rest.startsWith("|")) outer.varies = true;
      repeatable = false;
      rest = rest.slice(1);
    } else refuse(`has ${JSON.stringify(rest[0])} where it is not supported`);
    const times = quantifier.exec(rest)?.[0];
    if (times === undefined) continue;
    if (!repeatable) refuse("repeats nothing");
    rest = rest.slice(times.length);
    const outer = groups.at(-1);
    if (outer) outer.varies = true;
    if (times.startsWith("?")) continue;
    if (varies) refuse("repeats a group that itself repeats or branches");
    if (/^[*+]|,\}/.test(times)) open += 1;
  }
  if (groups.length > 0) refuse("leaves a group open");
  if (open > MAX_OPEN_REPETITIONS) refuse(`repeats without end more than ${MAX_OPEN_REPETITIONS} times`);
  try {
    return {
      pattern: new RegExp(`^(?:${text})`, "i"),
      reach: open >= MAX_OPEN_REPETITIONS ? WIDE_PATTERN_REACH : PATTERN_REACH,
    };
  } catch (cause) {
    throw new InvalidInputError(field, `${JSON.stringify(text)} is no regular expression`, { cause });
  }
}
